// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <fcntl.h>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// The columns of a row, one after the other, of whoever gives the next one's bytes as the server
/// sends them.
template <class Rows>
class Columns {
 public:
  [[nodiscard]] std::int64_t integer() {
    const ByteView at = mine().bytes();
    std::uint64_t value = !at.empty() && (at[0] & std::byte{0x80}) != std::byte{} ? ~0ULL : 0;
    for (const std::byte each : at)
      value = value << 8 | std::to_integer<std::uint64_t>(each);
    return static_cast<std::int64_t>(value);
  }
  [[nodiscard]] std::uint64_t number() { return static_cast<std::uint64_t>(integer()); }
  template <class T>
  [[nodiscard]] T small() {
    return static_cast<T>(integer());
  }
  [[nodiscard]] WallTime time() { return WallTime(WallTime::duration(integer())); }
  [[nodiscard]] Duration duration() { return Duration(integer()); }
  [[nodiscard]] std::string_view text() { return as_text(mine().bytes()); }
  [[nodiscard]] Hash128 hash() {
    const ByteView at = mine().bytes();
    if (at.size() != 16) return mine().misread(), Hash128{};
    return {load_little<std::uint64_t>(at.data()), load_little<std::uint64_t>(at.data() + 8)};
  }

 private:
  [[nodiscard]] Rows& mine() noexcept { return static_cast<Rows&>(*this); }
};

/// Rows of another table that came in one column: each value behind its length. What is cut short
/// ends there.
class Packed : public Columns<Packed> {
 public:
  explicit Packed(ByteView bytes) noexcept : left_(bytes) {}

  [[nodiscard]] bool row() const noexcept { return !left_.empty(); }
  [[nodiscard]] ByteView bytes() {
    const std::size_t size = left_.size() < 4 ? left_.size() : length();
    if (left_.size() < 4 || size > left_.size() - 4) return misread(), ByteView();
    const ByteView value = left_.subspan(4, size);
    left_ = left_.subspan(4 + size);
    return value;
  }
  void misread() noexcept { left_ = {}; }

 private:
  [[nodiscard]] std::size_t length() const noexcept {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i)
      size = size << 8 | std::to_integer<std::size_t>(left_[i]);
    return size;
  }

  ByteView left_;
};

/// SQL for what `Packed` reads: all rows of `from`, of numbers and, where a name begins with `*`,
/// of bytes.
[[nodiscard]] inline std::string packed_sql(std::initializer_list<std::string_view> columns,
                                            std::string_view from) {
  std::string all;
  for (std::string_view column : columns) {
    if (!all.empty()) all += " || ";
    if (const bool is_bytes = column.front() == '*'; is_bytes) {
      column.remove_prefix(1);
      all += "int4send(length(" + std::string(column) + ")) || " + std::string(column);
    } else {
      all += "int4send(8) || int8send(" + std::string(column) + ")";
    }
  }
  const std::size_t order = from.find(" ORDER BY ");
  return "(SELECT string_agg(" + all + ", CAST('' AS bytea)" + std::string(from.substr(order)) +
         ") FROM " + std::string(from.substr(0, order)) + ")";
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// The rows that a transaction has read ahead or written, and those of records held here, as they
/// were left: the next save of one needs no look at it, only the database's word, in the same
/// transaction, that the row is still that one. Not synchronised.
class Known {
 public:
  /// So many rows are kept, then all are looked at again.
  static constexpr std::size_t most = 65'536;

  /// As this transaction knows it; null: it does not.
  [[nodiscard]] const rows::Record* find(StoreId store, std::string_view key) const {
    const auto at = current_.find(name(store, key));
    return at == current_.end() ? nullptr : &at->second.record;
  }
  [[nodiscard]] const rows::Record* kept(StoreId store, std::string_view key) const {
    const auto at = kept_.find(name(store, key));
    return at == kept_.end() ? nullptr : &at->second;
  }
  void read(rows::Record record, rows::Beside beside) {
    Entry& to = current_[name(record.store, record.key)];
    to.beside = std::move(beside);
    to.record = std::move(record);
    to.record.beside = to.record.exists() ? &to.beside : nullptr;
  }
  /// Takes it as it was left.
  void trust(const rows::Record& record) {
    current_[name(record.store, record.key)].record = record;
  }
  /// It was written as this, and had this revision before.
  void remember(const rows::Record& record) {
    rows::Record& to = current_[name(record.store, record.key)].record;
    to = record;
    ++to.revision;
    to.changed = false;
    to.beside = nullptr;
  }
  void forget(const rows::Record& record) {
    current_[name(record.store, record.key)].record =
        rows::Record{.store = record.store, .key = record.key};
  }

  void begin() { current_.clear(); }
  /// What the transaction knew is so: what is held under that number stays known.
  void commit(std::uint64_t nonce) {
    if (kept_.size() > most) kept_.clear();
    for (auto& [key, entry] : current_) {
      if (entry.record.exists() && entry.record.head.fence.owner.nonce == nonce) {
        entry.record.beside = nullptr;
        kept_.insert_or_assign(key, std::move(entry.record));
      } else {
        kept_.erase(key);
      }
    }
    current_.clear();
  }
  void roll_back() {
    for (const auto& each : current_)
      kept_.erase(each.first);
    current_.clear();
  }
  void clear() { current_.clear(), kept_.clear(); }

 private:
  struct Entry {
    rows::Record record;
    rows::Beside beside;
  };
  [[nodiscard]] static std::string name(StoreId store, std::string_view key) {
    std::string made = std::to_string(store.index);
    return (made += ':').append(key);
  }

  std::unordered_map<std::string, Entry> current_;
  std::unordered_map<std::string, rows::Record> kept_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// What a SQLSTATE says to who retries.
enum class Trouble : std::uint8_t {
  contended,  ///< others were at work on the same rows; the same again may go through
  lost,       ///< the server ends the connection, or takes none now
  lasting,    ///< anything else
};

[[nodiscard]] inline bool is_of_class(std::string_view state, std::string_view whole) noexcept {
  return state.substr(0, 2) == whole;
}

/// What two made at once, a row or a table, and the guard of a remembered row (22012) are
/// contention too.
[[nodiscard]] inline Trouble trouble_of(std::string_view state) noexcept {
  if (state == "40001" || state == "40P01" || state == "23505" || state == "22012" ||
      state == "55P03" || state == "42P06" || state == "42P07")
    return Trouble::contended;
  if (is_of_class(state, "08") || state == "57P01" || state == "57P02" || state == "57P03" ||
      state == "57P05" || state == "53300" || state == "25P03")
    return Trouble::lost;
  return Trouble::lasting;
}

/// What a SQLSTATE means to a caller whose transaction was rolled back. `where` names the database
/// and holds no password.
[[nodiscard]] inline Error describe(std::string_view state, std::string_view words,
                                    const std::string& where) {
  const std::string said = where + ": " + std::string(words);
  if (trouble_of(state) == Trouble::contended)
    return {Errc::timeout, said + "; others were at work on the same records, nothing was written"};
  if (trouble_of(state) == Trouble::lost)
    return {Errc::unavailable, said + "; nothing was written"};
  if (state == "57014")
    return {Errc::timeout, said + "; nothing was written: see the server's statement_timeout"};
  if (is_of_class(state, "28") || state == "42501")
    return {Errc::refused, said + "; see the user, the password and the privileges it has"};
  if (state == "3D000") return {Errc::not_found, said + "; make it, or name another"};
  if (state == "53100" || state == "53400")
    return {Errc::io, said + "; the server has no room, nothing was written: free some there"};
  if (state == "25006")
    return {Errc::io, said +
                          "; the server is a replica or read-only, nothing was written: name the "
                          "primary (target_session_attrs=read-write)"};
  if (is_of_class(state, "54") || state == "22023")
    return {Errc::too_large, said + "; nothing was written"};
  if (state == "53200") return {Errc::unavailable, said + "; nothing was written: try later"};
  if (is_of_class(state, "XX") || is_of_class(state, "23"))
    return {Errc::corrupt, said + "; the tables are left as they are: see the server's log"};
  if (state == "42P01" || state == "42703" || state == "3F000")
    return {Errc::corrupt, said + "; the tables are not as persist made them: restore a backup"};
  return {Errc::io, said + " (SQLSTATE " + std::string(state) + "); nothing was written"};
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres

// Waiting for a socket that a client library has opened: calls to the operating system, like
// detail/os.hpp.

namespace persist::inline PERSIST_ABI::detail::os {

/// Ends a wait for a socket early, once and for all. Any thread may ring.
class Alarm {
 public:
  Alarm() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
    heard_ = FileHandle(ends[0], "alarm");
    rings_ = FileHandle(ends[1], "alarm");
  }
  void ring() const {
    const char once = 0;
    [[maybe_unused]] const ssize_t done = ::write(rings_.descriptor(), &once, 1);
  }
  /// -1 where the system gave none.
  [[nodiscard]] int descriptor() const noexcept { return heard_.descriptor(); }

 private:
  FileHandle heard_, rings_;
};

enum class Woke : std::uint8_t { socket, alarm, nothing };

/// Waits until the socket can be read, or written where that is wanted too; for so long at most; or
/// until the alarm rings. A socket that is broken counts as ready: who uses it next hears why.
[[nodiscard]] inline Woke wait_for_socket(int socket, bool writes, std::int64_t milliseconds,
                                          const Alarm* alarm = nullptr) {
  std::array<::pollfd, 2> on{
      ::pollfd{socket, static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0},
      ::pollfd{alarm != nullptr ? alarm->descriptor() : -1, POLLIN, 0}};
  constexpr std::int64_t longest = 1 << 30;
  const int timeout = static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, longest));
  const int done = ::poll(on.data(), on.size(), timeout);
  if (done > 0 && on[1].revents != 0) return Woke::alarm;
  return done == 0 || (done < 0 && errno == EINTR) ? Woke::nothing : Woke::socket;
}

}  // namespace persist::inline PERSIST_ABI::detail::os

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

// A connection to a server that never hangs: what is sent lies in libpq's memory until the socket
// takes it, and every wait has an end.

namespace persist::inline PERSIST_ABI::backend::postgres {

struct Clears {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clears>;

/// This machine's own time, which measures patience and nothing else.
[[nodiscard]] inline TimePoint here_now() noexcept {
  return TimePoint(Duration(persist::detail::os::boot_time_ns()));
}

/// Where the server is and which database, for people.
[[nodiscard]] inline std::string place_of(const PGconn* pg) {
  const auto text = [](const char* at) { return std::string(at != nullptr ? at : ""); };
  return "PostgreSQL database \"" + text(PQdb(pg)) + "\" at " + text(PQhost(pg)) + ":" +
         text(PQport(pg));
}
/// What libpq says in more lines than one, in one.
[[nodiscard]] inline std::string in_one_line(std::string words) {
  while (!words.empty() && (words.back() == '\n' || words.back() == ' '))
    words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  return words;
}

class Wire {
 public:
  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { close(); }

  std::function<void()> on_wait{};

  [[nodiscard]] bool is_open() const noexcept { return pg_ != nullptr; }
  [[nodiscard]] PGconn* get() const noexcept { return pg_; }
  [[nodiscard]] const std::string& place() const noexcept { return place_; }
  /// Whether the last wait ended because its time was over.
  [[nodiscard]] bool was_late() const noexcept { return was_late_; }

  /// Connects; in pipeline mode where that is wanted.
  [[nodiscard]] Error open(const std::string& uri, TimePoint deadline, bool in_pipeline = true) {
    close();
    if (on_wait) on_wait();
    PQconninfoOption* const options = PQconninfoParse(uri.c_str(), nullptr);
    if (options == nullptr)  // libpq's words would show the string, and what is secret in it
      return {Errc::invalid, "the connection string is wrong; its form is in libpq's manual"};
    PQconninfoFree(options);
    pg_ = PQconnectStart(uri.c_str());
    if (pg_ == nullptr) return {Errc::unavailable, "there is no memory for a connection"};
    PQsetNoticeProcessor(
        pg_, [](void*, const char*) {}, nullptr);
    if (PQstatus(pg_) != CONNECTION_BAD) place_ = place_of(pg_);
    for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(pg_)) {
      if (PQstatus(pg_) == CONNECTION_BAD || next == PGRES_POLLING_FAILED) return refused();
      if (!wait(next == PGRES_POLLING_WRITING, deadline)) {
        close();
        return {Errc::unavailable, place_ + " does not answer; nothing was written: try later"};
      }
    }
    place_ = place_of(pg_);
    if (PQsetnonblocking(pg_, 1) != 0 || (in_pipeline && PQenterPipelineMode(pg_) == 0))
      return refused();
    return Errc{};
  }
  void close() noexcept {
    if (pg_ != nullptr) PQfinish(pg_);
    pg_ = nullptr;
  }

  /// The next answer, or none between two commands' (`is_lost` tells it from the end).
  [[nodiscard]] Answer next(TimePoint deadline) {
    was_late_ = is_lost_ = false;
    for (;;) {
      const int left = PQflush(pg_);
      if (left < 0) return lost();
      if (PQisBusy(pg_) == 0) return Answer(PQgetResult(pg_));
      if (!wait(left == 1, deadline)) {
        was_late_ = true;
        return lost();
      }
      if (PQconsumeInput(pg_) == 0) return lost();
    }
  }
  [[nodiscard]] bool is_lost() const noexcept { return is_lost_; }

  /// False: the time was over first.
  [[nodiscard]] bool wait(bool writes, TimePoint deadline) {
    if (on_wait) on_wait();
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - here_now()).count();
      if (persist::detail::os::wait_for_socket(PQsocket(pg_), writes, left) !=
          persist::detail::os::Woke::nothing)
        return true;
      if (left <= 0) return false;
    }
  }

 private:
  Answer lost() { return is_lost_ = true, nullptr; }
  /// Why there is no connection. libpq keeps no SQLSTATE of a refused one, so the words decide.
  [[nodiscard]] Error refused() {
    const std::string words = in_one_line(PQerrorMessage(pg_));
    if (place_.empty()) place_ = place_of(pg_);
    close();
    const auto says = [&](const char* what) { return words.find(what) != std::string::npos; };
    std::string state = "08001";
    if (says("database \"") && says("does not exist"))
      state = "3D000";
    else if (says("authentication failed") || says("no password supplied") || says("pg_hba.conf") ||
             (says("role \"") && says("does not exist")))
      state = "28000";
    return describe(state, words, place_);
  }

  PGconn* pg_ = nullptr;
  std::string place_;
  bool was_late_ = false, is_lost_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

// libpq as backend/rows.hpp wants a database. What has no answer to look at is sent and not waited
// for: a transaction costs a round trip for each look at something that was not read ahead, and one
// for its end.

namespace persist::inline PERSIST_ABI::backend::postgres {

class Statement;
class Query;

/// Types that arguments are sent as.
inline constexpr Oid int8_type = 20, bytea_type = 17;

/// One connection to a database. Not synchronised.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Wire wire;
  std::string schema = "persist";
  bool is_pooled = false;
  TimePoint deadline{};
  std::size_t at_request = 0;  ///< whose statements are being sent

  [[nodiscard]] bool good() const noexcept { return !failed(error_); }
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] bool is_contended() const noexcept { return contended_; }
  /// Whose statement failed.
  [[nodiscard]] std::size_t culprit() const noexcept { return culprit_; }
  [[nodiscard]] const std::string& path() const noexcept { return wire.place(); }
  /// How often the server was waited for, ever.
  [[nodiscard]] std::uint64_t round_trips() const noexcept { return round_trips_; }
  /// Grows with each new connection, which knows no statement.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  /// Goes on as if nothing had happened.
  void start_over() {
    error_ = Error(Errc{});
    contended_ = is_committing_ = false;
    at_request = culprit_ = 0;
  }
  void refuse(Error error) {
    if (good()) error_ = std::move(error), culprit_ = at_request;
  }
  void damaged(std::string_view what) {
    refuse({Errc::corrupt, path() + ": " + std::string(what) +
                               " is not as persist wrote it; it was left as it is: restore a "
                               "backup, or erase the record"});
  }
  /// A new connection has nothing of the old one.
  void opened() {
    expected_.clear();
    seen.clear();
    next_id_ = last_id_ = 0;
    ++generation_;
  }

  /// Sends the end of a transaction and hears how all of it went. Whatever happened, nothing is
  /// under way afterwards. Null: it had no beginning either, and what was sent since the last end
  /// is one transaction all the same; only where nothing is refused here once something was sent.
  void end(Statement* how, bool writes);
  /// The same for one that only looked: its end is heard of later.
  void end_later(Statement* how);

  /// The ids of new rows come in blocks, so that most are known without a look.
  [[nodiscard]] std::int64_t fresh_id();
  [[nodiscard]] static std::int64_t inserted_id() noexcept { return 0; }

  /// The rows that a transaction has read or written.
  Known seen;
  [[nodiscard]] const rows::Record* known(StoreId store, std::string_view key) const {
    return seen.find(store, key);
  }
  void remember(const rows::Record& record) { seen.remember(record); }
  void forget(const rows::Record& record) { seen.forget(record); }

 private:
  friend class Query;
  static constexpr std::int64_t block = 64;
  enum class Kind : std::uint8_t { preparation, query, commit, sync };
  struct Expected {
    Kind kind;
    Statement* statement;
    Query* taker;
    std::size_t request;
  };

  void sent(int done, Kind kind, Statement* statement, Query* taker) {
    if (done == 0) return lose();
    expected_.push_back({kind, statement, taker, at_request});
  }
  void send(Statement& statement, Query& query, bool is_taken, Kind kind = Kind::query);
  void sync() {
    sent(wire.is_open() ? PQpipelineSync(wire.get()) : 0, Kind::sync, nullptr, nullptr);
  }
  /// Hears answers in the order in which the questions went out, until this is answered; null: all.
  void hear(const Query* until);
  void hear_one();
  void note(const PGresult* answer, const Expected& whose);
  void lose();

  Error error_{Errc{}};
  bool contended_ = false, is_committing_ = false;
  std::size_t culprit_ = 0;
  std::atomic<std::uint64_t> round_trips_{0};  ///< read by any thread
  std::uint64_t generation_ = 0;
  std::deque<Expected> expected_;
  std::int64_t next_id_ = 0, last_id_ = 0;
};

/// SQL as all databases of rows have it, made PostgreSQL's: `persist_x` is `x` of the schema.
[[nodiscard]] inline std::string as_postgres(std::string_view sql, const std::string& schema) {
  std::string made;
  constexpr std::string_view prefix = "persist_";
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '?') {
      made += '$';
    } else if (sql.substr(i, prefix.size()) == prefix) {
      made += '"' + schema + "\".";
      i += prefix.size() - 1;
    } else {
      made += sql[i];
    }
  }
  return made;
}

/// A statement that is prepared when it is first used and kept as long as the connection, or one
/// that is sent as it is. The text must live on.
class Statement {
 public:
  Statement(Connection& connection, const char* sql, bool is_kept = true) noexcept
      : connection_(connection), sql_(sql), is_kept_(is_kept) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

 private:
  friend class Query;
  friend class Connection;
  [[nodiscard]] bool is_kept() const noexcept { return is_kept_ && !connection_.is_pooled; }
  [[nodiscard]] const char* text() {
    if (text_.empty()) text_ = as_postgres(sql_, connection_.schema);
    return text_.c_str();
  }
  /// Of the one object, which is enough: a connection's statements live as long as it.
  [[nodiscard]] const char* name() {
    if (name_.empty()) name_ = "persist_" + std::to_string(reinterpret_cast<std::uintptr_t>(this));
    return name_.c_str();
  }

  Connection& connection_;
  const char* sql_;
  bool is_kept_;
  std::string text_, name_;
  std::uint64_t prepared_ = 0;  ///< for the connection of that generation
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// One use of a statement: its arguments in order, then its rows. What is bound must live until it
/// is sent; what a column gives, as long as the query.
class Query : public Columns<Query> {
 public:
  explicit Query(Statement& statement)
      : connection_(statement.connection_), statement_(statement) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() {
    if (!is_awaited_) return;
    for (Connection::Expected& each : connection_.expected_)
      if (each.taker == this) each.taker = nullptr;
  }

  Query& operator<<(std::int64_t value) {
    Argument& to = next();
    to.type = int8_type;
    to.size = 8;
    for (std::size_t i = 0; i < 8; ++i)
      to.own[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (56 - 8 * i));
    return *this;
  }
  /// Numbers without a sign keep their bits.
  Query& operator<<(std::uint64_t value) { return *this << static_cast<std::int64_t>(value); }
  Query& operator<<(std::uint32_t value) { return *this << std::int64_t{value}; }
  Query& operator<<(WallTime value) {
    return *this << std::int64_t{value.time_since_epoch().count()};
  }
  Query& operator<<(Duration value) { return *this << std::int64_t{value.count()}; }
  Query& operator<<(std::string_view text) { return *this << as_bytes(text); }
  Query& operator<<(ByteView bytes) {
    Argument& to = next();
    to.type = bytea_type;
    to.at = bytes.empty() ? "" : reinterpret_cast<const char*>(bytes.data());
    to.size = static_cast<int>(bytes.size());
    if (bytes.size() > largest)
      connection_.refuse({Errc::too_large, connection_.path() + " takes no value of " +
                                               std::to_string(bytes.size()) +
                                               " bytes; nothing was written"});
    return *this;
  }
  Query& operator<<(const Hash128& hash) {
    std::byte bytes[16];
    store_little(bytes, hash.low), store_little(bytes + 8, hash.high);
    Argument& to = next();
    to.type = bytea_type;
    to.size = 16;
    std::transform(bytes, bytes + 16, to.own.begin(),
                   [](std::byte b) { return static_cast<char>(b); });
    return *this;
  }
  Query& operator<<(std::nullptr_t) {
    Argument& to = next();
    to.type = int8_type;
    to.size = -1;
    return *this;
  }
  static constexpr std::size_t largest = 1'000'000'000;

  /// Asks now, for an answer that is looked at later.
  Query& ahead() {
    connection_.send(statement_, *this, true);
    return *this;
  }
  /// Goes to the next row; says whether there is one.
  [[nodiscard]] bool row() {
    if (!has_answer()) return false;
    column_ = -1;
    return ++row_ < PQntuples(answer_.get());
  }
  void run() { connection_.send(statement_, *this, false); }
  /// Runs it; how many rows it has changed.
  [[nodiscard]] std::uint64_t changed() {
    std::uint64_t count = 0;
    if (!has_answer()) return 0;
    const std::string_view digits = PQcmdTuples(answer_.get());
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    return count;
  }

  /// The columns of a row, one after the other.
  [[nodiscard]] bool next_is_null() { return PQgetisnull(answer_.get(), row_, column_ + 1) != 0; }
  [[nodiscard]] ByteView bytes() {
    ++column_;
    return {reinterpret_cast<const std::byte*>(PQgetvalue(answer_.get(), row_, column_)),
            static_cast<std::size_t>(PQgetlength(answer_.get(), row_, column_))};
  }
  /// What was read makes no sense.
  void misread() { connection_.damaged("a hash"); }

 private:
  friend class Connection;
  struct Argument {
    Oid type;
    int size;
    const char* at;
    std::array<char, 16> own;
  };

  Argument& next() {
    Argument& to = arguments_[count_++];
    to.at = to.own.data();
    return to;
  }
  [[nodiscard]] bool has_answer() {
    if (answer_ == nullptr && !is_awaited_) ahead();
    if (answer_ == nullptr) connection_.hear(this);
    return answer_ != nullptr;
  }

  Connection& connection_;
  Statement& statement_;
  std::array<Argument, 28> arguments_;
  std::size_t count_ = 0;
  bool is_awaited_ = false;
  Answer answer_;
  int row_ = -1;
  int column_ = -1;
};

inline void Connection::send(Statement& statement, Query& query, bool is_taken, Kind kind) {
  if (!good()) return;
  if (!wire.is_open()) return lose();
  const std::size_t count = query.count_;
  std::array<const char*, 28> values;
  std::array<int, 28> sizes, formats;
  std::array<Oid, 28> types;
  for (std::size_t i = 0; i < count; ++i) {
    const Query::Argument& each = query.arguments_[i];
    values[i] = each.size < 0 ? nullptr : each.at;
    sizes[i] = (std::max)(each.size, 0);
    formats[i] = 1;
    types[i] = each.type;
  }
  const int n = static_cast<int>(count);
  PGconn* pg = wire.get();
  if (statement.is_kept() && statement.prepared_ != generation_) {
    sent(PQsendPrepare(pg, statement.name(), statement.text(), n, types.data()), Kind::preparation,
         &statement, nullptr);
    if (!good()) return;
    statement.prepared_ = generation_;
  }
  query.is_awaited_ = is_taken;
  sent(statement.is_kept() ? PQsendQueryPrepared(pg, statement.name(), n, values.data(),
                                                 sizes.data(), formats.data(), 1)
                           : PQsendQueryParams(pg, statement.text(), n, types.data(), values.data(),
                                               sizes.data(), formats.data(), 1),
       kind, &statement, is_taken ? &query : nullptr);
}

inline void Connection::hear(const Query* until) {
  const auto is_waiting = [&] {
    if (expected_.empty()) return false;
    return until == nullptr || (until->is_awaited_ && until->answer_ == nullptr);
  };
  if (!wire.is_open() || !is_waiting() || (until != nullptr && !good())) return;
  if (until != nullptr && PQsendFlushRequest(wire.get()) == 0) return lose();
  ++round_trips_;
  while (is_waiting() && (until == nullptr || good()))
    hear_one();
}

inline void Connection::hear_one() {
  Answer answer = wire.next(deadline);
  if (wire.is_lost()) return lose();
  if (answer == nullptr) return;  // between two commands
  const ExecStatusType status = PQresultStatus(answer.get());
  if (expected_.empty()) return lose();
  const Expected whose = expected_.front();
  const bool is_sync = status == PGRES_PIPELINE_SYNC;
  if (is_sync && whose.kind != Kind::sync) return lose();
  if (!is_sync && whose.kind == Kind::sync) return note(answer.get(), whose);  // the end failed
  expected_.pop_front();
  if (is_sync) return;
  const bool is_done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  if (whose.kind == Kind::preparation && !is_done) whose.statement->prepared_ = 0;
  if (status == PGRES_PIPELINE_ABORTED) {
    if (whose.taker != nullptr) whose.taker->is_awaited_ = false;
    return;  // because of what was noted before
  }
  if (!is_done) return note(answer.get(), whose);
  if (whose.kind == Kind::commit && std::string_view(PQcmdStatus(answer.get())) == "ROLLBACK")
    return refuse({Errc::io, path() + " rolled a transaction back; nothing was written"});
  if (whose.taker == nullptr) return;
  whose.taker->answer_ = std::move(answer);
  whose.taker->is_awaited_ = false;
}

inline void Connection::note(const PGresult* answer, const Expected& whose) {
  if (!good()) return;
  const char* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  if (state == nullptr) return lose();  // libpq's own words: the connection is gone
  const char* severity = PQresultErrorField(answer, PG_DIAG_SEVERITY_NONLOCALIZED);
  const bool is_fatal = severity != nullptr && std::string_view(severity) != "ERROR";
  const char* words = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
  culprit_ = whose.request;
  contended_ = trouble_of(state) == Trouble::contended;
  error_ = describe(state, words != nullptr ? words : "", path());
  const bool is_the_end = whose.kind == Kind::commit || whose.kind == Kind::sync;
  if (is_fatal && !is_the_end) is_committing_ = false;  // it never came so far
  if (is_fatal) lose();
}

/// The connection is gone. What was written depends on whether the end of the transaction was sent.
inline void Connection::lose() {
  const std::string where = path();
  const std::string how =
      wire.was_late()
          ? " did not answer in time"
          : " ended the connection" + (wire.is_open() && *PQerrorMessage(wire.get()) != '\0'
                                           ? " (" + in_one_line(PQerrorMessage(wire.get())) + ")"
                                           : std::string());
  wire.close();
  for (const Expected& each : expected_)
    if (each.taker != nullptr) each.taker->is_awaited_ = false;
  expected_.clear();
  contended_ = false;
  if (is_committing_)
    error_ = {Errc::unknown_outcome, where + how + " while a transaction was being committed"};
  else if (good() || !is_ailing(error_))
    error_ = {wire.was_late() ? Errc::timeout : Errc::unavailable,
              where + how + "; nothing was written: try later"};
}

inline void Connection::end(Statement* how, bool writes) {
  if (!wire.is_open()) return;
  if (good()) {
    is_committing_ = writes;
    if (how != nullptr) {
      Query last(*how);
      send(*how, last, false, Kind::commit);
    }
  }
  if (wire.is_open()) sync();
  if (wire.is_open()) hear(nullptr);
  if (good()) return;
  is_committing_ = false;
  if (!wire.is_open() || PQtransactionStatus(wire.get()) == PQTRANS_IDLE) return;
  if (PQsendQueryParams(wire.get(), "ROLLBACK", 0, nullptr, nullptr, nullptr, nullptr, 0) == 0)
    return lose();
  expected_.push_back({Kind::query, nullptr, nullptr, 0});
  if (wire.is_open()) sync();
  if (wire.is_open()) hear(nullptr);
}

inline void Connection::end_later(Statement* how) {
  if (!good()) return end(how, false);
  if (how != nullptr) {
    Query last(*how);
    send(*how, last, false, Kind::commit);
  }
  if (wire.is_open()) sync();
  if (wire.is_open()) (void)PQflush(wire.get());
}

inline std::int64_t Connection::fresh_id() {
  if (next_id_ == last_id_) {
    Statement ask(*this, "SELECT nextval('persist_record_ids')", false);
    Query q(ask);
    if (!q.row()) return 1;
    next_id_ = q.integer();
    last_id_ = next_id_ + block;
  }
  return next_id_++;
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// The server's clock, as it was last heard, carried forward by this machine's monotonic one. What
/// was heard is a little old, so it is behind the server's rather than before it, and a lease is
/// held for too long rather than too short a time.
class ServerTime {
 public:
  explicit ServerTime(Clock* fixed = nullptr) : fixed_(fixed) {}

  void heard(std::int64_t microseconds) {
    heard_at_ = here_now();
    ahead_ = std::chrono::microseconds(microseconds) - heard_at_.time_since_epoch();
  }
  /// Whether it was heard so lately that a save need not ask again.
  [[nodiscard]] bool is_fresh() const { return here_now() - heard_at_ < std::chrono::seconds(1); }
  [[nodiscard]] TimePoint now() const {
    return fixed_ != nullptr ? fixed_->now() : here_now() + ahead_;
  }
  [[nodiscard]] WallTime wall() const {
    if (fixed_ != nullptr) return fixed_->wall();
    return WallTime(std::chrono::floor<WallTime::duration>(now().time_since_epoch()));
  }
  /// A server's clock goes on whoever is gone.
  static void judge(const Head&, TimePoint) noexcept {}

 private:
  Clock* fixed_;
  Duration ahead_{};
  TimePoint heard_at_{};
};

/// PostgreSQL as backend/rows.hpp wants a database.
struct Sql {
  using Connection = postgres::Connection;
  using Statement = postgres::Statement;
  using Query = postgres::Query;
  using Time = ServerTime;
  using Packed = postgres::Packed;
  static constexpr const char* for_update = " FOR UPDATE";
  static constexpr bool remembers_rows = true;
  static constexpr bool others_post = true;
};

using Engine = rows::Engine<Sql>;

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// How much of a record is read along with its row.
inline constexpr std::uint64_t the_row = 0, its_data = 1, everything = 2;

/// A record that a request will look at.
struct Place {
  StoreId store{};
  std::string_view key{};
  std::uint64_t wants = 0;  ///< `the_row` or more
  std::size_t request = 0;  ///< the first that does

  friend bool operator<(const Place& a, const Place& b) noexcept {
    return std::pair(a.store.index, a.key) < std::pair(b.store.index, b.key);
  }
  [[nodiscard]] bool is(const Place& other) const noexcept {
    return store == other.store && key == other.key;
  }
};

inline void list_places(const AcquireRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key, request.intent != Intent::look ? everything : the_row});
}
inline void list_places(const CommitRequest& request, std::vector<Place>& to) {
  for (const Change& change : request.changes) {
    to.push_back({change.store, change.key});
    for (const Send& send : change.sends)
      to.push_back({send.store, send.key});
  }
}
inline void list_places(const ReadRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key, request.wants_data ? its_data : the_row});
}
inline void list_places(const PostRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key});
}
inline void list_places(const EraseRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key});
}
inline void list_places(const RelayRequest& request, std::vector<Place>& to) {
  if (!request.take_from.empty()) to.push_back({request.store, request.take_from});
}
template <class Request>  // looks at no record
void list_places(const Request&, std::vector<Place>&) {}

/// By rising key, each once: in this order all transactions lock.
inline void put_in_order(std::vector<Place>& places) {
  std::stable_sort(places.begin(), places.end());
  std::size_t last = 0;
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].is(places[last]))
      places[last].wants = (std::max)(places[last].wants, places[i].wants);
    else
      places[++last] = places[i];
  }
  if (!places.empty()) places.resize(last + 1);
}

/// What is asked at the beginning of a transaction, in one round trip for all its records.
class Ahead {
 public:
  explicit Ahead(Connection& connection) : connection_(connection) {}

  /// Locks the records, where that is wanted, and reads them.
  void read(const std::vector<Place>& places, bool locks) {
    std::deque<Query> queries;
    for (const Place& place : places) {
      connection_.at_request = place.request;
      Query& q = queries.emplace_back(look_at(place.wants, locks));
      (q << place.store.index << place.key).ahead();
    }
    for (std::size_t i = 0; i < places.size() && connection_.good(); ++i) {
      connection_.at_request = places[i].request;
      take(queries[i], places[i]);
    }
  }
  /// Locks the records and has the transaction fail unless they are as they were left; goes on as
  /// if they were.
  void trust(const std::vector<Place>& places) {
    for (const Place& place : places) {
      const rows::Record& record = *connection_.seen.kept(place.store, place.key);
      const Fence& fence = record.head.fence;
      Query q(guard_);
      q << record.id << record.revision << fence.epoch << fence.owner.nonce << fence.owner.session
        << fence.write;
      q.run();
      connection_.seen.trust(record);
    }
  }
  /// Gives records that nobody has to those who ask, in the order of `claims`; null: somebody has
  /// it, or it is not there. This is the one rule of record/head.hpp that SQL says too: `take`, of
  /// a record that was loaded before and has no owner.
  void claim(const std::vector<AcquireRequest*>& claims, TimePoint now,
             std::deque<Query>& answers) {
    for (const AcquireRequest* request : claims) {
      Query& q = answers.emplace_back(claim_);
      q << request->store.index << request->key << request->least_epoch
        << request->owner.server.view() << request->owner.nonce << request->owner.session
        << request->lease << now.time_since_epoch();
      q.ahead();
    }
  }
  /// Takes a row into what the transaction knows; says whether there was one.
  bool take(Query& q, const Place& place) {
    rows::Record record{.store = place.store, .key = std::string(place.key)};
    rows::Beside beside;
    const bool is_there = q.row();
    if (!connection_.good()) return false;
    if (is_there) {
      rows::Records<Sql>::read(connection_, q, record);
      beside.user_ids.append(q.bytes());
      beside.metadata.append(q.bytes());
      for (std::optional<Buffer>* each :
           {&beside.data, &beside.receipts, &beside.inbox, &beside.outbox}) {
        const bool is_absent = q.next_is_null();
        const ByteView bytes = q.bytes();
        if (!is_absent) each->emplace(bytes);
      }
    }
    connection_.seen.read(std::move(record), std::move(beside));
    return is_there;
  }

 private:
  /// The row `r` and as much of what lies beside it. A text for each, because a plan that depends
  /// on an argument is made anew each time.
  [[nodiscard]] static std::string columns(std::uint64_t wants) {
    const auto when = [&](std::uint64_t least, const char* there, const std::string& what) {
      return wants < least ? std::string(", CAST(NULL AS bytea)")
                           : ", CASE WHEN " + std::string(there) + " THEN " + what + " END";
    };
    return rows::Records<Sql>::columns() + ", user_ids, metadata" +
           when(its_data, "data_bytes IS NOT NULL",
                "(SELECT data FROM persist_data d WHERE d.record = r.id)") +
           when(everything, "receipts > 0",
                packed_sql({"*s.id", "s.day"},
                           "persist_receipt s WHERE s.record = r.id ORDER BY s.n")) +
           when(everything, "inbox_messages > 0",
                packed_sql({"s.position", "*s.source", "s.epoch", "s.number", "s.first_tried_ms",
                            "*s.type", "s.codec", "s.priority", "s.posted_ms", "s.expires_ms",
                            "*s.payload"},
                           "persist_inbox s WHERE s.record = r.id ORDER BY s.position")) +
           when(its_data, "outbox_messages > 0",
                packed_sql({"s.number"},
                           "persist_outbox s WHERE s.store = r.store "
                           "AND s.key = r.key ORDER BY s.id")) +
           " ";
  }
  /// Reads a record, and locks it where it is told to.
  struct Look {
    Look(Connection& connection, std::uint64_t wants, const char* locks)
        : sql("SELECT " + columns(wants) + "FROM persist_record r WHERE store = ?1 AND key = ?2" +
              locks),
          statement(connection, sql.c_str()) {}
    std::string sql;
    Statement statement;
  };
  [[nodiscard]] Statement& look_at(std::uint64_t wants, bool locks) {
    Look* const all[] = {&row_, &data_, &all_, &lock_row_, &lock_data_, &lock_all_};
    return all[wants + (locks ? 3 : 0)]->statement;
  }

  Connection& connection_;
  Look row_{connection_, the_row, ""}, data_{connection_, its_data, ""},
      all_{connection_, everything, ""};
  Look lock_row_{connection_, the_row, " FOR UPDATE"},
      lock_data_{connection_, its_data, " FOR UPDATE"},
      lock_all_{connection_, everything, " FOR UPDATE"};
  std::string claim_sql_ =
      "WITH r AS (UPDATE persist_record SET epoch = greatest(epoch + 1, ?3), owner = ?4, "
      "owner_nonce = ?5, owner_session = ?6, write_number = 0, lease_ns = ?7, renewed_ns = ?8, "
      "renewals = renewals + 1, asker = '', asker_nonce = 0, asker_session = 0, "
      "revision = revision + 1 WHERE store = ?1 AND key = ?2 AND owner_nonce = 0 "
      "AND owner_session = 0 AND epoch > 0 RETURNING *) SELECT " +
      columns(everything) + "FROM r";
  Statement claim_{connection_, claim_sql_.c_str()};
  Statement guard_{connection_,
                   "SELECT 1 / count(*) FROM (SELECT 1 FROM persist_record WHERE id = ?1 "
                   "AND revision = ?2 AND epoch = ?3 AND owner_nonce = ?4 AND owner_session = ?5 "
                   "AND write_number = ?6 FOR UPDATE) g"};
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend {

struct PostgresOptions {
  /// Where the tables lie, in a namespace of their own: letters, digits and `_`.
  std::string schema = "persist";
  /// Makes the tables where there are none; without it `not_found`, for tools, and where the game's
  /// user may make none (`persistctl migrate` prints their SQL).
  bool creates = true;
  /// Through a pooler that gives a connection to another client after each transaction: nothing is
  /// prepared, nothing is listened to, and a save looks at its record first (two round trips).
  bool pooled = false;
  /// Hears of what other servers do to the store's records, on a connection and a thread of its
  /// own. Off, what waits looks again by itself.
  bool listens = true;
  /// How long an operation waits for the server, all its tries together.
  Duration patience = std::chrono::seconds(5);
  /// For tests: judges leases and dates records in the place of the server's clock. Must outlive
  /// every handle.
  Clock* clock = nullptr;
  /// For tests: called before the server is connected to and each time that it is waited for.
  std::function<void()> on_wait{};
};

}  // namespace persist::inline PERSIST_ABI::backend

// What is there for people and for other programs; no part of the library reads it, and a save
// costs nothing for it. doc/format.md has the places in an envelope.

namespace persist::inline PERSIST_ABI::backend::postgres {

/// A row for each record with what its envelope says, and the payload where `codec::Json` wrote it
/// and nothing was done to it since.
inline constexpr const char* records_view = R"(CREATE VIEW persist_readable AS
SELECT s.store, s.key, s.version, s.epoch, s.owner, s.write_number, s.created, s.updated,
  s.load_count, s.inbox_messages, s.outbox_messages, s.data_bytes, s.codec, s.flags,
  s.schema_version, s.lowest_reader,
  CASE WHEN codec = 2 AND flags = 0 THEN CAST(convert_from(substr(data, 37), 'UTF8') AS json) END
    AS json
FROM (SELECT encode(n.name, 'escape') AS store, encode(r.key, 'escape') AS key, r.version, r.epoch,
  encode(r.owner, 'escape') AS owner, r.write_number,
  to_timestamp(r.created_ms / 1000.0) AS created, to_timestamp(r.updated_ms / 1000.0) AS updated,
  r.load_count, r.inbox_messages, r.outbox_messages, r.data_bytes, e.data,
  get_byte(e.data, 10) + 256 * get_byte(e.data, 11) AS codec,
  get_byte(e.data, 12) + 256 * get_byte(e.data, 13) AS flags,
  get_byte(e.data, 16) + 256 * get_byte(e.data, 17) + 65536 * get_byte(e.data, 18) AS schema_version,
  get_byte(e.data, 20) + 256 * get_byte(e.data, 21) + 65536 * get_byte(e.data, 22) AS lowest_reader
FROM persist_record r JOIN persist_store n ON n.id = r.store
  LEFT JOIN (SELECT d.record, d.data FROM persist_data d
    WHERE length(d.data) >= 36 AND substr(d.data, 1, 4) = '\xff707374') e ON e.record = r.id) s)";

/// The entries of declared indexes; an index without a name holds the user ids.
inline constexpr const char* indexes_view = R"(CREATE VIEW persist_indexes AS
SELECT encode(s.name, 'escape') AS store, encode(i.name, 'escape') AS index, i.value,
  encode(i.key, 'escape') AS key
FROM persist_index i JOIN persist_store s ON s.id = i.store)";

/// Posts a message in JSON, for a web back end in any language; answers its position. The same id
/// again answers as the first time and posts nothing. It says what `admit` in record/mailbox.hpp
/// says, of a message with an id and the usual limits.
inline constexpr const char* post_function = R"(CREATE FUNCTION persist_post(
  to_store text, to_key text, id text, type text, json json,
  expires interval DEFAULT '7 days', first_tried timestamptz DEFAULT clock_timestamp())
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  key_bytes bytea := convert_to(to_key, 'UTF8');
  source_id bytea := decode(md5(post.id), 'hex');
  type_bytes bytea := convert_to(post.type, 'UTF8');
  body bytea := convert_to(CAST(post.json AS text), 'UTF8');
  cost bigint := length(body) + length(type_bytes) + 64;
  tried bigint := CAST(floor(extract(epoch FROM post.first_tried) * 1000) AS bigint);
  now_ms bigint := CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint);
  week CONSTANT bigint := 7 * 86400000;
  place bigint;
  home bigint;
  number bytea;
  r persist_record%ROWTYPE;
BEGIN
  IF post.id IS NULL OR post.type IS NULL OR post.json IS NULL OR key_bytes IS NULL OR
     length(key_bytes) NOT BETWEEN 1 AND 255 THEN
    RAISE EXCEPTION 'a post has a key of 1 to 255 bytes, an id, a type and a JSON value'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF post.expires > interval '45 days' THEN
    RAISE EXCEPTION 'a message waits for 45 days at most'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT s.id INTO home FROM persist_store s WHERE s.name = convert_to(to_store, 'UTF8');
  IF home IS NULL THEN
    RAISE EXCEPTION 'there is no store "%"', to_store USING ERRCODE = 'no_data_found';
  END IF;
  INSERT INTO persist_record (id, store, key)
    SELECT nextval('persist_record_ids'), home, key_bytes
    WHERE NOT EXISTS (SELECT 1 FROM persist_record e WHERE e.store = home AND e.key = key_bytes)
    ON CONFLICT DO NOTHING;
  SELECT * INTO STRICT r FROM persist_record e WHERE e.store = home AND e.key = key_bytes
    FOR UPDATE;
  SELECT k.position INTO place FROM persist_known k WHERE k.record = r.id AND k.id = source_id;
  IF FOUND THEN
    RETURN place;
  END IF;
  IF tried <= r.ids_forgotten_ms OR tried + week <= now_ms THEN
    RAISE EXCEPTION 'the id was first tried so long ago that nobody can tell whether it took effect'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF r.inbox_messages >= 1000 OR r.inbox_bytes + cost > 1048576 THEN
    RAISE EXCEPTION 'the inbox of "%" has no room; it empties when its owner plays', to_key
      USING ERRCODE = 'program_limit_exceeded';
  END IF;
  WITH gone AS (DELETE FROM persist_known k WHERE k.record = r.id
      AND k.first_tried_ms + week <= now_ms AND k.position NOT IN (SELECT f.position
        FROM persist_known f WHERE f.record = r.id ORDER BY f.position DESC LIMIT 63)
      RETURNING k.first_tried_ms)
    SELECT greatest(r.ids_forgotten_ms, max(first_tried_ms)) INTO r.ids_forgotten_ms FROM gone;
  place := r.last_position + 1;
  INSERT INTO persist_known VALUES (r.id, place, source_id, tried);
  INSERT INTO persist_inbox VALUES (r.id, place, source_id, 0, 0, tried, type_bytes, 2, 0, now_ms,
    now_ms + CAST(extract(epoch FROM post.expires) * 1000 AS bigint), body);
  UPDATE persist_record e SET last_position = place, inbox_messages = e.inbox_messages + 1,
    inbox_bytes = e.inbox_bytes + cost, ids_forgotten_ms = r.ids_forgotten_ms,
    revision = e.revision + 1 WHERE e.id = r.id;
  IF r.owner_nonce <> 0 THEN
    number := int4send(CAST(home AS int));
    PERFORM pg_notify('ps_hint_' || to_hex(r.owner_nonce), encode('\x7073746802' ||
      substr(number, 4, 1) || substr(number, 3, 1) || substr(number, 2, 1) ||
      substr(number, 1, 1) || key_bytes, 'hex'));
  END IF;
  RETURN place;
END $$)";

inline constexpr const char* readable[] = {records_view, indexes_view, post_function};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

// The tables, and what opening makes of a database that has them, has others, or has none. Names
// and meanings reach disk: a change of any raises the version.

namespace persist::inline PERSIST_ABI::backend::postgres {

inline constexpr std::int64_t schema_version = 1;

/// The same tables as SQLite's (backend/sqlite/schema.hpp), in a namespace of their own. Keys and
/// names are bytes, because no encoding of a server holds every key: views show them to people. A
/// number of 64 bits without a sign has its bits.
inline constexpr const char* tables[] = {
    "CREATE TABLE persist_format (version BIGINT NOT NULL)",
    "CREATE SEQUENCE persist_record_ids INCREMENT BY 64",
    R"(CREATE TABLE persist_store (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name BYTEA NOT NULL UNIQUE,
  lock BIGINT NOT NULL, birth BYTEA NOT NULL, format BIGINT NOT NULL))",
    R"(CREATE TABLE persist_record (
  id BIGINT PRIMARY KEY, store BIGINT NOT NULL, key BYTEA NOT NULL,
  epoch BIGINT NOT NULL DEFAULT 0, owner BYTEA NOT NULL DEFAULT '',
  owner_nonce BIGINT NOT NULL DEFAULT 0, owner_session BIGINT NOT NULL DEFAULT 0,
  write_number BIGINT NOT NULL DEFAULT 0, version BIGINT NOT NULL DEFAULT 0,
  load_count BIGINT NOT NULL DEFAULT 0, renewals BIGINT NOT NULL DEFAULT 0,
  lease_ns BIGINT NOT NULL DEFAULT 0, renewed_ns BIGINT NOT NULL DEFAULT 0,
  created_ms BIGINT NOT NULL DEFAULT 0, updated_ms BIGINT NOT NULL DEFAULT 0,
  asker BYTEA NOT NULL DEFAULT '', asker_nonce BIGINT NOT NULL DEFAULT 0,
  asker_session BIGINT NOT NULL DEFAULT 0, past BYTEA NOT NULL DEFAULT '', data_bytes BIGINT,
  receipts BIGINT NOT NULL DEFAULT 0, receipts_forgotten BIGINT NOT NULL DEFAULT 0,
  inbox_messages BIGINT NOT NULL DEFAULT 0, inbox_bytes BIGINT NOT NULL DEFAULT 0,
  last_position BIGINT NOT NULL DEFAULT 0, ids_forgotten_ms BIGINT NOT NULL DEFAULT 0,
  outbox_messages BIGINT NOT NULL DEFAULT 0, user_ids BYTEA NOT NULL DEFAULT '',
  metadata BYTEA NOT NULL DEFAULT '', revision BIGINT NOT NULL DEFAULT 0,
  UNIQUE (store, key)))",
    "CREATE TABLE persist_data (record BIGINT PRIMARY KEY, data BYTEA NOT NULL)",
    R"(CREATE TABLE persist_history (
  record BIGINT NOT NULL, version BIGINT NOT NULL, at_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL,
  data BYTEA NOT NULL, PRIMARY KEY (record, version)))",
    R"(CREATE TABLE persist_receipt (
  record BIGINT NOT NULL, n BIGINT NOT NULL, id BYTEA NOT NULL, day BIGINT NOT NULL,
  PRIMARY KEY (record, n)))",
    R"(CREATE TABLE persist_inbox (
  record BIGINT NOT NULL, position BIGINT NOT NULL, source BYTEA NOT NULL, epoch BIGINT NOT NULL,
  number BIGINT NOT NULL, first_tried_ms BIGINT NOT NULL, type BYTEA NOT NULL,
  codec BIGINT NOT NULL, priority BIGINT NOT NULL, posted_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL, payload BYTEA NOT NULL, PRIMARY KEY (record, position)))",
    R"(CREATE TABLE persist_sender (
  record BIGINT NOT NULL, source BYTEA NOT NULL, epoch BIGINT NOT NULL, number BIGINT NOT NULL,
  PRIMARY KEY (record, source)))",
    R"(CREATE TABLE persist_known (
  record BIGINT NOT NULL, position BIGINT NOT NULL, id BYTEA NOT NULL,
  first_tried_ms BIGINT NOT NULL, PRIMARY KEY (record, position)))",
    R"(CREATE TABLE persist_outbox (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, store BIGINT NOT NULL,
  key BYTEA NOT NULL, to_store BIGINT NOT NULL, to_key BYTEA NOT NULL, epoch BIGINT NOT NULL,
  number BIGINT NOT NULL, type BYTEA NOT NULL, codec BIGINT NOT NULL, priority BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL, payload BYTEA NOT NULL))",
    "CREATE INDEX outbox_of ON persist_outbox (store, key)",
    R"(CREATE TABLE persist_index (
  store BIGINT NOT NULL, name BYTEA NOT NULL, value BIGINT NOT NULL, key BYTEA NOT NULL,
  PRIMARY KEY (store, name, value, key)))",
    "CREATE INDEX index_of ON persist_index (store, key, name)",
    R"(CREATE TABLE persist_erased (
  store BIGINT NOT NULL, hash BYTEA NOT NULL, epoch BIGINT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (store, hash)))",
    R"(CREATE TABLE persist_schema (
  store BIGINT NOT NULL, id BYTEA NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (store, id)))",
    "INSERT INTO persist_format VALUES (1)",
};

/// Whether it can be the name of a schema; it is spelled into every statement.
[[nodiscard]] inline bool is_schema_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 63) return false;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  return true;
}

/// All that opening a database runs where there is nothing yet, one statement after the other: for
/// who would rather read and run it himself.
[[nodiscard]] inline std::string schema_sql(const std::string& schema) {
  std::string all = "CREATE SCHEMA IF NOT EXISTS \"" + schema + "\";\n";
  for (const char* each : tables)
    all += as_postgres(each, schema) + ";\n";
  for (const char* each : readable)
    all += as_postgres(each, schema) + ";\n";
  return all;
}

/// Makes the tables where there are none, in a transaction of its own; of several who do it at once
/// one makes them, and the others are to try again (`is_contended`).
class Maker {
 public:
  explicit Maker(Connection& connection, bool creates = true)
      : connection_(connection), creates_(creates) {}

  void look_and_make() {
    connection_.start_over();
    run("BEGIN");
    // One after the other: whoever comes second sees what the first one made.
    const bool is_new = !has_format();
    if (is_new && !creates_)
      connection_.refuse({Errc::not_found, connection_.path() + " has no tables of persist in `" +
                                               connection_.schema +
                                               "`: a server or `persistctl migrate` makes them"});
    else if (is_new)
      make();
    if (connection_.good()) check_version();
    if (connection_.good() && !is_new) check_tables();
    Statement commit(connection_, "COMMIT", false);
    connection_.end(&commit, true);
  }

 private:
  static constexpr const char* names[] = {"store",  "record", "data",      "history", "receipt",
                                          "inbox",  "sender", "known",     "outbox",  "index",
                                          "erased", "schema", "record_ids"};

  void run(const std::string& sql) {
    Statement statement(connection_, sql.c_str(), false);
    Query q(statement);
    (void)q.changed();  // heard at once, so that what is wrong is this one's
  }
  [[nodiscard]] bool exists(const char* table) {
    Statement ask(connection_,
                  "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                  "ON n.oid = c.relnamespace WHERE n.nspname = convert_from(?1, 'UTF8') "
                  "AND c.relname = convert_from(?2, 'UTF8')",
                  false);
    Query q(ask);
    q << std::string_view(connection_.schema) << std::string_view(table);
    return q.row() && q.number() != 0;
  }
  [[nodiscard]] bool has_format() { return exists("format"); }
  void make() {
    const std::string& schema = connection_.schema;
    for (const char* each : names)
      if (connection_.good() && exists(each))
        return connection_.refuse(
            {Errc::invalid, connection_.path() + " has a table `" + schema + "." + each +
                                "` that persist did not make; nothing was changed: rename it, or "
                                "give the store a schema of its own (`schema`)"});
    if (!has_schema()) run("CREATE SCHEMA \"" + schema + "\"");
    for (const char* each : tables)
      run(each);
    for (const char* each : readable)
      run(each);
  }
  [[nodiscard]] bool has_schema() {
    Statement ask(connection_,
                  "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = "
                  "convert_from(?1, 'UTF8')",
                  false);
    Query q(ask);
    q << std::string_view(connection_.schema);
    return q.row() && q.number() != 0;
  }
  void check_version() {
    Statement ask(connection_, "SELECT version FROM persist_format", false);
    Query q(ask);
    const std::int64_t version = q.row() ? q.integer() : 0;
    if (!connection_.good()) return;
    if (version > schema_version)
      connection_.refuse(
          {Errc::too_new, connection_.path() + " has tables of version " + std::to_string(version) +
                              ", and this build knows " + std::to_string(schema_version) +
                              "; nothing was changed: open it with the newer build"});
    else if (version != schema_version)
      connection_.damaged("the version of the tables");
  }
  void check_tables() {
    for (const char* each : names)
      if (connection_.good() && !exists(each))
        connection_.damaged("the schema: `" + std::string(each) + "` is missing, and so it");
  }

  Connection& connection_;
  bool creates_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

// Hints to other servers. A record's row says whom a hint is for: its owner or its asker, by the
// random number of the database that they opened. So a hint is a NOTIFY to a channel named after
// that number, in the transaction that it is about.

namespace persist::inline PERSIST_ABI::backend::postgres {

inline constexpr std::string_view hexadecimal = "0123456789abcdef";

[[nodiscard]] inline std::string channel_of(std::uint64_t nonce) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, nonce, 16).ptr;
  return "ps_hint_" + std::string(digits, end);
}
/// A hint as text, because a NOTIFY carries nothing else.
[[nodiscard]] inline std::string spell_hint(const rows::Hinted& hint) {
  const Buffer bytes = rows::encode_hint(hint);
  std::string text;
  for (const std::byte each : bytes.view()) {
    text += hexadecimal[std::to_integer<std::size_t>(each >> 4)];
    text += hexadecimal[std::to_integer<std::size_t>(each & std::byte{15})];
  }
  return text;
}
/// Nothing where it is none: who may connect to the database may send anything.
[[nodiscard]] inline std::optional<rows::Hinted> read_hint(std::string_view text) {
  Buffer bytes;
  if (text.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = hexadecimal.find(text[i]), low = hexadecimal.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    append_little(bytes, static_cast<std::uint8_t>(high << 4 | low));
  }
  return rows::decode_hint(bytes);
}

/// The stores of this process that want to be woken, and one thread that hears of other servers
/// from the first on, over a connection of its own. Where that is lost hints are, until it is back:
/// what waits looks again by itself. Any thread may call.
class Wakes {
 public:
  Wakes(std::string uri, std::uint64_t nonce) : uri_(std::move(uri)), nonce_(nonce) {}
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;
  ~Wakes() {
    if (!listener_.joinable()) return;
    ends_ = true;
    stops_.ring();
    listener_.join();
  }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue, bool listens) {
    const std::lock_guard hold(mutex_);
    watchers_[store.index].push_back(std::move(queue));
    if (!listens || listener_.joinable() || stops_.descriptor() < 0) return;
    listener_ = persist::detail::os::quiet_thread([this] { listen(); });
  }
  /// Those of a transaction that are for stores of this process.
  void push_mine(const std::vector<rows::Hinted>& hints) {
    if (hints.empty()) return;
    const std::lock_guard hold(mutex_);
    for (const rows::Hinted& hint : hints)
      if (hint.nonce == nonce_) push(hint);
  }
  /// Whether others' hints come in at the moment.
  [[nodiscard]] bool hears() const noexcept { return hears_; }

 private:
  void listen() {
    Duration pause = first_pause;
    while (!ends_) {
      Wire wire;
      constexpr Duration patience = std::chrono::seconds(5);
      if (!failed(wire.open(uri_, persist::after(here_now(), patience), false)) &&
          subscribes(wire, persist::after(here_now(), patience))) {
        pause = first_pause;
        hears_ = true;
        hear(wire);
        hears_ = false;
      }
      const auto longest = std::chrono::ceil<std::chrono::milliseconds>(pause).count();
      if (!ends_) (void)persist::detail::os::wait_for_socket(-1, false, longest, &stops_);
      pause = (std::min)(2 * pause, last_pause);
    }
  }
  [[nodiscard]] bool subscribes(Wire& wire, TimePoint deadline) const {
    if (PQsendQuery(wire.get(), ("LISTEN " + channel_of(nonce_)).c_str()) == 0) return false;
    bool is_done = false;
    for (Answer answer; (answer = wire.next(deadline)) != nullptr;)
      is_done = PQresultStatus(answer.get()) == PGRES_COMMAND_OK;
    return is_done && !wire.is_lost();
  }
  /// Until the connection is lost or this is stopped.
  void hear(Wire& wire) {
    constexpr std::int64_t longest = 1 << 30;
    while (!ends_) {
      while (PGnotify* heard = PQnotifies(wire.get())) {
        const auto hint = read_hint(heard->extra);
        PQfreemem(heard);
        if (!hint) continue;
        const std::lock_guard hold(mutex_);
        push(*hint);
      }
      (void)persist::detail::os::wait_for_socket(PQsocket(wire.get()), false, longest, &stops_);
      if (!ends_ && PQconsumeInput(wire.get()) == 0) return;
    }
  }
  void push(const rows::Hinted& hint) {
    const auto found = watchers_.find(hint.store.index);
    if (found == watchers_.end()) return;
    std::erase_if(found->second, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(hint.key, hint.why);
      return queue == nullptr;
    });
  }

  static constexpr Duration first_pause = std::chrono::milliseconds(50);
  static constexpr Duration last_pause = std::chrono::seconds(5);

  std::string uri_;
  std::uint64_t nonce_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::vector<std::weak_ptr<WakeQueue>>> watchers_;
  persist::detail::os::Alarm stops_;
  std::atomic<bool> ends_{false}, hears_{false};
  std::thread listener_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// A request of any kind that writes.
using Asked = std::variant<OpenStoreRequest*, AcquireRequest*, CommitRequest*, PostRequest*,
                           RelayRequest*, EraseRequest*>;

/// Which stores this process knows, so that another database in the place of theirs is noticed.
class Births {
 public:
  void learn(const OpenStoreRequest& request) {
    const std::lock_guard hold(mutex_);
    if (!failed(request.error)) births_[request.store.index] = request.birth;
  }
  [[nodiscard]] std::map<std::uint32_t, Hash128> all() const {
    const std::lock_guard hold(mutex_);
    return births_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint32_t, Hash128> births_;
};

/// What is done over one connection, which comes back when it was lost. Not synchronised.
class Link {
 public:
  Link(std::string uri, const PostgresOptions& options, std::uint64_t nonce, Births& births)
      : uri_(std::move(uri)), options_(options), nonce_(nonce), births_(births) {
    connection().schema = options.schema;
    connection().is_pooled = options.pooled;
    connection().wire.on_wait = options.on_wait;
  }

  [[nodiscard]] Error open(bool makes_tables);
  template <class Request>
  void read(std::span<Request> batch) {
    begin_call();
    run(batch, false);
  }
  void write(std::vector<Asked>& all) {
    begin_call();
    engine_.hints.clear();
    if (can_be_claimed(all)) claim(all);
    if (!all.empty()) run(std::span(all), true);
  }
  [[nodiscard]] std::vector<StoreInfo> stores();
  [[nodiscard]] std::uint64_t round_trips() const noexcept {
    return engine_.connection.round_trips();
  }
  /// Whom to wake, after a call that wrote.
  [[nodiscard]] const std::vector<rows::Hinted>& hints() const noexcept { return engine_.hints; }

 private:
  static constexpr int most_tries = 20;

  [[nodiscard]] Connection& connection() noexcept { return engine_.connection; }
  void begin_call() { connection().deadline = persist::after(here_now(), options_.patience); }
  void connect_again();
  void check_births();

  static void list(Asked& asked, std::vector<Place>& to) {
    std::visit([&](auto* request) { list_places(*request, to); }, asked);
  }
  template <class Request>
  static void list(Request& request, std::vector<Place>& to) {
    list_places(request, to);
  }
  void perform(Asked& asked) {
    std::visit([&](auto* request) { perform(*request); }, asked);
  }
  template <class Request>
  void perform(Request& request) {
    engine_.perform(file::renewed(request));
    if constexpr (std::is_same_v<Request, OpenStoreRequest>)
      if (connection().good()) births_.learn(request);
  }
  static void fail(Asked& asked, const Error& error) {
    std::visit([&](auto* request) { file::fail(*request, error); }, asked);
  }
  template <class Request>
  static void fail(Request& request, const Error& error) {
    file::fail(request, error);
  }

  [[nodiscard]] static bool can_be_claimed(const std::vector<Asked>& all);
  void claim(std::vector<Asked>& all);
  template <class Request>
  void run(std::span<Request> batch, bool writes);
  template <class Request>
  [[nodiscard]] bool can_trust(std::span<Request> batch, const std::vector<Place>& places);
  template <class Request>
  [[nodiscard]] static bool is_one_look([[maybe_unused]] std::span<Request> batch);
  template <class Request>
  void transact(std::span<Request> batch, const std::vector<bool>& left_out, bool writes,
                bool may_trust);
  /// Tells other servers, when and if the transaction is there for them to see.
  void notify() {
    for (const rows::Hinted& hint : engine_.hints) {
      if (hint.nonce == nonce_) continue;
      const std::string channel = channel_of(hint.nonce), words = spell_hint(hint);
      Query q(notify_);
      (q << std::string_view(channel) << std::string_view(words)).run();
    }
  }
  void hear_time(Query& time) {
    if (time.row()) time_.heard(time.integer());
  }

  std::string uri_;
  PostgresOptions options_;
  std::uint64_t nonce_;
  Births& births_;
  ServerTime time_{options_.clock};
  Engine engine_{time_};
  Ahead ahead_{engine_.connection};
  TimePoint next_try_{};
  Duration backoff_{};
  Error refused_{Errc{}};  ///< why the last try to connect failed

  Statement begin_{engine_.connection, "BEGIN ISOLATION LEVEL READ COMMITTED"};
  Statement look_{engine_.connection, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"};
  Statement commit_{engine_.connection, "COMMIT"};
  Statement now_{engine_.connection,
                 "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"};
  Statement notify_{engine_.connection,
                    "SELECT pg_notify(convert_from(?1, 'UTF8'), convert_from(?2, 'UTF8'))"};
  Statement births_sql_{engine_.connection, "SELECT id, birth FROM persist_store"};
};

inline Error Link::open(bool makes_tables) {
  Connection& c = connection();
  begin_call();
  if (Error error = c.wire.open(uri_, c.deadline); failed(error)) return error;
  c.opened();
  for (int tries = 0; makes_tables && tries < most_tries; ++tries) {
    Maker(c, options_.creates).look_and_make();
    if (!c.is_contended()) break;
  }
  if (!c.good()) return c.error();
  c.start_over();
  Query time(now_);
  hear_time(time);
  c.end(nullptr, false);
  return c.good() ? Error(Errc{}) : c.error();
}

/// Once per call at most, and not sooner after a failure than the last pause and as much again.
inline void Link::connect_again() {
  Connection& c = connection();
  if (c.wire.is_open()) return;
  if (here_now() < next_try_) return c.refuse(refused_);
  refused_ = c.wire.open(uri_, c.deadline);
  if (!failed(refused_)) {
    c.opened();
    check_births();
    refused_ = c.error();
  }
  if (!failed(refused_)) return void(backoff_ = Duration{});
  constexpr Duration first = std::chrono::milliseconds(50), last = std::chrono::seconds(2);
  backoff_ = std::clamp(2 * backoff_, first, last);
  next_try_ = here_now() + backoff_;
  c.wire.close();
  c.refuse(refused_);
}

inline void Link::check_births() {
  Connection& c = connection();
  std::map<std::uint32_t, Hash128> known = births_.all();
  Query time(now_);  // of another server, it may be
  time.ahead();
  Query q(births_sql_);
  while (q.row()) {
    const auto id = q.small<std::uint32_t>();
    const Hash128 birth = q.hash();
    const auto found = known.find(id);
    if (found != known.end() && found->second == birth) known.erase(found);
  }
  hear_time(time);
  if (c.good() && !known.empty())
    c.refuse({Errc::refused, c.path() +
                                 " has not the stores that this connection knew: its database was "
                                 "replaced; nothing is written there"});
  c.end(nullptr, false);
}

inline bool Link::can_be_claimed(const std::vector<Asked>& all) {
  return std::all_of(all.begin(), all.end(), [](const Asked& asked) {
    const auto* const* one = std::get_if<AcquireRequest*>(&asked);
    if (one == nullptr) return false;
    const AcquireRequest& request = **one;
    return request.intent != Intent::look && request.intent != Intent::withdraw &&
           request.claim_epoch == 0 && !request.key.empty() && request.key.size() <= 255;
  });
}

/// Gives out what nobody has, in one round trip; the others stay in `all`.
inline void Link::claim(std::vector<Asked>& all) {
  Connection& c = connection();
  c.start_over();
  connect_again();
  c.seen.begin();
  std::vector<AcquireRequest*> claims;
  claims.reserve(all.size());
  for (const Asked& asked : all)
    claims.push_back(&file::renewed(*std::get<AcquireRequest*>(asked)));
  const auto place = [](const AcquireRequest* r) { return Place{r->store, r->key, everything}; };
  std::stable_sort(claims.begin(), claims.end(),
                   [&](const auto* a, const auto* b) { return place(a) < place(b); });
  std::deque<Query> answers;
  Query time(now_);
  time.ahead();
  ahead_.claim(claims, time_.now(), answers);
  c.end(nullptr, true);
  if (!c.good() && c.is_contended()) return;  // another way then
  if (!c.good()) {
    for (Asked& asked : all)
      fail(asked, c.error());
    return all.clear();
  }
  hear_time(time);
  all.clear();
  for (std::size_t i = 0; i < claims.size(); ++i)
    if (!ahead_.take(answers[i], place(claims[i])) ||
        !engine_.answer_taken(*claims[i], *c.seen.find(claims[i]->store, claims[i]->key),
                              time_.wall())) {
      all.emplace_back(claims[i]);
      c.start_over();
    }
  c.seen.commit(nonce_);
}

template <class Request>
void Link::run(std::span<Request> batch, bool writes) {
  Connection& c = connection();
  std::vector<bool> left_out;
  bool may_trust = writes && !options_.pooled;
  for (int tries = 0;;) {
    c.start_over();
    c.at_request = batch.size();  // no request's fault
    connect_again();
    transact(batch, left_out, writes, may_trust);
    if (c.good()) return;
    may_trust = false;
    if (c.is_contended() && ++tries < most_tries && here_now() < c.deadline) continue;
    const Error error = c.error();
    const std::size_t at = c.culprit();
    // What is wrong with one request stops no other, which then go through together.
    left_out.resize(batch.size());
    const bool is_its_own = at < batch.size() && !left_out[at] && !is_ailing(error);
    for (std::size_t i = is_its_own ? at : 0; i != (is_its_own ? at + 1 : batch.size()); ++i) {
      if (!left_out[i]) fail(batch[i], error);
      left_out[i] = true;
    }
    if (!is_its_own) return engine_.hints.clear();
  }
}

/// Whether all that is asked are saves of records that this process holds.
template <class Request>
bool Link::can_trust(std::span<Request> batch, const std::vector<Place>& places) {
  if constexpr (std::is_same_v<Request, Asked>) {
    for (const Asked& asked : batch) {
      const auto* const* one = std::get_if<CommitRequest*>(&asked);
      if (one == nullptr) return false;
      for (const Change& change : (*one)->changes)
        if (change.claims != Claims::nothing) return false;
    }
    return std::all_of(places.begin(), places.end(), [this](const Place& place) {
      return connection().seen.kept(place.store, place.key) != nullptr;
    });
  } else {
    return false;
  }
}

/// Whether one statement answers it, which is of one moment by itself.
template <class Request>
bool Link::is_one_look(std::span<Request> batch) {
  if constexpr (std::is_same_v<Request, ReadRequest>)
    return batch.size() == 1 && batch[0].wants_data && batch[0].version == 0 &&
           !batch[0].wants_versions && !batch[0].wants_inbox;
  else
    return false;
}

/// Once, all or nothing.
template <class Request>
void Link::transact(std::span<Request> batch, const std::vector<bool>& left_out, bool writes,
                    bool may_trust) {
  Connection& c = connection();
  const auto is_out = [&](std::size_t i) { return !left_out.empty() && left_out[i]; };
  std::vector<Place> places;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t first = places.size();
    if (!is_out(i)) list(batch[i], places);
    for (std::size_t p = first; p < places.size(); ++p)
      places[p].request = i;
  }
  put_in_order(places);
  engine_.hints.clear();
  c.seen.begin();
  c.at_request = batch.size();
  const bool is_alone = is_one_look(batch);
  if (!is_alone) Query(writes ? begin_ : look_).run();
  const bool trusts = may_trust && can_trust(batch, places);
  Query time(now_);
  const bool asks_time = (writes && !trusts) || !time_.is_fresh();
  if (asks_time) time.ahead();
  if (trusts) {
    ahead_.trust(places);
  } else if (!places.empty()) {
    ahead_.read(places, writes);
    if (asks_time) hear_time(time);
  }
  for (std::size_t i = 0; i < batch.size() && c.good(); ++i) {
    c.at_request = i;
    if (!is_out(i)) perform(batch[i]);
  }
  c.at_request = batch.size();
  if (writes && options_.listens) notify();
  writes ? c.end(&commit_, true) : c.end_later(is_alone ? nullptr : &commit_);
  if (writes && asks_time) hear_time(time);
  c.good() ? c.seen.commit(nonce_) : c.seen.roll_back();
}

inline std::vector<StoreInfo> Link::stores() {
  Connection& c = connection();
  begin_call();
  c.start_over();
  connect_again();
  std::vector<StoreInfo> all = engine_.stores();
  c.end(nullptr, false);
  return all;
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend::postgres {

/// One open database: a connection that writes and one that reads, which does not wait for the
/// other. Any thread may call.
class Database {
 public:
  Database(std::string uri, const PostgresOptions& options)
      : options_(options),
        nonce_(detail::os::random_bits() | 1),
        writer_(uri, options_, nonce_, births_),
        reader_(uri, options_, nonce_, births_),
        wakes_(std::move(uri), nonce_) {}

  /// Opens, and makes the tables where there are none; once, before anything else.
  [[nodiscard]] Result<void> open() {
    if (!is_schema_name(options_.schema))
      return Error(Errc::invalid,
                   "\"" + options_.schema + "\" is no name for a schema: letters, digits and _");
    for (Link* each : {&writer_, &reader_})
      if (const Error error = each->open(each == &writer_); failed(error)) return error;
    return success;
  }

  [[nodiscard]] Owner next_owner(ServerId server) noexcept { return {server, nonce_, ++sessions_}; }
  [[nodiscard]] static std::size_t largest_data() noexcept { return Query::largest; }

  /// All of a batch in one transaction that writes, but for what cannot be done, with all that
  /// other threads hand in while the one before is under way.
  template <class Request>
  void write(std::span<Request> batch) {
    file::Job job{batch};
    group_.run(job, [this](const std::vector<file::Job*>& jobs) { write_all(jobs); });
  }
  /// All of a batch in one transaction that reads: what it answers is of one moment.
  template <class Request>
  void read(std::span<Request> batch) {
    const std::lock_guard hold(reading_);
    reader_.read(batch);
  }
  [[nodiscard]] std::vector<StoreInfo> stores() {
    const std::lock_guard hold(reading_);
    return reader_.stores();
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    wakes_.watch(store, std::move(queue), options_.listens && !options_.pooled);
  }
  /// Whether hints of other servers come in at the moment.
  [[nodiscard]] bool hears() const noexcept { return wakes_.hears(); }
  /// How often the server was waited for, ever.
  [[nodiscard]] std::uint64_t round_trips() const {
    return writer_.round_trips() + reader_.round_trips();
  }
  [[nodiscard]] std::size_t waiting() const { return group_.waiting(); }

 private:
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
    writer_.write(all);
    wakes_.push_mine(writer_.hints());
  }

  PostgresOptions options_;
  std::uint64_t nonce_;
  std::atomic<std::uint64_t> sessions_{0};
  Births births_;

  file::GroupCommit<file::Job> group_;  // only who leads writes
  Link writer_;
  std::mutex reading_;
  Link reader_;
  Wakes wakes_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres

namespace persist::inline PERSIST_ABI::backend {

/// Records in a PostgreSQL database (14 and later), which many servers share. Link
/// `persist::postgres`.
///
/// Effect: a batch is one transaction; what was acknowledged survives as the server's
/// `synchronous_commit` says. A load of a record that nobody has, a save by who holds it and a read
/// are one round trip each; a save to which somebody came in between is three, anything else two or
/// more. `doc/postgres.md` says which.
/// Errors: the constructor never fails; a handle that did not open answers every operation with the
/// opening error: `unavailable` (no server), `refused` (user, password, privileges), `not_found`
/// (no such database), `too_new`, `invalid` (a table of another's lies where persist's would),
/// `corrupt`. Later: `unavailable` (the connection was lost, nothing was written; it comes back by
/// itself, with growing pauses), `timeout` (the server did not answer for all of `patience`, or
/// others were at the same records; nothing was written), `unknown_outcome` (the connection was
/// lost while a transaction was committed), `io` (the server is read-only, or has no room; nothing
/// was written), `refused` (another database is in the place of the one that was opened),
/// `too_large`, `corrupt` (the record is left alone, others go on).
/// Threads: any may call. All that threads hand in while a transaction is under way is the next
/// one; reads wait for none of them. Copies share two connections; the last one closes them. A
/// handle must not be taken over a `fork`.
class Postgres {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  /// Connects as libpq does (`postgres://…` or `key=value …`, and its environment variables), and
  /// makes the tables where there are none.
  explicit Postgres(std::string uri, const PostgresOptions& options = {}) {
    auto opened = std::make_shared<postgres::Database>(std::move(uri), options);
    if (const auto done = opened->open(); !done)
      error_ = done.error();
    else
      db_ = std::move(opened);
  }
  [[nodiscard]] static Result<Postgres> open(std::string uri, const PostgresOptions& options = {}) {
    Postgres made(std::move(uri), options);
    if (const auto opened = made.status(); !opened) return opened.error();
    return made;
  }
  /// What opening runs where there is nothing yet.
  [[nodiscard]] static std::string schema_sql(const std::string& schema = "persist") {
    return postgres::schema_sql(schema);
  }

  [[nodiscard]] bool same_database(const Postgres& other) const noexcept {
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

  /// Hears of what other servers do to the store's records too, on a thread and a connection that
  /// the first call makes and the last handle ends; through a pooler, and where
  /// `PostgresOptions::listens` is off, of this process alone.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    if (db_) db_->watch(store, std::move(queue));
  }
  /// Whether hints of other servers come in at the moment; for tests and the curious.
  [[nodiscard]] bool hears() const noexcept { return db_ && db_->hears(); }

  [[nodiscard]] std::size_t largest_data() const noexcept {
    return postgres::Database::largest_data();
  }
  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    return db_ ? db_->stores() : std::vector<StoreInfo>();
  }
  /// How often the server was waited for, ever; for tests and the curious.
  [[nodiscard]] std::uint64_t round_trips() const { return db_ ? db_->round_trips() : 0; }
  /// How many callers wait for the transaction that is under way.
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

  std::shared_ptr<postgres::Database> db_;
  Error error_{Errc{}};
};

/// `postgres://USER@HOST:PORT/DATABASE?…` and `postgresql://…`, with all that libpq's URIs have,
/// and `schema`, `creates=no`, `pooled=yes`, `listens=no` and `patience=TIME`. What is left out
/// says libpq's environment (`PGHOST`, `PGPASSWORD`, …) or its password file.
template <>
struct UriOpener<Postgres> {
  static constexpr std::string_view schemes[] = {"postgres", "postgresql"};
  static Result<Postgres> open(Uri& uri, Clock* /*a server has its own*/) {
    PostgresOptions options;
    if (auto schema = uri.take("schema")) options.schema = *std::move(schema);
    const auto creates = uri.take_flag("creates", options.creates);
    if (!creates) return creates.error();
    options.creates = *creates;
    const auto pooled = uri.take_flag("pooled", options.pooled);
    const auto listens = uri.take_flag("listens", options.listens);
    const auto patience = uri.take_duration("patience", options.patience);
    if (!pooled || !listens || !patience)
      return !pooled ? pooled.error() : !listens ? listens.error() : patience.error();
    options.pooled = *pooled;
    options.listens = *listens;
    options.patience = *patience;
    std::string rest = uri.rest();
    if (!rest.empty() && !rest.starts_with("//") && !rest.starts_with('?'))
      return uri.wrong("is none of libpq's: behind the scheme come two slashes");
    return Postgres::open("postgresql:" + (rest.starts_with("//") ? rest : "//" + rest), options);
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
