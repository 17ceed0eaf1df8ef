#pragma once

#include <persist/backend/postgres/columns.hpp>
#include <persist/backend/postgres/connection.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

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
