#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/record/fence.hpp>
#include <persist/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

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
