#pragma once

#include <persist/backend/rows/beside.hpp>
#include <persist/backend/rows/hint.hpp>
#include <persist/backend/rows/index.hpp>
#include <persist/backend/rows/mail.hpp>
#include <persist/backend/rows/record.hpp>
#include <persist/backend/rows/stores.hpp>
#include <persist/record/head.hpp>

#include <algorithm>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What each operation does to the tables, inside a transaction that somebody else begins and ends.
// What was judged is written before the next request is looked at; the connection remembers what
// fails, and then nothing of the transaction stays.

namespace persist::inline PERSIST_ABI::backend::rows {

/// The tables over one connection. Not synchronised.
template <class Sql>
class Engine {
 public:
  explicit Engine(typename Sql::Time& time) : time_(time) {}

  typename Sql::Connection connection;

  void perform(OpenStoreRequest& request) { stores_.open(request, time_.wall()); }
  void perform(AcquireRequest& request);
  void perform(CommitRequest& request);
  void perform(PostRequest& request);
  void perform(RelayRequest& request);
  void perform(EraseRequest& request);
  void perform(ReadRequest& request);
  void perform(ScanRequest& request) { records_.scan(request); }
  void perform(SchemaRequest& request) { schemas_.read(request); }
  void perform(IndexRequest& request) { indexes_.query(request); }
  [[nodiscard]] std::vector<StoreInfo> stores() { return stores_.all(); }
  /// Answers who took a record in another way, by what was read along with its row.
  [[nodiscard]] bool answer_taken(AcquireRequest& request, const Record& record, WallTime now);
  /// Whom to wake once the transaction is there for them to see.
  std::vector<Hinted> hints;

 private:
  static constexpr RecordLimits usual{};
  struct Moment {
    TimePoint now;
    WallTime wall;
  };

  [[nodiscard]] static bool valid(std::string_view key, Error& error) {
    if (!key.empty() && key.size() <= 255) return true;
    return error = Error(Errc::invalid,
                         "a key has 1 to 255 bytes, this one " + std::to_string(key.size())),
           false;
  }
  [[nodiscard]] static std::uint64_t next_epoch(const Head& head, std::uint64_t least = 0) {
    return (std::max)(head.fence.epoch + 1, least);
  }

  /// Begins a request: what it touches is read once, and written once at its end.
  [[nodiscard]] Moment begin() {
    touched_.clear();
    return moment_ = {time_.now(), time_.wall()};
  }
  void end() {
    for (Record& record : touched_)
      if (record.changed && connection.good()) records_.write(record);
    touched_.clear();
  }
  [[nodiscard]] Record& at(StoreId store, std::string_view key) {
    for (Record& record : touched_)
      if (record.store == store && record.key == key) return record;
    Record& record = touched_.emplace_back(records_.find(store, key));
    if (!record.exists())
      record.head = erased_.absent(store, stores_.hash(store, key));
    else
      time_.judge(record.head, moment_.now);
    if constexpr (Sql::others_post)  // they cannot know what an erased one left
      if (record.exists() && record.head.fence.epoch == 0) {
        const Head left = erased_.absent(store, stores_.hash(store, key));
        record.head.fence.epoch = left.fence.epoch, record.head.version = left.version;
      }
    return record;
  }
  void wake(const Record& record, const Owner& whom, Hint why) {
    if (!whom.nobody()) hints.push_back({whom.nonce, record.store, record.key, why});
  }
  void make(Record& record) {
    if (record.exists() || !connection.good()) return;
    records_.insert(record);
    record.changed = true;
  }

  [[nodiscard]] bool judge_all(CommitRequest& request, std::vector<Record*>& found,
                               std::vector<bool>& fresh);
  [[nodiscard]] bool can_be_read(CommitRequest& request, const std::vector<bool>& fresh);
  void fill_taken(AcquireRequest& request, const Record& record);
  void apply(Record& record, Change& change);
  void deliver(Record& sender, Change& change);
  void answer(const Record& record, Change& change);
  [[nodiscard]] Reception receive_at(StoreId store, std::string_view key,
                                     const MessageOrigin& origin, const MessageView& message,
                                     const RecordLimits& limits);

  typename Sql::Time& time_;
  Stores<Sql> stores_{connection};
  Records<Sql> records_{connection};
  Mail<Sql> mail_{connection};
  Receipts<Sql> receipts_{connection};
  History<Sql> history_{connection};
  Erased<Sql> erased_{connection};
  Schemas<Sql> schemas_{connection};
  Indexes<Sql> indexes_{connection};
  std::deque<Record> touched_;  ///< by the request at hand
  Moment moment_{};
};

template <class Sql>
void Engine<Sql>::fill_taken(AcquireRequest& request, const Record& record) {
  records_.fill(request.record, record, true);
  mail_.numbers(record, request.record.outbox);
  receipts_.read(record, request.record.receipts);
  request.record.receipts_forgotten = record.receipts_forgotten;
  request.record.inbox = mail_.newer_than(record, 0);
}

template <class Sql>
bool Engine<Sql>::answer_taken(AcquireRequest& request, const Record& record, WallTime now) {
  fill_taken(request, record);
  request.outcome = AcquireRequest::Outcome::taken;
  request.record.now = now;
  return connection.good();
}

template <class Sql>
void Engine<Sql>::perform(AcquireRequest& request) {
  if (!valid(request.key, request.error))
    return (void)(request.outcome = AcquireRequest::Outcome::failed);
  const Moment moment = begin();
  Record& record = at(request.store, request.key);
  request.record.now = moment.wall;
  if (const bool looks = request.intent == Intent::look;
      (looks || request.intent == Intent::withdraw) && !record.exists()) {
    request.outcome = looks ? AcquireRequest::Outcome::taken : AcquireRequest::Outcome::held;
    request.record.fence.epoch = record.head.fence.epoch;
    request.record.version = record.head.version;
    return;
  }
  make(record);
  const Claim claimed = claim(record.head, request, moment.now);
  if (claimed == Claim::held) {
    const Owner before = record.head.asker;
    if (ask(record.head, request)) wake(record, record.head.fence.owner, Hint::asked);
    record.changed = record.changed || record.head.asker != before;
    request.outcome = AcquireRequest::Outcome::held;
    request.holder = held_by(record.head, moment.now);
    return end();
  }
  if (claimed == Claim::fresh) {
    const std::uint64_t epoch = request.claim_epoch != 0
                                    ? request.claim_epoch
                                    : next_epoch(record.head, request.least_epoch);
    take(record.head, request.owner, request.lease, epoch, moment.now);
    record.changed = true;
  }
  request.outcome = AcquireRequest::Outcome::taken;
  fill_taken(request, record);
  end();
}

/// Whether anything is to be applied; marks what is.
template <class Sql>
bool Engine<Sql>::judge_all(CommitRequest& request, std::vector<Record*>& found,
                            std::vector<bool>& fresh) {
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Record& record = *found[i];
    const Verdict verdict = judge(record.head, change, moment_.now, 0);
    if (record.exists()) change.version = record.head.version;
    fresh.push_back(verdict == Verdict::apply);
    if (verdict == Verdict::apply || verdict == Verdict::repeated) continue;
    request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                                 : CommitRequest::Outcome::superseded;
    request.culprit = i;
    if (record.exists()) {
      change.landed = landed(record.head, change);
      change.holder = held_by(record.head, moment_.now);
    }
    const Hash128 self = stores_.hash(change.store, change.key);
    change.erased = erased_.absent(change.store, self).fence.epoch > change.fence.epoch;
    return false;
  }
  return true;
}

/// Whether the store holds, or is sent, the schemas that the new data needs.
template <class Sql>
bool Engine<Sql>::can_be_read(CommitRequest& request, const std::vector<bool>& fresh) {
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const Change& change = request.changes[i];
    if (!fresh[i] || change.schema == nullptr) continue;
    request.error = schemas_.refusal_of(change);
    if (!failed(request.error)) continue;
    request.outcome = CommitRequest::Outcome::failed;
    request.culprit = i;
    return false;
  }
  return true;
}

template <class Sql>
void Engine<Sql>::perform(CommitRequest& request) {
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    if (valid(request.changes[i].key, request.error)) continue;
    request.culprit = i;
    return (void)(request.outcome = CommitRequest::Outcome::failed);
  }
  (void)begin();
  std::vector<Record*> found;
  std::vector<bool> fresh;
  for (const Change& change : request.changes)
    found.push_back(&at(change.store, change.key));
  if (!judge_all(request, found, fresh) || !can_be_read(request, fresh)) return;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (fresh[i]) apply(*found[i], request.changes[i]);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (fresh[i]) deliver(*found[i], request.changes[i]);
  for (std::size_t i = 0; i < found.size(); ++i)
    answer(*found[i], request.changes[i]);
  if (std::find(fresh.begin(), fresh.end(), true) != fresh.end())
    request.outcome = CommitRequest::Outcome::applied;
  end();
}

/// What a commit learns, whether it was applied now or before.
template <class Sql>
void Engine<Sql>::answer(const Record& record, Change& change) {
  change.version = record.head.version;
  change.epoch = record.head.fence.epoch;
  change.release_requested = record.head.asked();
  change.messages.clear();
  if (record.last_position > change.seen_position)
    change.messages = mail_.newer_than(record, change.seen_position);
  change.now = moment_.wall;
  for (Send& send : change.sends)
    send.delivered = !mail_.holds(record, record.head.fence.epoch, send.number);
}

template <class Sql>
void Engine<Sql>::apply(Record& record, Change& change) {
  make(record);  // only a change that claims is new to a record that is not
  record.changed = true;
  if (takes_first(record.head, change))
    take(record.head, change.fence.owner, Duration::zero(), next_epoch(record.head), moment_.now);
  if (change.schema != nullptr && change.sends_schema) schemas_.keep(change);
  if (change.history != nullptr && change.writes_data())
    history_.keep_older(record, *change.history, moment_.wall);
  if (change.data != nullptr) {
    records_.set_data(record, *change.data);
    record.has_data = true;
    record.data_bytes = change.data->size();
  } else if (change.removes_data) {
    records_.remove_data(record);
    record.has_data = false;
  }
  if (change.user_ids != nullptr) records_.set_users(record, *change.user_ids);
  if (change.user_ids != nullptr || change.indexed != nullptr || change.removes_data)
    indexes_.change(record, change);
  if (change.metadata != nullptr) records_.set_metadata(record, *change.metadata);
  mail_.acknowledge(record, change.acknowledged);
  if (change.forget_receipts != 0) receipts_.forget(record, change.forget_receipts);
  receipts_.add(record, change.receipts);
  if (change.lease == LeaseChange::release) wake(record, record.head.asker, Hint::freed);
  advance(record.head, change, change.writes_data(), moment_.now, moment_.wall);
}

template <class Sql>
Reception Engine<Sql>::receive_at(StoreId store, std::string_view key, const MessageOrigin& origin,
                                  const MessageView& message, const RecordLimits& limits) {
  Record& receiver = at(store, key);
  Inbox inbox = mail_.inbox_for(receiver, origin);
  const auto waiting = static_cast<std::size_t>(receiver.inbox_messages);
  const Reception got = admit(inbox, waiting, origin, message, limits, moment_.wall);
  if (got.outcome != Reception::Outcome::accepted) return got;
  make(receiver);  // what is refused makes no record
  mail_.put(receiver, inbox, origin, message, moment_.wall);
  wake(receiver, receiver.head.fence.owner, Hint::message);
  return got;
}

template <class Sql>
void Engine<Sql>::deliver(Record& sender, Change& change) {
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : usual;
  const std::uint64_t epoch = sender.head.fence.epoch;
  for (const Send& send : change.sends) {
    const MessageOrigin origin{stores_.hash(change.store, change.key), epoch, send.number, {}};
    if (mail_.holds(sender, epoch, send.number)) continue;  // a reply was lost
    if (!mail_.waits_for(sender, send.store, send.key) &&
        receive_at(send.store, send.key, origin, send.message, limits).outcome !=
            Reception::Outcome::full)
      continue;
    mail_.keep(sender, epoch, send);
  }
}

template <class Sql>
void Engine<Sql>::perform(ReadRequest& request) {
  if (!valid(request.key, request.error)) return;
  const Moment moment = begin();
  const Record& record = at(request.store, request.key);
  request.record.now = moment.wall;
  request.found = record.exists();
  if (!record.exists()) return;
  request.held = record.head.leased_at(moment.now);
  request.holder = held_by(record.head, moment.now);
  request.inbox_messages = static_cast<std::size_t>(record.inbox_messages);
  request.inbox_bytes = static_cast<std::size_t>(record.inbox_bytes);
  request.outbox_messages = static_cast<std::size_t>(record.outbox_messages);
  const bool is_older = request.version != 0 && request.version != record.head.version;
  records_.fill(request.record, record, request.wants_data && !is_older);
  mail_.numbers(record, request.record.outbox);
  request.record.inbox.clear();
  if (request.wants_inbox) request.record.inbox = mail_.newer_than(record, 0);
  if (request.version != 0 || request.wants_versions) history_.read(record, request);
}

template <class Sql>
void Engine<Sql>::perform(PostRequest& request) {
  if (!valid(request.key, request.error)) return;
  (void)begin();
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  answer_post(request,
              receive_at(request.store, request.key, request.origin, request.message, limits));
  end();
}

/// Lists what waits, or takes messages out of one record.
template <class Sql>
void Engine<Sql>::perform(RelayRequest& request) {
  request.now = begin().wall;
  if (request.take_from.empty()) {
    request.waiting.clear();
    for (std::string& key : mail_.senders_after(request.store, request.after, request.most)) {
      std::vector<OutgoingMessage> messages = mail_.waiting(request.store, key);
      request.waiting.push_back({std::move(key), std::move(messages)});
    }
    return;
  }
  Record& record = at(request.store, request.take_from);
  if (!record.exists()) return;
  for (const OutgoingMessage& message : request.take)
    mail_.take_out(record, message.epoch, message.number);
  end();
}

template <class Sql>
void Engine<Sql>::perform(EraseRequest& request) {
  if (!valid(request.key, request.error)) return;
  (void)begin();
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  Record& record = at(request.store, request.key);
  request.sent = request.dropped = 0;
  request.found = record.exists();
  if (!record.exists()) return;
  const Hash128 self = stores_.hash(request.store, request.key);
  for (const OutgoingMessage& message : mail_.waiting(request.store, request.key)) {
    const Reception got =
        receive_at(message.store, message.key, {self, message.epoch, message.number, {}},
                   message.view(), limits);
    const bool sent = got.outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return end();
    }
    ++(sent ? request.sent : request.dropped);
    mail_.take_out(record, message.epoch, message.number);
  }
  request.epoch = next_epoch(record.head);
  erased_.leave(request.store, self, request.epoch, record.head.version);
  mail_.remove(record);
  receipts_.remove(record);
  history_.remove(record);
  indexes_.remove(record);
  records_.remove(record);
  record.changed = false;
  wake(record, record.head.asker, Hint::freed);
  end();
}

}  // namespace persist::inline PERSIST_ABI::backend::rows
