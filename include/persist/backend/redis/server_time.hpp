#pragma once

#include <persist/clock.hpp>

#include <atomic>
#include <cstdint>

namespace persist::inline PERSIST_ABI::backend::redis {

/// The server's clock, as it can be told from here: what it said last, and what has passed since by
/// this machine's. It lags by the way of a reply and is ahead by no more than the clocks drift
/// between two replies. Any thread may call.
class ServerTime final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return TimePoint(Duration(detail::os::boot_time_ns() + ahead_.load(std::memory_order_relaxed)));
  }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(std::chrono::floor<WallTime::duration>(now().time_since_epoch()));
  }
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (const TimePoint at = now(); at < deadline) wake.wait_for(deadline - at);
  }
  /// The server said so just now.
  void heard(std::uint64_t seconds, std::uint64_t micros) noexcept {
    constexpr std::uint64_t most = std::uint64_t{1} << 32;  // of a server that talks nonsense
    if (seconds > most || micros >= 1'000'000) return;
    const auto said = static_cast<std::int64_t>(seconds * 1'000'000'000 + micros * 1000);
    ahead_.store(said - detail::os::boot_time_ns(), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> ahead_{0};
};

}  // namespace persist::inline PERSIST_ABI::backend::redis
