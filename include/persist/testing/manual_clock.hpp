#pragma once

#include <persist/clock.hpp>

#include <algorithm>
#include <atomic>

namespace persist::inline PERSIST_ABI::testing {

/// A clock that moves only when it is told to, or when somebody waits on it: a wait is over at
/// once and the clock stands at its deadline. So a test of a minute takes no time, and is the same
/// each time.
///
/// Safe to call from any thread; one that is moved while another thread waits never goes back.
class ManualClock final : public Clock {
 public:
  /// Stands at `wall` and an hour after its machine's start.
  explicit ManualClock(WallTime wall = WallTime(std::chrono::hours(24 * 365 * 55))) noexcept
      : wall_at_start_(wall.time_since_epoch()) {}

  [[nodiscard]] TimePoint now() const override { return TimePoint(now_.load()); }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(wall_at_start_.load()) + std::chrono::floor<Calendar>(now() - start);
  }
  /// Jumps to the deadline, unless `wake` was notified before; a deadline that has passed moves
  /// nothing.
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (wake.take()) return;
    Duration before = now_;
    while (before < deadline.time_since_epoch() &&
           !now_.compare_exchange_weak(before, deadline.time_since_epoch())) {
    }
  }
  void advance(Duration by) {
    const Duration forward = (std::max)(by, Duration::zero());
    Duration before = now_;
    while (!now_.compare_exchange_weak(before, before + forward)) {
    }
  }
  /// Sets the calendar alone, as an operator or a time server does: leases must not notice.
  void set_wall(WallTime wall) {
    wall_at_start_ = wall.time_since_epoch() - std::chrono::floor<Calendar>(now() - start);
  }

 private:
  using Calendar = WallTime::duration;
  static constexpr TimePoint start{std::chrono::hours(1)};

  // Without a lock: a simulated evening asks for the time a hundred thousand times.
  std::atomic<Duration> now_{start.time_since_epoch()};
  std::atomic<Calendar> wall_at_start_;
};

}  // namespace persist::inline PERSIST_ABI::testing
