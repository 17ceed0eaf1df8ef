#pragma once

#include <persist/backend/postgres/known.hpp>
#include <persist/backend/postgres/wire.hpp>
#include <persist/backend/rows/record.hpp>
#include <persist/bytes.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

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
  /// under way afterwards.
  void end(Statement& how, bool writes);
  /// The same for one that only looked: its end is heard of later.
  void end_later(Statement& how);

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

/// One use of a statement: its arguments in order, then its rows. What is bound must live until it
/// is sent; what a column gives, as long as the query.
class Query {
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
  [[nodiscard]] std::int64_t integer() {
    const ByteView at = bytes();
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
  [[nodiscard]] std::string_view text() { return as_text(bytes()); }
  [[nodiscard]] ByteView bytes() {
    ++column_;
    return {reinterpret_cast<const std::byte*>(PQgetvalue(answer_.get(), row_, column_)),
            static_cast<std::size_t>(PQgetlength(answer_.get(), row_, column_))};
  }
  [[nodiscard]] Hash128 hash() {
    const ByteView at = bytes();
    if (at.size() != 16) return connection_.damaged("a hash"), Hash128{};
    return {load_little<std::uint64_t>(at.data()), load_little<std::uint64_t>(at.data() + 8)};
  }

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
  if (is_sync != (whose.kind == Kind::sync)) return note(answer.get(), whose), lose();
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
  if (whose.taker != nullptr) whose.taker->answer_ = std::move(answer);
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
  if (is_fatal && whose.kind != Kind::commit) is_committing_ = false;  // it never came so far
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

inline void Connection::end(Statement& how, bool writes) {
  if (!wire.is_open()) return;
  if (good()) {
    is_committing_ = writes;
    Query last(how);
    send(how, last, false, Kind::commit);
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

inline void Connection::end_later(Statement& how) {
  if (!good()) return end(how, false);
  Query last(how);
  send(how, last, false, Kind::commit);
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
