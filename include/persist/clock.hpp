#pragma once

#include <persist/detail/os.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace persist::inline PERSIST_ABI {

using Duration = std::chrono::nanoseconds;

/// Time since the machine started, suspension included. Points of two machines have nothing to do
/// with each other.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, Duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = BootClock::time_point;
/// So much later, or the last moment there is: "for ever" is spelled as the longest time there is.
[[nodiscard]] constexpr TimePoint after(TimePoint from, Duration time) noexcept {
  return time < TimePoint::max() - from ? from + time : TimePoint::max();
}
/// Calendar time in UTC, for people and for records: never used to decide who may write.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// Ends a wait early. Safe to call from any thread; a notification that nobody waits for is kept
/// for the next wait.
class Wake {
 public:
  void notify() {
    {
      const std::lock_guard hold(mutex_);
      rung_ = true;
    }
    changed_.notify_all();
  }
  /// Waits until notified or until `limit` has passed, and forgets the notification.
  void wait_for(Duration limit) {
    // "For ever" is spelled as the longest time there is, and added to the time of day it
    // overflows.
    constexpr Duration century = std::chrono::hours(24 * 36525);
    std::unique_lock hold(mutex_);
    changed_.wait_for(hold, (std::min)(limit, century), [this] { return rung_; });
    rung_ = false;
  }
  /// Forgets a notification without waiting; says whether there was one.
  bool take() {
    const std::lock_guard hold(mutex_);
    return std::exchange(rung_, false);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

/// Where all time comes from. Must outlive what uses it and may be called from any thread.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
  /// The one place that waits: returns when `deadline` has come or `wake` was notified.
  virtual void wait_until(TimePoint deadline, Wake& wake) = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return TimePoint(Duration(detail::os::boot_time_ns()));
  }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (const TimePoint at = now(); at < deadline) wake.wait_for(deadline - at);
  }
  /// The one that is used where none is given.
  [[nodiscard]] static SystemClock& instance() {
    static SystemClock clock;
    return clock;
  }
};

}  // namespace persist::inline PERSIST_ABI
