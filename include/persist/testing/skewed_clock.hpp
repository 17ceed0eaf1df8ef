#pragma once

#include <persist/clock.hpp>

#include <cstdint>

namespace persist::inline PERSIST_ABI::testing {

/// The clock of one machine among several that share a world: it started at another moment, runs a
/// little faster or slower, and its calendar is wrong by as much as it likes. Moves when the
/// world's does; whoever waits on it moves the world.
///
/// Safe to call from any thread. `world` must outlive it.
class SkewedClock final : public Clock {
 public:
  /// `drift` in millionths: 100 is fast by 8.6 seconds a day.
  explicit SkewedClock(Clock& world, std::int64_t drift = 0, Duration booted_before = {},
                       std::chrono::milliseconds calendar_ahead = {}) noexcept
      : world_(world),
        drift_(drift),
        begin_(world.now()),
        mine_(TimePoint{} + std::chrono::hours(1) + booted_before),
        ahead_(calendar_ahead) {}

  [[nodiscard]] TimePoint now() const override {
    const Duration passed = world_.now() - begin_;
    return mine_ + passed + passed / 1'000'000 * drift_;
  }
  [[nodiscard]] WallTime wall() const override { return world_.wall() + ahead_; }
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (deadline <= mine_) return world_.wait_until(begin_, wake);  // as far back as it may be
    const Duration wanted = deadline - mine_;
    const Duration less = wanted / (1'000'000 + drift_) * drift_;
    const bool is_for_ever = less < Duration::zero() && wanted > Duration::max() + less;
    // Rounding may have put it some nanoseconds too early.
    const Duration there = is_for_ever ? Duration::max() : wanted - less;
    world_.wait_until(after(after(begin_, there), std::chrono::milliseconds(1)), wake);
  }

 private:
  Clock& world_;
  std::int64_t drift_;
  TimePoint begin_;  ///< by the world's clock
  TimePoint mine_;   ///< what this one showed then
  std::chrono::milliseconds ahead_;
};

}  // namespace persist::inline PERSIST_ABI::testing
