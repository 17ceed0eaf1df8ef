#pragma once

#include <persist/backend/postgres/query.hpp>
#include <persist/backend/rows/engine.hpp>

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
