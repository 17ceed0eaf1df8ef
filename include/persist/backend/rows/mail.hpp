#pragma once

#include <persist/backend/rows/record.hpp>
#include <persist/record/mailbox.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The tables of messages. What may come in is judged by record/mailbox.hpp, of an inbox that holds
// what the judgement needs and no message: those stay where they are until somebody wants them.

namespace persist::inline PERSIST_ABI::backend::rows {

template <class Sql>
class Mail {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Mail(Connection& connection) : connection_(connection) {}

  /// What `admit` needs to know of a record's inbox to judge a message from there.
  [[nodiscard]] Inbox inbox_for(const Record& record, const MessageOrigin& origin) {
    Inbox inbox;
    inbox.last_position = record.last_position;
    inbox.bytes = static_cast<std::size_t>(record.inbox_bytes);
    inbox.forgotten = record.ids_forgotten;
    if (!record.exists() || inbox.never_used()) return inbox;
    if (origin.is_numbered()) {
      Query q(sender_);
      q << record.id << origin.source;
      if (q.row()) {
        const std::uint64_t epoch = q.number();
        inbox.senders.push_back({origin.source, epoch, q.number()});
      }
      return inbox;
    }
    Query q(known_);
    q << record.id;
    while (q.row()) {
      const std::uint64_t position = q.number();
      const Hash128 id = q.hash();
      inbox.known.push_back({id, q.time(), position});
    }
    return inbox;
  }
  /// Puts in what was admitted.
  void put(Record& record, const Inbox& inbox, const MessageOrigin& origin,
           const MessageView& message, WallTime now) {
    record.last_position = inbox.last_position;
    record.inbox_bytes = inbox.bytes;
    record.ids_forgotten = inbox.forgotten;
    ++record.inbox_messages;
    record.changed = true;
    if (origin.is_numbered()) {
      Query q(know_sender_);
      (q << record.id << origin.source << origin.epoch << origin.number).run();
    } else {
      remember(record, inbox);
    }
    Query q(put_);
    q << record.id << inbox.last_position << origin.source << origin.epoch << origin.number
      << origin.first_tried << message.type << std::uint32_t{message.codec}
      << std::uint32_t{message.priority} << now << message.expires << message.payload;
    q.run();
  }
  [[nodiscard]] std::vector<Message> newer_than(const Record& record, std::uint64_t seen) {
    std::vector<Message> all;
    if (record.inbox_messages == 0) return all;
    if constexpr (Sql::remembers_rows)
      if (seen == 0 && record.beside != nullptr && record.beside->inbox) {
        for (typename Sql::Packed rows(*record.beside->inbox); rows.row();)
          all.push_back(message(rows));
        return all;
      }
    Query q(newer_);
    q << record.id << seen;
    while (q.row())
      all.push_back(message(q));
    return all;
  }
  void acknowledge(Record& record, std::span<const std::uint64_t> positions) {
    for (const std::uint64_t position : positions) {
      if (record.inbox_messages == 0) return;
      std::size_t cost = 0;
      {
        Query q(look_);
        q << record.id << position;
        if (!q.row()) continue;
        const std::string_view type = q.text();
        cost = inbox_cost({type, 0, 0, {}, q.bytes()});
      }
      Query q(take_);
      (q << record.id << position).run();
      --record.inbox_messages;
      record.inbox_bytes -= (std::min)(record.inbox_bytes, std::uint64_t{cost});
      record.changed = true;
    }
  }

  /// Whether an earlier message to that receiver still waits.
  [[nodiscard]] bool waits_for(const Record& sender, StoreId store, std::string_view key) {
    if (sender.outbox_messages == 0) return false;
    Query q(waits_for_);
    q << sender.store.index << std::string_view(sender.key) << store.index << key;
    return q.row();
  }
  [[nodiscard]] bool holds(const Record& sender, std::uint64_t epoch, std::uint64_t number) {
    if (sender.outbox_messages == 0) return false;
    Query q(holds_);
    q << sender.store.index << std::string_view(sender.key) << epoch << number;
    return q.row();
  }
  void keep(Record& sender, std::uint64_t epoch, const Send& send) {
    const MessageView& m = send.message;
    Query q(keep_);
    q << sender.store.index << std::string_view(sender.key) << send.store.index << send.key << epoch
      << send.number << m.type << std::uint32_t{m.codec} << std::uint32_t{m.priority} << m.expires
      << m.payload;
    q.run();
    ++sender.outbox_messages;
    sender.changed = true;
  }
  [[nodiscard]] std::vector<OutgoingMessage> waiting(StoreId store, std::string_view key) {
    std::vector<OutgoingMessage> all;
    Query q(waiting_);
    q << store.index << key;
    while (q.row()) {
      OutgoingMessage m;
      m.store = {q.template small<std::uint32_t>()};
      m.key = q.text();
      m.epoch = q.number();
      m.number = q.number();
      m.type = q.text();
      m.codec = q.template small<std::uint16_t>();
      m.priority = q.template small<std::uint8_t>();
      m.expires = q.time();
      m.payload.append(q.bytes());
      all.push_back(std::move(m));
    }
    return all;
  }
  void numbers(const Record& sender, std::vector<std::uint64_t>& to) {
    to.clear();
    if (sender.outbox_messages == 0) return;
    if constexpr (Sql::remembers_rows)
      if (sender.beside != nullptr && sender.beside->outbox) {
        for (typename Sql::Packed rows(*sender.beside->outbox); rows.row();)
          to.push_back(rows.number());
        return;
      }
    Query q(numbers_);
    q << sender.store.index << std::string_view(sender.key);
    while (q.row())
      to.push_back(q.number());
  }
  void take_out(Record& sender, std::uint64_t epoch, std::uint64_t number) {
    Query q(take_out_);
    q << sender.store.index << std::string_view(sender.key) << epoch << number;
    const std::uint64_t gone = q.changed();
    if (gone == 0) return;
    sender.outbox_messages -= (std::min)(sender.outbox_messages, gone);
    sender.changed = true;
  }
  /// Keys of records whose outbox waits, by rising key.
  [[nodiscard]] std::vector<std::string> senders_after(StoreId store, std::string_view after,
                                                       std::size_t most) {
    std::vector<std::string> keys;
    Query q(senders_after_);
    q << store.index << after << std::uint64_t{most};
    while (q.row())
      keys.emplace_back(q.text());
    return keys;
  }
  /// All that came to a record, and what waits there.
  void remove(const Record& record) {
    for (Statement* each : {&no_inbox_, &no_senders_, &no_known_}) {
      Query q(*each);
      (q << record.id).run();
    }
    Query q(no_outbox_);
    (q << record.store.index << std::string_view(record.key)).run();
  }

 private:
  /// Of the ids that are known the last is new, and older ones may have been forgotten.
  void remember(const Record& record, const Inbox& inbox) {
    const Inbox::Known& last = inbox.known.back();
    Query in(know_);
    (in << record.id << last.position << last.id << last.first_tried).run();
    std::vector<std::uint64_t> gone;
    {
      Query q(known_);
      q << record.id;
      auto kept = inbox.known.begin();  // both by rising position
      while (q.row()) {
        const std::uint64_t position = q.number();
        if (kept != inbox.known.end() && kept->position == position)
          ++kept;
        else
          gone.push_back(position);
      }
    }
    for (const std::uint64_t position : gone) {
      Query q(forget_);
      (q << record.id << position).run();
    }
  }
  template <class Rows>
  [[nodiscard]] static Message message(Rows& q) {
    Message m;
    m.position = q.number();
    m.origin.source = q.hash();
    m.origin.epoch = q.number();
    m.origin.number = q.number();
    m.origin.first_tried = q.time();
    m.type = q.text();
    m.codec = q.template small<std::uint16_t>();
    m.priority = q.template small<std::uint8_t>();
    m.posted = q.time();
    m.expires = q.time();
    m.payload.append(q.bytes());
    return m;
  }

  Connection& connection_;
  Statement sender_{connection_,
                    "SELECT epoch, number FROM persist_sender WHERE record = ?1 AND source = ?2"};
  Statement know_sender_{connection_,
                         "INSERT INTO persist_sender VALUES (?1, ?2, ?3, ?4) ON CONFLICT (record, "
                         "source) DO UPDATE SET epoch = excluded.epoch, number = excluded.number"};
  Statement known_{connection_,
                   "SELECT position, id, first_tried_ms FROM persist_known WHERE record = ?1 "
                   "ORDER BY position"};
  Statement know_{connection_, "INSERT INTO persist_known VALUES (?1, ?2, ?3, ?4)"};
  Statement forget_{connection_, "DELETE FROM persist_known WHERE record = ?1 AND position = ?2"};
  Statement put_{connection_,
                 "INSERT INTO persist_inbox (record, position, source, epoch, number, "
                 "first_tried_ms, type, codec, priority, posted_ms, expires_ms, payload) "
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"};
  Statement newer_{connection_,
                   "SELECT position, source, epoch, number, first_tried_ms, type, codec, priority, "
                   "posted_ms, expires_ms, payload FROM persist_inbox "
                   "WHERE record = ?1 AND position > ?2 ORDER BY position"};
  Statement look_{connection_,
                  "SELECT type, payload FROM persist_inbox WHERE record = ?1 AND position = ?2"};
  Statement take_{connection_, "DELETE FROM persist_inbox WHERE record = ?1 AND position = ?2"};
  Statement waits_for_{connection_,
                       "SELECT 1 FROM persist_outbox WHERE store = ?1 AND key = ?2 "
                       "AND to_store = ?3 AND to_key = ?4 LIMIT 1"};
  Statement holds_{connection_,
                   "SELECT 1 FROM persist_outbox WHERE store = ?1 AND key = ?2 "
                   "AND epoch = ?3 AND number = ?4 LIMIT 1"};
  Statement keep_{connection_,
                  "INSERT INTO persist_outbox (store, key, to_store, to_key, epoch, number, type, "
                  "codec, priority, expires_ms, payload) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"};
  Statement waiting_{connection_,
                     "SELECT to_store, to_key, epoch, number, type, codec, priority, expires_ms, "
                     "payload FROM persist_outbox WHERE store = ?1 AND key = ?2 ORDER BY id"};
  Statement numbers_{connection_,
                     "SELECT number FROM persist_outbox WHERE store = ?1 AND key = ?2 ORDER BY id"};
  Statement take_out_{connection_,
                      "DELETE FROM persist_outbox WHERE store = ?1 AND key = ?2 AND epoch = ?3 "
                      "AND number = ?4"};
  Statement senders_after_{connection_,
                           "SELECT DISTINCT key FROM persist_outbox WHERE store = ?1 AND key > ?2 "
                           "ORDER BY key LIMIT ?3"};
  Statement no_inbox_{connection_, "DELETE FROM persist_inbox WHERE record = ?1"};
  Statement no_senders_{connection_, "DELETE FROM persist_sender WHERE record = ?1"};
  Statement no_known_{connection_, "DELETE FROM persist_known WHERE record = ?1"};
  Statement no_outbox_{connection_, "DELETE FROM persist_outbox WHERE store = ?1 AND key = ?2"};
};

}  // namespace persist::inline PERSIST_ABI::backend::rows
