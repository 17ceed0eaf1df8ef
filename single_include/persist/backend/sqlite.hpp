// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <sqlite3.h>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
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

  /// An id for a new row; 0: the database finds one, and then says which.
  [[nodiscard]] static std::int64_t fresh_id() noexcept { return 0; }
  [[nodiscard]] std::int64_t inserted_id() const noexcept { return sqlite3_last_insert_rowid(db_); }

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
  /// Runs it; how many rows it has changed.
  [[nodiscard]] std::uint64_t changed() {
    run();
    return good() ? static_cast<std::uint64_t>(sqlite3_changes(connection_.get())) : 0;
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

namespace persist::inline PERSIST_ABI::backend {

struct SqliteOptions {
  /// `full` is SQLite's `synchronous=FULL`: a save that was acknowledged survives a power cut.
  /// `relaxed` is `NORMAL`: it survives the end of every process, and a power cut may take the
  /// newest saves since the last checkpoint, whole transactions at a time. Each process chooses for
  /// what it writes itself.
  Durability durability = Durability::full;
  /// Makes the file where there is none; without it `not_found`, for tools.
  bool creates = true;
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

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// SQLite as backend/rows.hpp wants a database.
struct Sql {
  using Connection = sqlite::Connection;
  using Statement = sqlite::Statement;
  using Query = sqlite::Query;

  struct Time {
    Clock& clock;
    const Presence& presence;

    [[nodiscard]] TimePoint now() const { return clock.now(); }
    [[nodiscard]] WallTime wall() const { return clock.wall(); }
    void judge(Head& head, TimePoint at) const { presence.judge(head, at); }
  };
  static constexpr const char* for_update = "";  // who writes has the whole file
  static constexpr bool remembers_rows = false;
  static constexpr bool others_post = false;
};

using Engine = rows::Engine<Sql>;

}  // namespace persist::inline PERSIST_ABI::backend::sqlite

// Hints to other processes. A record's row says whom a hint is for: its owner or its asker, by the
// random number of the database that they opened. So a hint goes to that one process, under a name
// made of the number.

namespace persist::inline PERSIST_ABI::backend::sqlite {

using rows::Hinted;

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
      sender_.ring(bell_of(hint.nonce), rows::encode_hint(hint));
    }
  }

 private:
  void listen() {
    std::byte bytes[512];
    while (const auto size = bell_.wait(bytes)) {
      if (ends_) return;
      const auto hint = rows::decode_hint(ByteView(bytes, *size));
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

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// One open database file: a connection that writes and one that reads, which does not wait for the
/// other. Any thread may call.
class Database {
 public:
  Database(std::string path, const SqliteOptions& options)
      : path_(std::move(path)),
        options_(options),
        clock_(options.clock != nullptr ? *options.clock : SystemClock::instance()),
        writer_(time_),
        reader_(time_) {}

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
    if (!options_.creates) {
      std::error_code unknown;
      if (std::filesystem::exists(path_, unknown) || unknown) return success;
      return Error(Errc::not_found, "there is no database " + path_);
    }
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
    const bool is_new = check_tables(writer);
    if (is_new && !options_.creates)
      writer.refuse({Errc::not_found, path_ + " is a database, and holds nothing of persist's"});
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
  Sql::Time time_{clock_, presence_};
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

/// `sqlite:FILE`, with `durability=full|relaxed`, `creates=no` and `patience=TIME`.
template <>
struct UriOpener<Sqlite> {
  static constexpr std::string_view schemes[] = {"sqlite"};
  static Result<Sqlite> open(Uri& uri, Clock* clock) {
    SqliteOptions options;
    options.clock = clock;
    const auto durability = uri.take_durability();
    if (!durability) return durability.error();
    options.durability = *durability;
    const auto creates = uri.take_flag("creates", options.creates);
    if (!creates) return creates.error();
    options.creates = *creates;
    const auto patience = uri.take_duration("patience", options.patience);
    if (!patience) return patience.error();
    options.patience = *patience;
    if (const auto all = uri.finish("durability, creates, patience"); !all) return all.error();
    auto path = uri.path();
    return path ? Sqlite::open(*std::move(path), options) : path.error();
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
