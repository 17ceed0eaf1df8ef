// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <sqlite3.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

// SQLite's C interface in as few words as the tables need. A connection remembers the first thing
// that went wrong and does nothing more until it is told to go on, so a transaction is written
// without a look at each step and judged once, at its end.

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// What a result code of SQLite means to a caller, before it is known whether anything was written.
[[nodiscard]] inline Error describe(int code, std::string_view words, const std::string& path,
                                    int number) {
  const std::string said = path + ": " + std::string(words);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Errc::timeout, path + " is being written by others; nothing was written"};
    case SQLITE_CORRUPT:
      return {Errc::corrupt, said +
                                 "; the file was left as it is: see what `PRAGMA "
                                 "integrity_check` says, and restore a backup"};
    case SQLITE_NOTADB:
      return {Errc::corrupt, path +
                                 " is no SQLite database, or an encrypted one; it was left as "
                                 "it is: name another file, or restore a backup"};
    case SQLITE_CONSTRAINT:
      return {Errc::corrupt, said + "; the tables of persist hold what it did not write"};
    case SQLITE_TOOBIG:
      return {Errc::too_large, said + "; nothing was written"};
    case SQLITE_FULL:
      return {Errc::io, path +
                            " has no room: the disk is full, or the database has reached the "
                            "size it may have; nothing was written"};
    case SQLITE_READONLY:
      return {Errc::io, path +
                            " cannot be written: the file, its folder or its file system is "
                            "read-only for this process"};
    default:
      return Error(Errc::io, said).with_os(number);
  }
}

/// One connection to a database file. Not synchronised.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { sqlite3_close_v2(db_); }

  /// Opens a file that is there. A second call is not allowed.
  void open(const std::string& path) {
    path_ = path;
    note(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
    if (db_ != nullptr) sqlite3_extended_result_codes(db_, 1);
  }
  /// Runs statements without arguments; of a row nothing is kept.
  void execute(const char* sql) {
    if (good()) note(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr));
  }

  [[nodiscard]] bool good() const noexcept { return code_ == SQLITE_OK && !refused_; }
  /// Whether it was only that others are at work.
  [[nodiscard]] bool is_busy() const noexcept {
    return (code_ & 0xff) == SQLITE_BUSY || (code_ & 0xff) == SQLITE_LOCKED;
  }
  [[nodiscard]] int code() const noexcept { return code_; }
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  /// Goes on as if nothing had happened.
  void forget() noexcept {
    code_ = SQLITE_OK, refused_ = false;
    error_ = Error(Errc{});
  }
  void note(int code) {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE || !good()) return;
    code_ = code;
    error_ = describe(code, db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(code), path_,
                      db_ != nullptr ? sqlite3_system_errno(db_) : 0);
  }
  /// What was read makes no sense, though SQLite has nothing against it.
  void refuse(Error error) {
    if (!good()) return;
    refused_ = true;
    error_ = std::move(error);
  }
  /// The failure was one of a commit, and nobody can tell what the disk holds.
  void doubt() {
    error_ = Error(Errc::unknown_outcome,
                   std::string(error_.detail()) + " while a transaction was being committed")
                 .with_os(error_.os_error());
  }
  void damaged(std::string_view what) {
    refuse({Errc::corrupt, path_ + ": " + std::string(what) +
                               " is not as persist wrote it; it was left as it is: restore a "
                               "backup, or erase the record"});
  }

  [[nodiscard]] sqlite3* get() const noexcept { return db_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  sqlite3* db_ = nullptr;
  std::string path_;
  int code_ = SQLITE_OK;
  bool refused_ = false;
  Error error_{Errc{}};
};

/// A statement that is prepared when it is first used and kept. The text must live on.
class Statement {
 public:
  Statement(Connection& connection, const char* sql) noexcept
      : connection_(connection), sql_(sql) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(prepared_); }

 private:
  friend class Query;
  [[nodiscard]] sqlite3_stmt* prepared() {
    if (prepared_ == nullptr && connection_.good())
      connection_.note(sqlite3_prepare_v3(connection_.get(), sql_, -1, SQLITE_PREPARE_PERSISTENT,
                                          &prepared_, nullptr));
    return prepared_;
  }

  Connection& connection_;
  const char* sql_;
  sqlite3_stmt* prepared_ = nullptr;
};

/// One use of a statement: its arguments in order, then its rows. What is bound must live as long;
/// what a column gives, until the next row.
class Query {
 public:
  explicit Query(Statement& statement)
      : connection_(statement.connection_), statement_(statement.prepared()) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() {
    if (statement_ == nullptr) return;
    sqlite3_reset(statement_);  // says again what the last step said
    sqlite3_clear_bindings(statement_);
  }

  Query& operator<<(std::int64_t value) {
    return bound(good() ? sqlite3_bind_int64(statement_, ++last_, value) : SQLITE_OK);
  }
  /// Numbers without a sign keep their bits.
  Query& operator<<(std::uint64_t value) { return *this << static_cast<std::int64_t>(value); }
  Query& operator<<(std::uint32_t value) { return *this << std::int64_t{value}; }
  Query& operator<<(WallTime value) {
    return *this << std::int64_t{value.time_since_epoch().count()};
  }
  Query& operator<<(Duration value) { return *this << std::int64_t{value.count()}; }
  Query& operator<<(std::string_view text) {
    const char* at = text.data() != nullptr ? text.data() : "";
    return bound(good() ? sqlite3_bind_text64(statement_, ++last_, at, text.size(), SQLITE_STATIC,
                                              SQLITE_UTF8)
                        : SQLITE_OK);
  }
  Query& operator<<(ByteView bytes) {
    const void* at = bytes.data();
    return bound(good() ? sqlite3_bind_blob64(statement_, ++last_, at != nullptr ? at : "",
                                              bytes.size(), SQLITE_STATIC)
                        : SQLITE_OK);
  }
  Query& operator<<(const Hash128& hash) {
    std::byte bytes[16];
    store_little(bytes, hash.low), store_little(bytes + 8, hash.high);
    return bound(good() ? sqlite3_bind_blob(statement_, ++last_, bytes, 16, SQLITE_TRANSIENT)
                        : SQLITE_OK);
  }
  Query& operator<<(std::nullptr_t) {
    return bound(good() ? sqlite3_bind_null(statement_, ++last_) : SQLITE_OK);
  }

  /// Goes to the next row; says whether there is one.
  [[nodiscard]] bool row() {
    if (!good()) return false;
    const int code = sqlite3_step(statement_);
    connection_.note(code);
    column_ = -1;
    return code == SQLITE_ROW;
  }
  void run() {
    while (row()) {
    }
  }

  /// The columns of a row, one after the other.
  [[nodiscard]] bool next_is_null() {
    return sqlite3_column_type(statement_, column_ + 1) == SQLITE_NULL;
  }
  [[nodiscard]] std::int64_t integer() { return sqlite3_column_int64(statement_, ++column_); }
  [[nodiscard]] std::uint64_t number() { return static_cast<std::uint64_t>(integer()); }
  template <class T>
  [[nodiscard]] T small() {
    return static_cast<T>(integer());
  }
  [[nodiscard]] WallTime time() { return WallTime(WallTime::duration(integer())); }
  [[nodiscard]] Duration duration() { return Duration(integer()); }
  [[nodiscard]] std::string_view text() {
    const auto* at = reinterpret_cast<const char*>(sqlite3_column_text(statement_, ++column_));
    return {at, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column_))};
  }
  [[nodiscard]] ByteView bytes() {
    const auto* at = static_cast<const std::byte*>(sqlite3_column_blob(statement_, ++column_));
    return {at, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column_))};
  }
  [[nodiscard]] Hash128 hash() {
    const ByteView at = bytes();
    if (at.size() != 16) return connection_.damaged("a hash"), Hash128{};
    return {load_little<std::uint64_t>(at.data()), load_little<std::uint64_t>(at.data() + 8)};
  }

 private:
  [[nodiscard]] bool good() const noexcept { return statement_ != nullptr && connection_.good(); }
  Query& bound(int code) { return connection_.note(code), *this; }

  Connection& connection_;
  sqlite3_stmt* statement_;
  int last_ = 0;
  int column_ = -1;
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// Copies page by page into a file that is there, as of one moment; who writes goes on meanwhile.
[[nodiscard]] inline Result<void> copy_pages(const std::string& from, const std::string& to) {
  Connection source, target;
  source.open(from);
  target.open(to);
  if (!source.good()) return source.error();
  if (!target.good()) return target.error();
  sqlite3_backup* copy = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  if (copy == nullptr) {
    target.note(sqlite3_errcode(target.get()));
    return target.error();
  }
  int code = SQLITE_OK;
  do
    code = sqlite3_backup_step(copy, 1 << 20);  // and what is written meanwhile is not seen
  while (code == SQLITE_OK);
  sqlite3_backup_finish(copy);
  if (code == SQLITE_DONE) return success;
  target.note(code);
  return target.error();
}

/// Makes a copy that appears whole and synced under its name, or not at all.
[[nodiscard]] inline Result<void> copy_database(const std::string& from, const std::string& to) {
  using persist::detail::os::Access;
  const persist::detail::os::Files files;
  if (const auto there = files.open(to, Access::read); !there && there.error().os_error() != ENOENT)
    return there.error();
  else if (there)
    return Error(Errc::invalid, to + " is there already; nothing was copied: name another file");
  const std::string part = to + ".part";
  if (const auto made = files.open(part, Access::create); !made) {
    if (made.error().os_error() != EEXIST) return made.error();
    return Error(Errc::invalid, part +
                                    " is there already: another copy is being made, or was not "
                                    "finished and can be removed");
  }
  Result<void> done = copy_pages(from, part);
  if (done) {
    const auto file = files.open(part, Access::write);
    done = file ? files.sync(*file) : Result<void>(file.error());
  }
  if (done) done = files.rename(part, to);
  if (!done) {
    (void)files.remove(part);
    return done;
  }
  return files.sync_folder(persist::detail::os::parent_of(to));
}

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// The table of records: a row as the rules of record/head.hpp want it, and back.

namespace persist::inline PERSIST_ABI::backend::sqlite {

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

class Records {
 public:
  explicit Records(Connection& connection) : connection_(connection) {}

  /// The record of that key; one without an id where there is none.
  [[nodiscard]] Record find(StoreId store, std::string_view key) {
    Record record{.store = store, .key = std::string(key)};
    Query q(find_);
    q << store.index << key;
    if (q.row()) read(q, record);
    return record;
  }
  /// Gives it a row, which has nothing but its name until it is written.
  void insert(Record& record) {
    Query q(insert_);
    (q << record.store.index << std::string_view(record.key)).run();
    if (connection_.good()) record.id = sqlite3_last_insert_rowid(connection_.get());
  }
  void write(const Record& r) {
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
    Query beside(beside_);
    beside << from.id;
    if (beside.row()) {
      const ByteView users = beside.bytes();
      if (users.size() % 8 != 0) connection_.damaged("the user ids of " + from.key);
      for (std::size_t i = 0; i + 8 <= users.size(); i += 8)
        to.user_ids.push_back(load_little<std::uint64_t>(users.data() + i));
      to.metadata.append(beside.bytes());
    }
    if (!wants_data || !from.has_data) return;
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

 private:
  [[nodiscard]] static Owner owner(Query& q) {
    const ServerId server(q.text());
    const std::uint64_t nonce = q.number();
    return {server, nonce, q.number()};
  }
  void read(Query& q, Record& r) {
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
    if (!decode_past(q.bytes(), h.past)) connection_.damaged("the last epochs of " + r.key);
    r.has_data = !q.next_is_null();
    r.data_bytes = q.number();
    r.receipts = q.number();
    r.receipts_forgotten = q.small<std::uint32_t>();
    r.inbox_messages = q.number();
    r.inbox_bytes = q.number();
    r.last_position = q.number();
    r.ids_forgotten = q.time();
    r.outbox_messages = q.number();
  }

  Connection& connection_;
  Statement find_{connection_,
                  "SELECT id, epoch, owner, owner_nonce, owner_session, write_number, version, "
                  "load_count, renewals, lease_ns, renewed_ns, created_ms, updated_ms, asker, "
                  "asker_nonce, asker_session, past, data_bytes, receipts, receipts_forgotten, "
                  "inbox_messages, inbox_bytes, last_position, ids_forgotten_ms, outbox_messages "
                  "FROM persist_record WHERE store = ?1 AND key = ?2"};
  Statement insert_{connection_, "INSERT INTO persist_record (store, key) VALUES (?1, ?2)"};
  Statement write_{connection_,
                   "UPDATE persist_record SET epoch = ?2, owner = ?3, owner_nonce = ?4, "
                   "owner_session = ?5, write_number = ?6, version = ?7, load_count = ?8, "
                   "renewals = ?9, lease_ns = ?10, renewed_ns = ?11, created_ms = ?12, "
                   "updated_ms = ?13, asker = ?14, asker_nonce = ?15, asker_session = ?16, "
                   "past = ?17, data_bytes = ?18, receipts = ?19, receipts_forgotten = ?20, "
                   "inbox_messages = ?21, inbox_bytes = ?22, last_position = ?23, "
                   "ids_forgotten_ms = ?24, outbox_messages = ?25 WHERE id = ?1"};
  Statement set_users_{connection_, "UPDATE persist_record SET user_ids = ?2 WHERE id = ?1"};
  Statement set_metadata_{connection_, "UPDATE persist_record SET metadata = ?2 WHERE id = ?1"};
  Statement set_data_{connection_,
                      "INSERT INTO persist_data VALUES (?1, ?2) "
                      "ON CONFLICT (record) DO UPDATE SET data = excluded.data"};
  Statement remove_data_{connection_, "DELETE FROM persist_data WHERE record = ?1"};
  Statement remove_{connection_, "DELETE FROM persist_record WHERE id = ?1"};
  Statement beside_{connection_, "SELECT user_ids, metadata FROM persist_record WHERE id = ?1"};
  Statement data_{connection_, "SELECT data FROM persist_data WHERE record = ?1"};
  Statement scan_{connection_,
                  "SELECT key FROM persist_record WHERE store = ?1 AND key > ?2 "
                  "AND CASE ?4 WHEN 0 THEN data_bytes IS NOT NULL ELSE inbox_messages > 0 END "
                  "ORDER BY key LIMIT ?3"};
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// What lies beside a record's row: receipts, older states of its data, what an erased one left; and
// the schemas of a store.

namespace persist::inline PERSIST_ABI::backend::sqlite {

class Receipts {
 public:
  explicit Receipts(Connection& connection) : connection_(connection) {}

  void read(const Record& record, std::vector<Receipt>& to) {
    to.clear();
    if (record.receipts == 0) return;
    Query q(all_);
    q << record.id;
    while (q.row()) {
      const Hash128 id = q.hash();
      to.push_back({id, q.small<std::uint32_t>()});
    }
  }
  void forget(Record& record, std::uint32_t day) {
    record.receipts_forgotten = (std::max)(record.receipts_forgotten, day);
    record.changed = true;
    if (record.receipts == 0) return;
    Query q(forget_);
    (q << record.id << day).run();
    if (!connection_.good()) return;
    const auto gone = static_cast<std::uint64_t>(sqlite3_changes(connection_.get()));
    record.receipts -= (std::min)(record.receipts, gone);
  }
  void add(Record& record, std::span<const Receipt> receipts) {
    for (const Receipt& receipt : receipts) {
      Query q(add_);
      (q << record.id << receipt.id << receipt.day).run();
    }
    record.receipts += receipts.size();
    record.changed = record.changed || !receipts.empty();
  }
  void remove(const Record& record) {
    Query q(remove_);
    (q << record.id).run();
  }

 private:
  Connection& connection_;
  Statement all_{connection_, "SELECT id, day FROM persist_receipt WHERE record = ?1 ORDER BY n"};
  Statement forget_{connection_, "DELETE FROM persist_receipt WHERE record = ?1 AND day <= ?2"};
  Statement add_{connection_,
                 "INSERT INTO persist_receipt SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3 "
                 "FROM persist_receipt WHERE record = ?1"};
  Statement remove_{connection_, "DELETE FROM persist_receipt WHERE record = ?1"};
};

class History {
 public:
  explicit History(Connection& connection) : connection_(connection) {}

  /// Oldest first.
  [[nodiscard]] std::vector<KeptVersion> kept(const Record& record) {
    std::vector<KeptVersion> all;
    Query q(kept_);
    q << record.id;
    while (q.row()) {
      KeptVersion each;
      each.version = q.number();
      each.at = q.time();
      each.until = q.time();
      each.bytes = q.number();
      all.push_back(each);
    }
    return all;
  }
  /// Keeps the data of a record that is to be written or removed, as its rule has it.
  void keep_older(const Record& record, const HistoryRule& rule, WallTime now) {
    if (!record.has_data) return;
    const std::vector<KeptVersion> before = kept(record);
    std::vector<KeptVersion> after = before;
    after.push_back({record.head.version, record.head.updated, now, record.data_bytes});
    retain(after, rule, now);
    if (!after.empty() && after.back().version == record.head.version) {
      Query q(keep_);
      (q << record.id << record.head.version << record.head.updated << now).run();
    }
    for (const KeptVersion& each : before) {
      const auto stays = [&](const KeptVersion& other) { return other.version == each.version; };
      if (std::any_of(after.begin(), after.end(), stays)) continue;
      Query q(drop_);
      (q << record.id << each.version).run();
    }
  }
  /// Answers what a read asks of older states.
  void read(const Record& record, ReadRequest& request) {
    const std::vector<KeptVersion> all = kept(record);
    if (request.wants_versions) request.versions.assign(all.rbegin(), all.rend());
    const std::uint64_t now = record.has_data ? record.head.version : 0;
    if (request.version == 0 || request.version == now) return;
    const auto older = std::find_if(all.begin(), all.end(), [&](const KeptVersion& each) {
      return each.version == request.version;
    });
    if (older == all.end()) {
      request.error = not_kept(request.version, now, all);
      return;
    }
    request.record.version = older->version;
    request.record.updated = older->at;
    request.record.has_data = true;
    if (!request.wants_data) return;
    Query q(data_);
    q << record.id << older->version;
    request.record.data.clear();
    if (q.row()) request.record.data.append(q.bytes());
  }
  void remove(const Record& record) {
    Query q(remove_);
    (q << record.id).run();
  }

 private:
  Connection& connection_;
  Statement kept_{connection_,
                  "SELECT version, at_ms, until_ms, length(data) FROM persist_history "
                  "WHERE record = ?1 ORDER BY version"};
  Statement keep_{connection_,
                  "INSERT INTO persist_history (record, version, at_ms, until_ms, data) "
                  "SELECT ?1, ?2, ?3, ?4, data FROM persist_data WHERE record = ?1"};
  Statement drop_{connection_, "DELETE FROM persist_history WHERE record = ?1 AND version = ?2"};
  Statement data_{connection_,
                  "SELECT data FROM persist_history WHERE record = ?1 AND version = ?2"};
  Statement remove_{connection_, "DELETE FROM persist_history WHERE record = ?1"};
};

/// What an erased record left: not its key, only what keeps epochs and versions from going back.
class Erased {
 public:
  explicit Erased(Connection& connection) : connection_(connection) {}

  /// What stands for a record that is not there.
  [[nodiscard]] Head absent(StoreId store, const Hash128& hash) {
    Head head;
    Query q(find_);
    q << store.index << hash;
    if (q.row()) {
      head.fence.epoch = q.number();
      head.version = q.number();
    }
    return head;
  }
  void leave(StoreId store, const Hash128& hash, std::uint64_t epoch, std::uint64_t version) {
    Query q(leave_);
    (q << store.index << hash << epoch << version).run();
  }

 private:
  Connection& connection_;
  Statement find_{connection_,
                  "SELECT epoch, version FROM persist_erased WHERE store = ?1 AND hash = ?2"};
  Statement leave_{connection_, "INSERT OR REPLACE INTO persist_erased VALUES (?1, ?2, ?3, ?4)"};
};

/// The schemas that records of a store need (record/schema.hpp).
class Schemas {
 public:
  explicit Schemas(Connection& connection) : connection_(connection) {}

  /// Why the data of a change could not be read later, or `Errc{}`.
  [[nodiscard]] Error refusal_of(const Change& change) {
    if (!change.sends_schema) {
      Query q(find_);
      q << change.store.index << change.schema->id;
      if (q.row()) return Errc{};
    }
    return refusal_of_schema(change);
  }
  void keep(const Change& change) {
    Query q(keep_);
    (q << change.store.index << change.schema->id << change.schema->bytes).run();
  }
  void read(SchemaRequest& request) {
    request.bytes.clear();
    Query q(find_);
    q << request.store.index << request.id;
    if (q.row())
      request.bytes.append(q.bytes());
    else
      request.error = unknown_schema(request.id);
  }

 private:
  Connection& connection_;
  Statement find_{connection_, "SELECT bytes FROM persist_schema WHERE store = ?1 AND id = ?2"};
  Statement keep_{connection_, "INSERT OR IGNORE INTO persist_schema VALUES (?1, ?2, ?3)"};
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// The table of indexes. SQLite finds an entry and a page of them in the logarithm of their number;
// a place and a size it counts, entry by entry.

namespace persist::inline PERSIST_ABI::backend::sqlite {

class Indexes {
 public:
  explicit Indexes(Connection& connection) : connection_(connection) {}

  /// What a change does to the record's entries.
  void change(const Record& record, const Change& change) {
    std::vector<Entry> next;
    if (change.user_ids != nullptr) {
      for (const std::uint64_t user : *change.user_ids)
        next.emplace_back(std::string(), user_value(user));
      replace(record, std::move(next), true);
    }
    next.clear();
    const bool empties = change.data == nullptr && change.removes_data;
    if (change.indexed == nullptr && !empties) return;
    if (change.indexed != nullptr &&
        !each_index_entry(*change.indexed, [&](std::string_view name, std::int64_t value) {
          next.emplace_back(std::string(name), value);
        }))
      return;
    replace(record, std::move(next), false);
  }
  void remove(const Record& record) {
    replace(record, {}, true);
    replace(record, {}, false);
  }

  /// Answers all of a request but its `error`.
  void query(IndexRequest& request) {
    request.rows.clear();
    request.found = false;
    request.size = count(size_, request, {});
    if (!request.key.empty()) find(request);
    if (!request.around)
      page(request);
    else if (request.found)
      page_around(request);
  }

 private:
  using Entry = std::pair<std::string, std::int64_t>;
  static constexpr auto lowest = (std::numeric_limits<std::int64_t>::min)();
  static constexpr auto highest = (std::numeric_limits<std::int64_t>::max)();

  /// Makes these the record's entries, of users or of boards, touching what is another.
  void replace(const Record& record, std::vector<Entry> next, bool are_users) {
    std::vector<Entry> before;
    {
      Query q(of_);
      q << record.store.index << std::string_view(record.key);
      while (q.row()) {
        const std::string_view name = q.text();
        if (name.empty() == are_users) before.emplace_back(std::string(name), q.integer());
      }
    }
    std::sort(before.begin(), before.end());
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    for (const Entry& entry : before)
      if (!std::binary_search(next.begin(), next.end(), entry)) run(drop_, record, entry);
    for (const Entry& entry : next)
      if (!std::binary_search(before.begin(), before.end(), entry)) run(add_, record, entry);
  }
  static void run(Statement& statement, const Record& record, const Entry& entry) {
    Query q(statement);
    (q << record.store.index << std::string_view(entry.first) << entry.second
       << std::string_view(record.key))
        .run();
  }

  /// How many entries a statement counts; `at` where it compares.
  [[nodiscard]] std::uint64_t count(Statement& statement, const IndexRequest& request,
                                    const IndexPosition& at) {
    Query q(statement);
    q << request.store.index << request.index;
    if (&statement != &size_) q << at.value << std::string_view(at.key);
    return q.row() ? q.number() : 0;
  }
  [[nodiscard]] std::uint64_t place(const IndexRequest& request, const IndexPosition& at) {
    return count(lower_, request, at) + count(equal_, request, at);
  }
  void find(IndexRequest& request) {
    Query q(find_);
    q << request.store.index << request.key << request.index;
    if (!q.row() || q.next_is_null()) return;
    request.found = true;
    request.row.key = request.key;
    request.row.value = q.integer();
    request.row.place = place(request, {request.row.value, request.row.key});
  }
  /// Rows behind `after`, or before it where the page falls; their places go on from `first`.
  void rows(IndexRequest& request, bool falls, std::int64_t low, std::int64_t high,
            const IndexPosition& after) {
    if (request.most == 0) return;
    const std::size_t begin = request.rows.size();
    {
      Query q(falls ? falling_ : rising_);
      q << request.store.index << request.index << low << high << after.value
        << std::string_view(after.key) << std::uint64_t{request.most};
      while (q.row()) {
        const std::string_view key = q.text();
        request.rows.push_back({std::string(key), q.integer(), 0});
      }
    }
    if (request.rows.size() == begin) return;
    const IndexRow& first = request.rows[begin];
    std::uint64_t at = place(request, {first.value, first.key});
    for (std::size_t i = begin; i < request.rows.size(); ++i)
      request.rows[i].place = falls ? at-- : at++;
  }
  void page(IndexRequest& request) {
    std::int64_t low = request.only.value_or(lowest), high = request.only.value_or(highest);
    if (!request.after) {
      // Behind everything: no key is greater than this, and none is empty.
      const IndexPosition end{highest, std::string(256, '\xff')}, begin{lowest, {}};
      return rows(request, request.falls, low, high, request.falls ? end : begin);
    }
    request.falls ? high = (std::min)(high, request.after->value)
                  : low = (std::max)(low, request.after->value);
    rows(request, request.falls, low, high, *request.after);
  }
  void page_around(IndexRequest& request) {
    const IndexPosition at{request.row.value, request.row.key};
    rows(request, !request.falls, request.falls ? at.value : lowest,
         request.falls ? highest : at.value, at);
    std::reverse(request.rows.begin(), request.rows.end());
    request.rows.push_back(request.row);
    rows(request, request.falls, request.falls ? lowest : at.value,
         request.falls ? at.value : highest, at);
  }

  Connection& connection_;
  Statement of_{connection_, "SELECT name, value FROM persist_index WHERE store = ?1 AND key = ?2"};
  Statement drop_{connection_,
                  "DELETE FROM persist_index WHERE store = ?1 AND name = ?2 AND value = ?3 "
                  "AND key = ?4"};
  Statement add_{connection_, "INSERT INTO persist_index VALUES (?1, ?2, ?3, ?4)"};
  Statement size_{connection_, "SELECT count(*) FROM persist_index WHERE store = ?1 AND name = ?2"};
  Statement lower_{connection_,
                   "SELECT count(*) FROM persist_index WHERE store = ?1 AND name = ?2 "
                   "AND value < ?3 AND ?4 IS NOT NULL"};
  Statement equal_{connection_,
                   "SELECT count(*) FROM persist_index WHERE store = ?1 AND name = ?2 "
                   "AND value = ?3 AND key < ?4"};
  Statement find_{connection_,
                  "SELECT min(value) FROM persist_index WHERE store = ?1 AND key = ?2 "
                  "AND name = ?3"};
  Statement rising_{connection_,
                    "SELECT key, value FROM persist_index WHERE store = ?1 AND name = ?2 "
                    "AND value >= ?3 AND value <= ?4 AND (value, key) > (?5, ?6) "
                    "ORDER BY value, key LIMIT ?7"};
  Statement falling_{connection_,
                     "SELECT key, value FROM persist_index WHERE store = ?1 AND name = ?2 "
                     "AND value >= ?3 AND value <= ?4 AND (value, key) < (?5, ?6) "
                     "ORDER BY value DESC, key DESC LIMIT ?7"};
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// The tables of messages. What may come in is judged by record/mailbox.hpp, of an inbox that holds
// what the judgement needs and no message: those stay where they are until somebody wants them.

namespace persist::inline PERSIST_ABI::backend::sqlite {

class Mail {
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
      m.store = {q.small<std::uint32_t>()};
      m.key = q.text();
      m.epoch = q.number();
      m.number = q.number();
      m.type = q.text();
      m.codec = q.small<std::uint16_t>();
      m.priority = q.small<std::uint8_t>();
      m.expires = q.time();
      m.payload.append(q.bytes());
      all.push_back(std::move(m));
    }
    return all;
  }
  void numbers(const Record& sender, std::vector<std::uint64_t>& to) {
    to.clear();
    if (sender.outbox_messages == 0) return;
    Query q(numbers_);
    q << sender.store.index << std::string_view(sender.key);
    while (q.row())
      to.push_back(q.number());
  }
  void take_out(Record& sender, std::uint64_t epoch, std::uint64_t number) {
    Query q(take_out_);
    (q << sender.store.index << std::string_view(sender.key) << epoch << number).run();
    if (!connection_.good()) return;
    const auto gone = static_cast<std::uint64_t>(sqlite3_changes(connection_.get()));
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
  [[nodiscard]] static Message message(Query& q) {
    Message m;
    m.position = q.number();
    m.origin.source = q.hash();
    m.origin.epoch = q.number();
    m.origin.number = q.number();
    m.origin.first_tried = q.time();
    m.type = q.text();
    m.codec = q.small<std::uint16_t>();
    m.priority = q.small<std::uint8_t>();
    m.posted = q.time();
    m.expires = q.time();
    m.payload.append(q.bytes());
    return m;
  }

  Connection& connection_;
  Statement sender_{connection_,
                    "SELECT epoch, number FROM persist_sender WHERE record = ?1 AND source = ?2"};
  Statement know_sender_{connection_, "INSERT OR REPLACE INTO persist_sender VALUES (?1,?2,?3,?4)"};
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

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// Who of the owners is still there. Each open database locks one byte of a file beside it, at the
/// place that its owners' random number names; the machine gives the lock back however the process
/// ends, and no lock outlives a boot. So the lease of whoever's byte is free is over, and of one
/// whose byte is locked the boot clock is this one's.
class Presence {
 public:
  Presence() = default;

  /// `path` must be the database's one true path, so that all who open it meet.
  [[nodiscard]] static Result<Presence> announce(const std::string& path) {
    const detail::os::Files files;
    auto file = files.open(path + "-persist-open", detail::os::Access::share);
    if (!file) return file.error();
    for (;;) {
      Presence here;
      here.nonce_ = detail::os::random_bits() | 1;
      const auto locked = files.lock_byte(*file, place_of(here.nonce_));
      if (!locked) return locked.error();
      if (!*locked) continue;  // another's, and the next is not
      here.file_ = std::move(*file);
      return here;
    }
  }

  [[nodiscard]] std::uint64_t nonce() const noexcept { return nonce_; }
  /// Where that cannot be found out a lease is left to its clock.
  [[nodiscard]] bool is_there(std::uint64_t nonce) const {
    if (nonce == nonce_) return true;
    const auto locked = detail::os::Files{}.is_byte_locked(file_, place_of(nonce));
    return !locked || *locked;
  }
  /// Ends the lease of an owner that is gone. Expired, not cleared: it is still the owner.
  void judge(Head& head, TimePoint now) const {
    if (head.leased_at(now) && !is_there(head.fence.owner.nonce)) head.renewed = now - head.lease;
  }

 private:
  [[nodiscard]] static std::uint64_t place_of(std::uint64_t nonce) noexcept { return nonce >> 2; }

  detail::os::FileHandle file_;
  std::uint64_t nonce_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// The table of stores. A store's id within the open database is its row's.

namespace persist::inline PERSIST_ABI::backend::sqlite {

class Stores {
 public:
  explicit Stores(Connection& connection) : connection_(connection) {}

  /// Finds the store or makes it.
  void open(OpenStoreRequest& request, WallTime now) {
    if (request.name.empty() || request.name.size() > 255) {
      request.error = Error(Errc::invalid, "the name of a store has 1 to 255 bytes");
      return;
    }
    std::optional<StoreInfo> found = find(request);
    if (!found && request.expected_birth) {
      request.error = Error(Errc::refused, "there is no store \"" + std::string(request.name) +
                                               "\" in " + connection_.path() +
                                               " where this connection knew one: its database was "
                                               "replaced");
      return;
    }
    if (!found) found = make(request);
    if (found->lock != request.lock) {
      request.error =
          Error(Errc::invalid,
                "store \"" + found->name +
                    "\" was made with another lock policy; open it with that one, or move its "
                    "records to a store of another name");
    } else if (request.expected_birth && *request.expected_birth != found->birth) {
      request.error = Error(
          Errc::refused, "store \"" + found->name +
                             "\" is not the one this connection knew: its database was replaced");
    }
    request.birth = found->birth;
    request.now = now;
  }
  [[nodiscard]] std::vector<StoreInfo> all() {
    std::vector<StoreInfo> stores;
    Query q(all_);
    while (q.row())
      stores.push_back(info(q));
    return stores;
  }
  /// What stands for a key of the store where it must not be spelled. Refuses a store that is not
  /// there.
  [[nodiscard]] Hash128 hash(StoreId store, std::string_view key) {
    auto known = births_.find(store.index);
    if (known == births_.end()) {
      Query q(birth_);
      q << store.index;
      if (!q.row()) {
        connection_.refuse({Errc::invalid, connection_.path() + " has no such store"});
        return {};
      }
      known = births_.emplace(store.index, q.hash()).first;
    }
    return key_hash(known->second, key);
  }

 private:
  [[nodiscard]] static StoreInfo info(Query& q) {
    StoreInfo store;
    store.name = q.text();
    store.lock = static_cast<LockKind>(q.integer());
    store.birth = q.hash();
    return store;
  }
  /// Also says its id.
  [[nodiscard]] std::optional<StoreInfo> find(OpenStoreRequest& request) {
    Query q(find_);
    q << request.name;
    if (!q.row()) return std::nullopt;
    StoreInfo store = info(q);
    request.store = {q.small<std::uint32_t>()};
    const auto format = q.number();
    if (format > record_format)
      connection_.refuse({Errc::too_new, "store \"" + store.name + "\" of " + connection_.path() +
                                             " has records of format " + std::to_string(format) +
                                             "; open it with the newer build"});
    return store;
  }
  [[nodiscard]] StoreInfo make(OpenStoreRequest& request) {
    StoreInfo store{std::string(request.name),
                    request.lock,
                    {detail::os::random_bits(), detail::os::random_bits()}};
    Query q(make_);
    q << request.name << static_cast<std::int64_t>(store.lock) << store.birth << record_format;
    q.run();
    request.store = {static_cast<std::uint32_t>(sqlite3_last_insert_rowid(connection_.get()))};
    return store;
  }

  Connection& connection_;
  std::unordered_map<std::uint32_t, Hash128> births_;
  Statement find_{connection_,
                  "SELECT name, lock, birth, id, format FROM persist_store WHERE name = ?1"};
  Statement make_{connection_,
                  "INSERT INTO persist_store (name, lock, birth, format) VALUES (?1, ?2, ?3, ?4)"};
  Statement all_{connection_, "SELECT name, lock, birth FROM persist_store ORDER BY id"};
  Statement birth_{connection_, "SELECT birth FROM persist_store WHERE id = ?1"};
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// How processes of one machine wake each other: calls to the operating system, like detail/os.hpp.

namespace persist::inline PERSIST_ABI::detail::os {

/// A name that other processes of this machine can send short messages to. It leaves nothing behind
/// however the process ends. Whoever knows the name can send: what comes is to be doubted.
///
/// Where the system has no names without files (all but Linux) opening is `unsupported`.
class Bell {
 public:
  static constexpr std::size_t longest_name = 64;

  Bell() noexcept = default;
  /// Without a name it can ring others and is rung by none.
  [[nodiscard]] static Result<Bell> open([[maybe_unused]] std::string_view name = {}) {
#if defined(__linux__)
    Bell made;
    made.socket_ = FileHandle(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), std::string(name));
    const auto [address, size] = address_of(name);
    if (made.socket_.descriptor() < 0 ||
        (!name.empty() &&
         ::bind(made.socket_.descriptor(), reinterpret_cast<const sockaddr*>(&address), size) != 0))
      return io_error("listen as", name, errno);
    return made;
#else
    return Error(Errc::unsupported, "no process can wake another here: " + std::string(name));
#endif
  }
  /// Sends without waiting; false where nobody listens or has no room. Any thread may call.
  bool ring([[maybe_unused]] std::string_view name, [[maybe_unused]] ByteView message) const {
#if defined(__linux__)
    const auto [address, size] = address_of(name);
    return socket_.descriptor() >= 0 &&
           ::sendto(socket_.descriptor(), message.data(), message.size(),
                    MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                    size) >= 0;
#else
    return false;
#endif
  }
  /// Waits for a message and cuts it to what there is room for; how long it is. 0 for one without
  /// bytes, or when it was stopped; nothing where it cannot hear any more.
  [[nodiscard]] std::optional<std::size_t> wait(std::span<std::byte> to) const {
    for (;;) {
      const ssize_t got = ::recv(socket_.descriptor(), to.data(), to.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return std::nullopt;
    }
  }
  /// Ends what waits now and all that will wait. Any thread may call.
  void stop() const { (void)::shutdown(socket_.descriptor(), SHUT_RDWR); }

 private:
#if defined(__linux__)
  static std::pair<sockaddr_un, socklen_t> address_of(std::string_view name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;  // behind a first byte of zero it is a name and no path
    const std::string_view fits = name.substr(0, longest_name);
    std::copy(fits.begin(), fits.end(), address.sun_path + 1);
    return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + fits.size())};
  }
#endif
  FileHandle socket_;
};

/// A thread on which no signal handler of the program runs.
template <class F>
[[nodiscard]] std::thread quiet_thread(F body) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread made(std::move(body));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return made;
}

}  // namespace persist::inline PERSIST_ABI::detail::os

// Hints to other processes. A record's row says whom a hint is for: its owner or its asker, by the
// random number of the database that they opened. So a hint goes to that one process, under a name
// made of the number.

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// A hint, and for whom.
struct Hinted {
  std::uint64_t nonce = 0;
  StoreId store{};
  std::string key;
  Hint why = Hint::freed;
};

/// As it is sent. Whoever sends need not be one of ours.
[[nodiscard]] inline Buffer encode_hint(const Hinted& hint) {
  Buffer bytes(as_bytes("psth"));
  append_little(bytes, static_cast<std::uint8_t>(hint.why));
  append_little(bytes, hint.store.index);
  bytes.append(std::string_view(hint.key));
  return bytes;
}
[[nodiscard]] inline std::optional<Hinted> decode_hint(ByteView bytes) {
  persist::detail::Reader from(bytes);
  const bool is_ours = as_text(from.bytes(4)) == "psth";
  const auto why = from.number<std::uint8_t>();
  const auto store = from.number<std::uint32_t>();
  const std::string_view key = as_text(from.bytes(from.left()));
  if (!is_ours || !from.good() || why > static_cast<std::uint8_t>(Hint::message)) return {};
  if (key.empty() || key.size() > 255) return {};
  return Hinted{0, {store}, std::string(key), static_cast<Hint>(why)};
}
[[nodiscard]] inline std::string bell_of(std::uint64_t nonce) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, nonce, 16).ptr;
  return "persist-" + std::string(digits, end);
}

/// The stores of this process that want to be woken, and one thread that hears of other processes
/// from the first on. Where a hint cannot be heard or sent it is not: what waits looks again by
/// itself. Any thread may call.
class Wakes {
 public:
  Wakes() = default;
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;
  ~Wakes() {
    if (!listener_.joinable()) return;
    ends_ = true;
    bell_.stop();
    listener_.join();
  }

  void watch(std::uint64_t nonce, StoreId store, std::weak_ptr<WakeQueue> queue) {
    const std::lock_guard hold(mutex_);
    watchers_[store.index].push_back(std::move(queue));
    if (listener_.joinable()) return;
    auto bell = persist::detail::os::Bell::open(bell_of(nonce));
    if (!bell) return;
    bell_ = std::move(*bell);
    listener_ = persist::detail::os::quiet_thread([this] { listen(); });
  }
  /// `mine` is this process's own number, whose stores need no message.
  void send(std::uint64_t mine, const std::vector<Hinted>& hints) {
    if (hints.empty()) return;
    const std::lock_guard hold(mutex_);
    for (const Hinted& hint : hints) {
      if (hint.nonce == mine) {
        push(hint);
        continue;
      }
      sender_.ring(bell_of(hint.nonce), encode_hint(hint));
    }
  }

 private:
  void listen() {
    std::byte bytes[512];
    while (const auto size = bell_.wait(bytes)) {
      if (ends_) return;
      const auto hint = decode_hint(ByteView(bytes, *size));
      if (!hint) continue;
      const std::lock_guard hold(mutex_);
      push(*hint);
    }
  }
  void push(const Hinted& hint) {
    const auto found = watchers_.find(hint.store.index);
    if (found == watchers_.end()) return;
    std::erase_if(found->second, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(hint.key, hint.why);
      return queue == nullptr;
    });
  }

  std::mutex mutex_;
  std::map<std::uint32_t, std::vector<std::weak_ptr<WakeQueue>>> watchers_;
  persist::detail::os::Bell bell_;
  persist::detail::os::Bell sender_ =
      persist::detail::os::Bell::open().value_or(persist::detail::os::Bell());
  std::atomic<bool> ends_{false};
  std::thread listener_;
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// What each operation does to the tables, inside a transaction that somebody else begins and ends.
// What was judged is written before the next request is looked at; what fails is remembered by the
// connection, and then nothing of the transaction stays.

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// The tables over one connection. Not synchronised.
class Engine {
 public:
  Engine(Clock& clock, const Presence& presence) : clock_(clock), presence_(presence) {}

  Connection connection;

  void perform(OpenStoreRequest& request) { stores_.open(request, clock_.wall()); }
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
    return moment_ = {clock_.now(), clock_.wall()};
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
      presence_.judge(record.head, moment_.now);
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
  void apply(Record& record, Change& change);
  void deliver(Record& sender, Change& change);
  void answer(const Record& record, Change& change);
  [[nodiscard]] Reception receive_at(StoreId store, std::string_view key,
                                     const MessageOrigin& origin, const MessageView& message,
                                     const RecordLimits& limits);

  Clock& clock_;
  const Presence& presence_;
  Stores stores_{connection};
  Records records_{connection};
  Mail mail_{connection};
  Receipts receipts_{connection};
  History history_{connection};
  Erased erased_{connection};
  Schemas schemas_{connection};
  Indexes indexes_{connection};
  std::deque<Record> touched_;  ///< by the request at hand
  Moment moment_{};
};

inline void Engine::perform(AcquireRequest& request) {
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
  records_.fill(request.record, record, true);
  mail_.numbers(record, request.record.outbox);
  receipts_.read(record, request.record.receipts);
  request.record.receipts_forgotten = record.receipts_forgotten;
  request.record.inbox = mail_.newer_than(record, 0);
  end();
}

/// Whether anything is to be applied; marks what is.
inline bool Engine::judge_all(CommitRequest& request, std::vector<Record*>& found,
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
inline bool Engine::can_be_read(CommitRequest& request, const std::vector<bool>& fresh) {
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

inline void Engine::perform(CommitRequest& request) {
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
inline void Engine::answer(const Record& record, Change& change) {
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

inline void Engine::apply(Record& record, Change& change) {
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

inline Reception Engine::receive_at(StoreId store, std::string_view key,
                                    const MessageOrigin& origin, const MessageView& message,
                                    const RecordLimits& limits) {
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

inline void Engine::deliver(Record& sender, Change& change) {
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

inline void Engine::perform(ReadRequest& request) {
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

inline void Engine::perform(PostRequest& request) {
  if (!valid(request.key, request.error)) return;
  (void)begin();
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  answer_post(request,
              receive_at(request.store, request.key, request.origin, request.message, limits));
  end();
}

/// Lists what waits, or takes messages out of one record.
inline void Engine::perform(RelayRequest& request) {
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

inline void Engine::perform(EraseRequest& request) {
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

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

namespace persist::inline PERSIST_ABI::backend {

struct SqliteOptions {
  /// `full` is SQLite's `synchronous=FULL`: a save that was acknowledged survives a power cut.
  /// `relaxed` is `NORMAL`: it survives the end of every process, and a power cut may take the
  /// newest saves since the last checkpoint, whole transactions at a time. Each process chooses for
  /// what it writes itself.
  Durability durability = Durability::full;
  /// How long an operation waits while others write to the database; then it answers `timeout`.
  Duration patience = std::chrono::seconds(5);
  /// Judges leases; null: the system's. Must outlive every handle. All processes of one database
  /// need the same one: the system's is the machine's boot clock.
  Clock* clock = nullptr;
};

}  // namespace persist::inline PERSIST_ABI::backend

namespace persist::inline PERSIST_ABI::backend::sqlite {

inline constexpr std::string_view readable_view = "persist_readable";

/// SQL for a little-endian number of the envelope, whose header is `h` in hexadecimal.
[[nodiscard]] inline std::string sql_number(int at, int size) {
  std::string sum;
  for (int i = 0, shift = 0; i < size; ++i, shift += 8)
    for (const int half : {0, 1}) {
      const int digit = 2 * (at + i) + half + 1;
      sum += (sum.empty() ? "" : " + ");
      sum += "(instr('123456789ABCDEF', substr(h, " + std::to_string(digit) + ", 1)) << " +
             std::to_string(shift + (half == 0 ? 4 : 0)) + ")";
    }
  return "CASE WHEN is_envelope THEN " + sum + " END";
}

/// A view for people: a row for each record with what its envelope says (doc/format.md has the
/// places), and the payload as text where `codec::Json` wrote it and nothing was done to it since.
/// A save costs nothing for it. No part of the library reads it.
[[nodiscard]] inline const std::string& readable_sql() {
  static const std::string sql =
      "CREATE VIEW persist_readable AS SELECT *, "
      "CASE WHEN codec = 2 AND flags = 0 THEN "
      "(SELECT CAST(substr(data, 37) AS TEXT) FROM persist_data WHERE record = id) END AS json "
      "FROM (SELECT *, " +
      sql_number(10, 2) + " AS codec, " + sql_number(12, 4) + " AS flags, " + sql_number(16, 4) +
      " AS schema_version, " + sql_number(20, 4) +
      " AS lowest_reader "
      "FROM (SELECT *, h LIKE 'FF707374%' AND length(h) = 72 AS is_envelope "
      "FROM (SELECT r.id, s.name AS store, r.key, r.version, r.epoch, r.owner, r.write_number, "
      "datetime(r.created_ms / 1000, 'unixepoch') AS created, "
      "datetime(r.updated_ms / 1000, 'unixepoch') AS updated, r.load_count, r.inbox_messages, "
      "r.outbox_messages, r.data_bytes, "
      "(SELECT hex(substr(data, 1, 36)) FROM persist_data WHERE record = r.id) AS h "
      "FROM persist_record r JOIN persist_store s ON s.id = r.store)))";
  return sql;
}

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// The tables, and what opening makes of a file that has them, has others, or has none. They begin
// with `persist_` so that a game may keep its own beside them. Names and meanings reach disk: a
// change of any raises the version.

namespace persist::inline PERSIST_ABI::backend::sqlite {

inline constexpr std::int64_t schema_version = 1;

struct Made {
  const char* name;
  const char* sql;
};

/// What a record is, and small: a renewal writes this row alone. The head's fields are columns;
/// `past` are the last epochs, 32 bytes each: epoch, nonce, session, write. A number of 64 bits
/// without a sign has its bits.
inline constexpr Made record_table = {"persist_record", R"(CREATE TABLE persist_record (
  id INTEGER PRIMARY KEY, store INTEGER NOT NULL, key TEXT NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '',
  owner_nonce INTEGER NOT NULL DEFAULT 0, owner_session INTEGER NOT NULL DEFAULT 0,
  write_number INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0,
  load_count INTEGER NOT NULL DEFAULT 0, renewals INTEGER NOT NULL DEFAULT 0,
  lease_ns INTEGER NOT NULL DEFAULT 0, renewed_ns INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL DEFAULT 0, updated_ms INTEGER NOT NULL DEFAULT 0,
  asker TEXT NOT NULL DEFAULT '', asker_nonce INTEGER NOT NULL DEFAULT 0,
  asker_session INTEGER NOT NULL DEFAULT 0, past BLOB NOT NULL DEFAULT x'',
  data_bytes INTEGER, receipts INTEGER NOT NULL DEFAULT 0,
  receipts_forgotten INTEGER NOT NULL DEFAULT 0, inbox_messages INTEGER NOT NULL DEFAULT 0,
  inbox_bytes INTEGER NOT NULL DEFAULT 0, last_position INTEGER NOT NULL DEFAULT 0,
  ids_forgotten_ms INTEGER NOT NULL DEFAULT 0, outbox_messages INTEGER NOT NULL DEFAULT 0,
  user_ids BLOB NOT NULL DEFAULT x'', metadata BLOB NOT NULL DEFAULT x'',
  UNIQUE (store, key)))"};

/// Large values lie in rowid tables, small rows of one record side by side.
inline constexpr Made tables[] = {
    {"persist_format", "CREATE TABLE persist_format (version INTEGER NOT NULL)"},
    {"persist_store", R"(CREATE TABLE persist_store (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, lock INTEGER NOT NULL, birth BLOB NOT NULL,
  format INTEGER NOT NULL))"},
    record_table,
    {"persist_data", R"(CREATE TABLE persist_data (
  record INTEGER PRIMARY KEY, data BLOB NOT NULL))"},
    {"persist_history", R"(CREATE TABLE persist_history (
  id INTEGER PRIMARY KEY, record INTEGER NOT NULL, version INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (record, version)))"},
    {"persist_receipt", R"(CREATE TABLE persist_receipt (
  record INTEGER NOT NULL, n INTEGER NOT NULL, id BLOB NOT NULL, day INTEGER NOT NULL,
  PRIMARY KEY (record, n)) WITHOUT ROWID)"},
    {"persist_inbox", R"(CREATE TABLE persist_inbox (
  id INTEGER PRIMARY KEY, record INTEGER NOT NULL, position INTEGER NOT NULL, source BLOB NOT NULL,
  epoch INTEGER NOT NULL, number INTEGER NOT NULL, first_tried_ms INTEGER NOT NULL,
  type TEXT NOT NULL, codec INTEGER NOT NULL, priority INTEGER NOT NULL, posted_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL, payload BLOB NOT NULL, UNIQUE (record, position)))"},
    {"persist_sender", R"(CREATE TABLE persist_sender (
  record INTEGER NOT NULL, source BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (record, source)) WITHOUT ROWID)"},
    {"persist_known", R"(CREATE TABLE persist_known (
  record INTEGER NOT NULL, position INTEGER NOT NULL, id BLOB NOT NULL,
  first_tried_ms INTEGER NOT NULL, PRIMARY KEY (record, position)) WITHOUT ROWID)"},
    {"persist_outbox", R"(CREATE TABLE persist_outbox (
  id INTEGER PRIMARY KEY, store INTEGER NOT NULL, key TEXT NOT NULL, to_store INTEGER NOT NULL,
  to_key TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, type TEXT NOT NULL,
  codec INTEGER NOT NULL, priority INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  payload BLOB NOT NULL))"},
    {"persist_outbox_of", "CREATE INDEX persist_outbox_of ON persist_outbox (store, key)"},
    {"persist_index", R"(CREATE TABLE persist_index (
  store INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (store, name, value, key)) WITHOUT ROWID)"},
    {"persist_index_of", "CREATE INDEX persist_index_of ON persist_index (store, key, name)"},
    {"persist_erased", R"(CREATE TABLE persist_erased (
  store INTEGER NOT NULL, hash BLOB NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (store, hash)) WITHOUT ROWID)"},
    {"persist_schema", R"(CREATE TABLE persist_schema (
  store INTEGER NOT NULL, id BLOB NOT NULL, bytes BLOB NOT NULL, UNIQUE (store, id)))"},
};

/// The text that made something of that name; empty: there is nothing. SQLite keeps it as it was.
[[nodiscard]] inline std::string made_by(Connection& connection, std::string_view name) {
  Statement find(connection, "SELECT sql FROM sqlite_master WHERE name = ?1");
  Query query(find);
  query << name;
  return query.row() ? std::string(query.text()) : std::string();
}

[[nodiscard]] inline Error foreign_table(const std::string& path, std::string_view name) {
  return {Errc::invalid, path + " has a table `" + std::string(name) +
                             "` that persist did not make; nothing was changed: rename it, or give "
                             "the store a file of its own"};
}

/// Looks at what is there, inside a transaction, and refuses what is not as this version makes it.
/// Says whether there is nothing yet.
[[nodiscard]] inline bool check_tables(Connection& connection) {
  const std::string format = made_by(connection, tables[0].name);
  const bool is_new = format.empty();
  if (format == tables[0].sql) {
    Statement find(connection, "SELECT version FROM persist_format");
    Query query(find);
    const std::int64_t version = query.row() ? query.integer() : 0;
    if (version > schema_version)
      connection.refuse({Errc::too_new, connection.path() + " has tables of version " +
                                            std::to_string(version) + ", and this build knows " +
                                            std::to_string(schema_version) +
                                            "; nothing was changed: open it with the newer build"});
    else if (version != schema_version)
      connection.damaged("the version of the tables");
  }
  for (const Made& each : tables) {
    const std::string made = made_by(connection, each.name);
    if (made.empty() && !is_new)
      connection.damaged("the schema: `" + std::string(each.name) + "` is missing, and so it");
    else if (!made.empty() && made != each.sql)
      connection.refuse(foreign_table(connection.path(), each.name));
  }
  // A view is for people, who may change it or take it away.
  if (is_new && !made_by(connection, readable_view).empty())
    connection.refuse(foreign_table(connection.path(), readable_view));
  return is_new;
}

/// Makes the tables where there are none, inside a transaction that writes.
inline void make_tables(Connection& connection) {
  if (!check_tables(connection)) return;
  for (const Made& each : tables)
    connection.execute(each.sql);
  connection.execute(readable_sql().c_str());
  Statement insert(connection, "INSERT INTO persist_format VALUES (?1)");
  Query query(insert);
  (query << schema_version).run();
}

/// What holds for as long as the connection is open.
inline void set_up(Connection& connection, bool is_full) {
  sqlite3* db = connection.get();
  if (db == nullptr) return;
  // The file may come from anywhere: no code that it holds is run.
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  connection.execute("PRAGMA cell_size_check=ON");
  connection.execute(is_full ? "PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; "
                               "PRAGMA checkpoint_fullfsync=ON"
                             : "PRAGMA synchronous=NORMAL");
}

[[nodiscard]] inline std::string answer_of(Connection& connection, const char* pragma) {
  Statement ask(connection, pragma);
  Query query(ask);
  return query.row() ? std::string(query.text()) : std::string();
}

/// Refuses text in which not every key can be spelled.
inline void check_encoding(Connection& connection) {
  if (answer_of(connection, "PRAGMA encoding") != "UTF-8")
    connection.refuse({Errc::unsupported, connection.path() +
                                              " keeps its text as UTF-16, which cannot hold every "
                                              "key: give the store a file of its own"});
}
/// Puts the file into the mode that readers and a writer share.
inline void enter_wal(Connection& connection) {
  if (answer_of(connection, "PRAGMA journal_mode=WAL") != "wal")
    connection.refuse({Errc::unsupported, connection.path() +
                                              " cannot be put into WAL mode: its file system has "
                                              "no shared memory, or none that works"});
}

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// One open database file: a connection that writes and one that reads, which does not wait for the
/// other. Any thread may call.
class Database {
 public:
  Database(std::string path, const SqliteOptions& options)
      : path_(std::move(path)),
        options_(options),
        clock_(options.clock != nullptr ? *options.clock : SystemClock::instance()),
        writer_(clock_, presence_),
        reader_(clock_, presence_) {}

  /// Opens, and makes where there is none; once, before anything else.
  [[nodiscard]] Result<void> open() {
    if (auto fits = can_be_here(); !fits) return fits;
    if (auto made = make_file(); !made) return made;
    for (Engine* each : {&writer_, &reader_})
      each->connection.open(path_);
    const Error error = patiently(writer_.connection, [&] { set_up_tables(); });
    if (failed(error)) return error;
    set_up(reader_.connection, false);
    if (!reader_.connection.good()) return reader_.connection.error();
    file_ = sqlite3_db_filename(writer_.connection.get(), "main");
    auto here = Presence::announce(file_);
    if (!here) return here.error();
    presence_ = std::move(*here);
    limit_ =
        static_cast<std::size_t>(sqlite3_limit(writer_.connection.get(), SQLITE_LIMIT_LENGTH, -1));
    return success;
  }

  [[nodiscard]] Owner next_owner(ServerId server) noexcept {
    return {server, presence_.nonce(), ++sessions_};
  }
  /// What fits a row: SQLite counts the row with its numbers.
  [[nodiscard]] std::size_t largest_data() const noexcept { return limit_ - 64; }
  /// Its one true path, wherever the process goes.
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

  /// All of a batch in one transaction that writes, but for what cannot be done, with all that
  /// other threads hand in while the one before is under way.
  template <class Request>
  void write(std::span<Request> batch) {
    file::Job job{batch};
    group_.run(job, [this](const std::vector<file::Job*>& jobs) { write_all(jobs); });
  }
  /// How many threads wait for the transaction that is under way.
  [[nodiscard]] std::size_t waiting() const { return group_.waiting(); }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    wakes_.watch(presence_.nonce(), store, std::move(queue));
  }
  /// All of a batch in one transaction that reads: what it answers is of one moment.
  template <class Request>
  void read(std::span<Request> batch) {
    const std::lock_guard hold(reading_);
    run(reader_, batch, look_, false);
  }
  [[nodiscard]] std::vector<StoreInfo> stores() {
    const std::lock_guard hold(reading_);
    std::vector<StoreInfo> all;
    (void)patiently(reader_.connection, [&] { all = reader_.stores(); });
    return all;
  }

 private:
  [[nodiscard]] Result<void> can_be_here() const {
    if (sqlite3_threadsafe() == 0)
      return Error(Errc::unsupported, "this SQLite was built for one thread");
    if (path_.empty() || path_.front() == ':')
      return Error(Errc::invalid, "a store of backend::Sqlite is a file, and \"" + path_ +
                                      "\" names none: what is only in memory is backend::Memory");
    const auto on = detail::os::network_file_system(detail::os::parent_of(path_));
    if (!on) return on.error();
    if (on->empty()) return success;
    return Error(Errc::unsupported, path_ + " lies on a network file system (" + std::string(*on) +
                                        "), whose locks and shared memory SQLite cannot trust: put "
                                        "it on a disk of this machine");
  }
  /// Nobody but this user reads players' data. One that is there is left alone, because to close it
  /// would drop the locks that this process has on it.
  [[nodiscard]] Result<void> make_file() const {
    const auto made = detail::os::Files{}.open(path_, detail::os::Access::create);
    if (made || made.error().os_error() == EEXIST) return success;
    return made.error();
  }
  void set_up_tables() {
    Connection& writer = writer_.connection;
    set_up(writer, options_.durability == Durability::full);
    if (!writer.good()) return;
    // What the file is shows before anything is changed.
    writer.execute("BEGIN");
    check_encoding(writer);
    (void)check_tables(writer);
    roll_back(writer);
    enter_wal(writer);
    writer.execute("BEGIN IMMEDIATE");
    make_tables(writer);
    writer.execute("COMMIT");
    roll_back(writer);
  }
  static void roll_back(Connection& connection) {
    if (connection.get() != nullptr && sqlite3_get_autocommit(connection.get()) == 0)
      (void)sqlite3_exec(connection.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

  /// Does it again for as long as others are at work and there is time; says what went wrong.
  template <class F>
  [[nodiscard]] Error patiently(Connection& connection, F once) {
    return patiently(connection, persist::after(clock_.now(), options_.patience), once);
  }
  template <class F>
  [[nodiscard]] Error patiently(Connection& connection, TimePoint deadline, F once) {
    Duration pause = std::chrono::milliseconds(1);
    Wake nobody;
    for (;;) {
      if (connection.get() != nullptr) connection.forget();
      once();
      if (!connection.is_busy()) return connection.good() ? Error(Errc{}) : connection.error();
      const TimePoint now = clock_.now();
      if (now >= deadline) return connection.error();
      clock_.wait_until((std::min)(deadline, now + pause), nobody);
      pause = (std::min)(2 * pause, Duration(std::chrono::milliseconds(16)));
    }
  }

  /// A request of any kind that writes.
  using Asked = std::variant<OpenStoreRequest*, AcquireRequest*, CommitRequest*, PostRequest*,
                             RelayRequest*, EraseRequest*>;

  void write_all(const std::vector<file::Job*>& jobs) {
    std::vector<Asked> all;
    const auto add = [&](auto& batch) {
      if constexpr (requires { batch.size(); }) {
        all.reserve(all.size() + batch.size());
        for (auto& request : batch)
          all.emplace_back(&request);
      }
    };
    for (const file::Job* job : jobs)
      std::visit(add, job->requests);
    writer_.hints.clear();
    run(writer_, std::span(all), begin_, true);
    wakes_.send(presence_.nonce(), writer_.hints);
  }
  static void perform(Engine& engine, Asked& asked) {
    std::visit([&](auto* request) { perform(engine, *request); }, asked);
  }
  template <class Request>
  static void perform(Engine& engine, Request& request) {
    engine.perform(file::renewed(request));
  }
  static void fail(Asked& asked, const Error& error) {
    std::visit([&](auto* request) { file::fail(*request, error); }, asked);
  }
  template <class Request>
  static void fail(Request& request, const Error& error) {
    file::fail(request, error);
  }

  template <class Request>
  void run(Engine& engine, std::span<Request> batch, Statement& begin, bool writes) {
    const TimePoint deadline = persist::after(clock_.now(), options_.patience);
    std::vector<bool> left_out;
    for (;;) {
      std::size_t at = 0;
      const Error error = patiently(engine.connection, deadline,
                                    [&] { at = transact(engine, batch, left_out, begin, writes); });
      if (!failed(error)) break;
      left_out.resize(batch.size());
      // What is wrong with one request stops no other, which then go through together.
      const bool is_its_own = at != batch.size() && !is_ailing(error);
      for (std::size_t i = is_its_own ? at : 0; i != (is_its_own ? at + 1 : batch.size()); ++i) {
        if (!left_out[i]) fail(batch[i], error);
        left_out[i] = true;
      }
      if (!is_its_own) return engine.hints.clear();
    }
  }
  /// Once, all or nothing. Says which request could not be done; the batch's size: it was none's
  /// fault.
  template <class Request>
  std::size_t transact(Engine& engine, std::span<Request> batch, const std::vector<bool>& left_out,
                       Statement& begin, bool writes) {
    Connection& connection = engine.connection;
    Query(begin).run();
    engine.hints.clear();
    std::size_t culprit = batch.size();
    for (std::size_t i = 0; i < batch.size() && connection.good(); ++i) {
      if (!left_out.empty() && left_out[i]) continue;
      perform(engine, batch[i]);
      if (!connection.good()) culprit = i;
    }
    if (connection.good()) {
      Query(writes ? commit_ : end_).run();
      // The last frame may have reached the log, and may be found there after a crash.
      if (writes && (connection.code() & 0xff) == SQLITE_IOERR) connection.doubt();
    }
    roll_back(connection);
    return culprit;
  }

  std::string path_, file_;
  SqliteOptions options_;
  Clock& clock_;
  Presence presence_;
  std::atomic<std::uint64_t> sessions_{0};
  std::size_t limit_ = 0;
  Wakes wakes_;

  file::GroupCommit<file::Job> group_;  // only who leads writes
  Engine writer_;
  Statement begin_{writer_.connection, "BEGIN IMMEDIATE"};
  Statement commit_{writer_.connection, "COMMIT"};

  std::mutex reading_;
  Engine reader_;
  Statement look_{reader_.connection, "BEGIN"};
  Statement end_{reader_.connection, "COMMIT"};
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

namespace persist::inline PERSIST_ABI::backend {

/// Records in one SQLite file of this machine, which several processes may have open at once. Link
/// `persist::sqlite`.
///
/// Effect: a batch is one transaction; what was acknowledged survives as the durability says.
/// Nothing is kept in memory but SQLite's pages. A load, a save and a release cost a transaction
/// each, and a place in an index a step for each entry before it.
/// Errors: the constructor never fails; a handle that did not open answers every operation with the
/// opening error: `corrupt` (damaged, or no database), `too_new`, `invalid` (a table of another's
/// has the name of one of persist's), `unsupported` (a network file system), `timeout`, `io`.
/// Later: `timeout` (others were writing for all of `patience`; nothing was written), `io` (the
/// disk is full or cannot be written; nothing was written, and later calls may work again),
/// `unknown_outcome` (the disk failed while a transaction was committed), `too_large`, `corrupt`
/// (the record is left alone, others go on).
/// Threads: any may call. All that threads hand in while a transaction is under way is the next
/// one; reads wait for none of them. Copies share the open file; the last one closes it. A handle
/// must not be taken over a `fork`.
class Sqlite {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  /// Opens, and makes where there is none, the file `path`; its folder must exist.
  explicit Sqlite(std::string path, const SqliteOptions& options = {}) {
    auto opened = std::make_shared<sqlite::Database>(std::move(path), options);
    if (const auto done = opened->open(); !done)
      error_ = done.error();
    else
      db_ = std::move(opened);
  }
  [[nodiscard]] static Result<Sqlite> open(std::string path, const SqliteOptions& options = {}) {
    Sqlite made(std::move(path), options);
    if (const auto opened = made.status(); !opened) return opened.error();
    return made;
  }

  [[nodiscard]] bool same_database(const Sqlite& other) const noexcept {
    return db_ != nullptr && db_ == other.db_;
  }
  [[nodiscard]] Result<void> status() const { return db_ ? Result<void>(success) : error_; }
  [[nodiscard]] Owner next_owner(ServerId server) {
    return db_ ? db_->next_owner(server) : Owner{server, 0, 0};
  }

  void open_store(std::span<OpenStoreRequest> batch) { write(batch); }
  void acquire(std::span<AcquireRequest> batch) { write(batch); }
  void commit(std::span<CommitRequest> batch) { write(batch); }
  void post(std::span<PostRequest> batch) { write(batch); }
  void erase(std::span<EraseRequest> batch) { write(batch); }
  void relay(std::span<RelayRequest> batch) { write(batch); }
  void read(std::span<ReadRequest> batch) { look(batch); }
  void scan(std::span<ScanRequest> batch) { look(batch); }
  void read_schemas(std::span<SchemaRequest> batch) { look(batch); }
  void query(std::span<IndexRequest> batch) { look(batch); }

  /// Hears of what other processes do to the store's records too, on a thread that the first call
  /// makes and the last handle ends; on Linux, and where they share a network namespace. Elsewhere
  /// of this process alone.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    if (db_) db_->watch(store, std::move(queue));
  }

  /// What SQLite was built to take in one row: a thousand million bytes unless it was told.
  [[nodiscard]] std::size_t largest_data() const noexcept {
    return db_ ? db_->largest_data() : (std::numeric_limits<std::size_t>::max)();
  }
  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    return db_ ? db_->stores() : std::vector<StoreInfo>();
  }
  /// Writes a copy of one moment to the file `path`, which must not be there, while everybody goes
  /// on; costs a read and a write of all pages.
  ///
  /// The copy appears whole and synced, or (`invalid`, `io`, `corrupt`) not at all. It opens like
  /// any file; it is the same database, so of the two only one may go on.
  [[nodiscard]] Result<void> copy_to(const std::string& path) const {
    return db_ ? sqlite::copy_database(db_->file(), path) : error_;
  }
  /// How many callers wait for the transaction that is being written; for tests and the curious.
  [[nodiscard]] std::size_t waiting() const { return db_ ? db_->waiting() : 0; }

 private:
  template <class Request>
  void write(std::span<Request> batch) {
    db_ ? db_->write(batch) : refuse(batch);
  }
  template <class Request>
  void look(std::span<Request> batch) {
    db_ ? db_->read(batch) : refuse(batch);
  }
  template <class Request>
  void refuse(std::span<Request> batch) const {
    for (Request& request : batch)
      file::fail(request, error_);
  }

  std::shared_ptr<sqlite::Database> db_;
  Error error_{Errc{}};
};

}  // namespace persist::inline PERSIST_ABI::backend
