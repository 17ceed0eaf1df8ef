#pragma once

#include <persist/backend/postgres/known.hpp>
#include <persist/backend/postgres/wire.hpp>
#include <persist/backend/rows/record.hpp>
#include <persist/bytes.hpp>
#include <persist/result.hpp>

#include <atomic>
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
