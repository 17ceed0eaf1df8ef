#pragma once

#include <persist/clock.hpp>

#include <algorithm>
#include <mutex>

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
      : wall_at_start_(wall) {}

  [[nodiscard]] TimePoint now() const override {
    const std::lock_guard hold(mutex_);
    return now_;
  }
  [[nodiscard]] WallTime wall() const override {
    const std::lock_guard hold(mutex_);
    return wall_at_start_ + std::chrono::floor<std::chrono::milliseconds>(now_ - start);
  }
  /// Jumps to the deadline, unless `wake` was notified before; a deadline that has passed moves
  /// nothing.
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (wake.take()) return;
    const std::lock_guard hold(mutex_);
    now_ = (std::max)(now_, deadline);
  }
  void advance(Duration by) {
    const std::lock_guard hold(mutex_);
    now_ += (std::max)(by, Duration::zero());
  }
  /// Sets the calendar alone, as an operator or a time server does: leases must not notice.
  void set_wall(WallTime wall) {
    const std::lock_guard hold(mutex_);
    wall_at_start_ = wall - std::chrono::floor<std::chrono::milliseconds>(now_ - start);
  }

 private:
  static constexpr TimePoint start{std::chrono::hours(1)};

  mutable std::mutex mutex_;
  TimePoint now_ = start;
  WallTime wall_at_start_;
};

}  // namespace persist::inline PERSIST_ABI::testing
