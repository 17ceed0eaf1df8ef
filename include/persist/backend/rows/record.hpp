#pragma once

#include <persist/bytes.hpp>
#include <persist/record/head.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The table of records: a row as the rules of record/head.hpp want it, and back.

namespace persist::inline PERSIST_ABI::backend::rows {

/// The large parts of a record.
struct Beside {
  Buffer user_ids{};
  Buffer metadata{};
  std::optional<Buffer> data{};
  /// Of other tables, as `Sql::Packed` reads them; there where it was asked for and there are any.
  std::optional<Buffer> receipts{}, inbox{}, outbox{};
};

/// A record as one transaction sees it.
struct Record {
  StoreId store{};
  std::string key;
  std::int64_t id = 0;  ///< 0: there is no such record
  Head head{};
  bool has_data = false;
  std::uint64_t data_bytes = 0;
  std::uint64_t receipts = 0;
  std::uint32_t receipts_forgotten = 0;
  std::uint64_t inbox_messages = 0;
  std::uint64_t inbox_bytes = 0;
  std::uint64_t last_position = 0;
  WallTime ids_forgotten{};
  std::uint64_t outbox_messages = 0;
  bool changed = false;  ///< and is to be written
  /// Grows with each write of the row, where the database's rows are remembered between
  /// transactions.
  std::uint64_t revision = 0;
  const Beside* beside = nullptr;  ///< what was read along with the row, if anything was

  [[nodiscard]] bool exists() const noexcept { return id != 0; }
};

inline constexpr std::size_t past_size = 32;

[[nodiscard]] inline Buffer encode_past(const std::array<PastWrite, 4>& past) {
  Buffer bytes;
  for (const PastWrite& each : past) {
    if (each.epoch == 0) break;  // none is older
    for (const std::uint64_t number : {each.epoch, each.nonce, each.session, each.write})
      append_little(bytes, number);
  }
  return bytes;
}
/// False where the bytes are no list of epochs.
[[nodiscard]] inline bool decode_past(ByteView bytes, std::array<PastWrite, 4>& past) {
  if (bytes.size() % past_size != 0 || bytes.size() > past.size() * past_size) return false;
  for (std::size_t i = 0; i * past_size < bytes.size(); ++i) {
    const std::byte* at = bytes.data() + i * past_size;
    const auto number = [at](std::size_t n) { return load_little<std::uint64_t>(at + 8 * n); };
    past[i] = {number(0), number(1), number(2), number(3)};
  }
  return true;
}

[[nodiscard]] inline Buffer encode_users(std::span<const std::uint64_t> users) {
  Buffer bytes;
  for (const std::uint64_t user : users)
    append_little(bytes, user);
  return bytes;
}

template <class Sql>
class Records {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Records(Connection& connection) : connection_(connection) {}

  /// The record of that key; one without an id where there is none.
  [[nodiscard]] Record find(StoreId store, std::string_view key) {
    if constexpr (Sql::remembers_rows)
      if (const Record* known = connection_.known(store, key)) return *known;
    Record record{.store = store, .key = std::string(key)};
    Query q(find_);
    q << store.index << key;
    if (q.row()) read(connection_, q, record);
    return record;
  }
  /// Gives it a row, which has nothing but its name until it is written.
  void insert(Record& record) {
    const std::int64_t id = connection_.fresh_id();
    Query q(insert_);
    id != 0 ? q << id : q << nullptr;
    (q << record.store.index << std::string_view(record.key)).run();
    if (connection_.good()) record.id = id != 0 ? id : connection_.inserted_id();
  }
  void write(Record& r) {
    const Head& h = r.head;
    const Buffer past = encode_past(h.past);
    Query q(write_);
    q << r.id << h.fence.epoch << h.fence.owner.server.view() << h.fence.owner.nonce
      << h.fence.owner.session << h.fence.write << h.version << h.load_count << h.renewals
      << h.lease << h.renewed.time_since_epoch() << h.created << h.updated << h.asker.server.view()
      << h.asker.nonce << h.asker.session << past.view();
    r.has_data ? q << r.data_bytes : q << nullptr;
    q << r.receipts << r.receipts_forgotten << r.inbox_messages << r.inbox_bytes << r.last_position
      << r.ids_forgotten << r.outbox_messages;
    q.run();
    if constexpr (Sql::remembers_rows) connection_.remember(r);
  }
  void set_users(const Record& record, std::span<const std::uint64_t> users) {
    const Buffer bytes = encode_users(users);
    Query q(set_users_);
    (q << record.id << bytes.view()).run();
  }
  void set_metadata(const Record& record, ByteView bytes) {
    Query q(set_metadata_);
    (q << record.id << bytes).run();
  }
  void set_data(const Record& record, ByteView bytes) {
    Query q(set_data_);
    (q << record.id << bytes).run();
  }
  void remove_data(const Record& record) {
    Query q(remove_data_);
    (q << record.id).run();
  }
  void remove(const Record& record) {
    remove_data(record);
    Query q(remove_);
    (q << record.id).run();
    if constexpr (Sql::remembers_rows) connection_.forget(record);
  }

  /// What a reader gets of it but for messages and receipts.
  void fill(Snapshot& to, const Record& from, bool wants_data) {
    to.fence = from.head.fence;
    to.version = from.head.version;
    to.has_data = from.has_data;
    to.load_count = from.head.load_count;
    to.created = from.head.created;
    to.updated = from.head.updated;
    to.data.clear();
    to.metadata.clear();
    to.user_ids.clear();
    if (!from.exists()) return;
    fill_beside(to, from);
    if (!wants_data || !from.has_data) return;
    if (from.beside != nullptr && from.beside->data) {
      to.data = Buffer(from.beside->data->view());
      return;
    }
    Query data(data_);
    data << from.id;
    if (data.row())
      to.data.append(data.bytes());
    else
      connection_.damaged("the data of " + from.key);
  }
  /// A page of keys with data, or with messages.
  void scan(ScanRequest& request) {
    const std::size_t most = request.most != 0 ? request.most : 1;
    request.keys.clear();
    Query q(scan_);
    q << request.store.index << std::string_view(request.after) << std::uint64_t{most}
      << std::uint64_t{request.of_inboxes ? 1U : 0U};
    while (q.row())
      request.keys.emplace_back(q.text());
    request.next = request.keys.empty() ? request.after : request.keys.back();
    request.done = request.keys.size() < most;
  }

  /// What `read` reads, in its order.
  [[nodiscard]] static const std::string& columns() {
    static const std::string all =
        std::string(
            "id, epoch, owner, owner_nonce, owner_session, write_number, version, load_count, "
            "renewals, lease_ns, renewed_ns, created_ms, updated_ms, asker, asker_nonce, "
            "asker_session, past, data_bytes, receipts, receipts_forgotten, inbox_messages, "
            "inbox_bytes, last_position, ids_forgotten_ms, outbox_messages") +
        (Sql::remembers_rows ? ", revision" : "");
    return all;
  }
  static void read(Connection& connection, Query& q, Record& r) {
    Head& h = r.head;
    r.id = q.integer();
    h.fence.epoch = q.number();
    h.fence.owner = owner(q);
    h.fence.write = q.number();
    h.version = q.number();
    h.load_count = q.number();
    h.renewals = q.number();
    h.lease = q.duration();
    h.renewed = TimePoint(q.duration());
    h.created = q.time();
    h.updated = q.time();
    h.asker = owner(q);
    if (!decode_past(q.bytes(), h.past)) connection.damaged("the last epochs of " + r.key);
    r.has_data = !q.next_is_null();
    r.data_bytes = q.number();
    r.receipts = q.number();
    r.receipts_forgotten = q.template small<std::uint32_t>();
    r.inbox_messages = q.number();
    r.inbox_bytes = q.number();
    r.last_position = q.number();
    r.ids_forgotten = q.time();
    r.outbox_messages = q.number();
    if constexpr (Sql::remembers_rows) r.revision = q.number();
  }

 private:
  void fill_beside(Snapshot& to, const Record& from) {
    const auto fill = [&](ByteView users, ByteView metadata) {
      if (users.size() % 8 != 0) connection_.damaged("the user ids of " + from.key);
      for (std::size_t i = 0; i + 8 <= users.size(); i += 8)
        to.user_ids.push_back(load_little<std::uint64_t>(users.data() + i));
      to.metadata.append(metadata);
    };
    if (from.beside != nullptr) return fill(from.beside->user_ids, from.beside->metadata);
    Query q(beside_);
    q << from.id;
    if (!q.row()) return;
    const ByteView users = q.bytes();
    fill(users, q.bytes());
  }
  [[nodiscard]] static Owner owner(Query& q) {
    const ServerId server(q.text());
    const std::uint64_t nonce = q.number();
    return {server, nonce, q.number()};
  }
  Connection& connection_;
  std::string find_sql_ = "SELECT " + columns() +
                          " FROM persist_record WHERE store = ?1 AND key = ?2" + Sql::for_update;
  Statement find_{connection_, find_sql_.c_str()};
  Statement insert_{connection_, "INSERT INTO persist_record (id, store, key) VALUES (?1, ?2, ?3)"};
  std::string write_sql_ =
      std::string(
          "UPDATE persist_record SET epoch = ?2, owner = ?3, owner_nonce = ?4, "
          "owner_session = ?5, write_number = ?6, version = ?7, load_count = ?8, "
          "renewals = ?9, lease_ns = ?10, renewed_ns = ?11, created_ms = ?12, "
          "updated_ms = ?13, asker = ?14, asker_nonce = ?15, asker_session = ?16, "
          "past = ?17, data_bytes = ?18, receipts = ?19, receipts_forgotten = ?20, "
          "inbox_messages = ?21, inbox_bytes = ?22, last_position = ?23, "
          "ids_forgotten_ms = ?24, outbox_messages = ?25") +
      (Sql::remembers_rows ? ", revision = revision + 1" : "") + " WHERE id = ?1";
  Statement write_{connection_, write_sql_.c_str()};
  Statement set_users_{connection_, "UPDATE persist_record SET user_ids = ?2 WHERE id = ?1"};
  Statement set_metadata_{connection_, "UPDATE persist_record SET metadata = ?2 WHERE id = ?1"};
  Statement set_data_{connection_,
                      "INSERT INTO persist_data VALUES (?1, ?2) "
                      "ON CONFLICT (record) DO UPDATE SET data = excluded.data"};
  Statement remove_data_{connection_, "DELETE FROM persist_data WHERE record = ?1"};
  Statement remove_{connection_, "DELETE FROM persist_record WHERE id = ?1"};
  Statement beside_{connection_, "SELECT user_ids, metadata FROM persist_record WHERE id = ?1"};
  Statement data_{connection_, "SELECT data FROM persist_data WHERE record = ?1"};
  Statement scan_{
      connection_,
      "SELECT key FROM persist_record WHERE store = ?1 AND key > ?2 "
      "AND CASE CAST(?4 AS BIGINT) WHEN 0 THEN data_bytes IS NOT NULL ELSE inbox_messages > 0 END "
      "ORDER BY key LIMIT ?3"};
};

}  // namespace persist::inline PERSIST_ABI::backend::rows
