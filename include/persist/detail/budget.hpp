#pragma once

#include <persist/clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace persist::inline PERSIST_ABI {

/// So many operations a second: what a second leaves unused the next one may use, and no more. What
/// must go goes all the same, and is saved up for afterwards. Zero: as many as there are.
class Budget {
 public:
  explicit Budget(std::size_t per_second) noexcept : rate_(static_cast<double>(per_second)) {
    have_ = rate_;
  }
  /// How many may go now.
  [[nodiscard]] std::size_t left(TimePoint now) noexcept {
    if (rate_ <= 0) return static_cast<std::size_t>(-1);
    if (now > at_) {
      const std::chrono::duration<double> passed = now - at_;
      if (at_ != TimePoint{}) have_ = (std::min)(rate_, have_ + rate_ * passed.count());
      at_ = now;
    }
    return have_ < least ? 0 : static_cast<std::size_t>(have_ + (1 - least));
  }
  void spend(std::size_t operations) noexcept { have_ -= static_cast<double>(operations); }
  /// When one more may go.
  [[nodiscard]] TimePoint next(TimePoint now) noexcept {
    if (left(now) != 0) return now;
    const double seconds = (1 - have_) / rate_;
    return after(now, Duration(static_cast<std::int64_t>(seconds * 1e9) + 1));
  }

 private:
  static constexpr double least = 0.999999;  ///< of one: fractions of a second do not add up to it

  double rate_;
  double have_ = 0;
  TimePoint at_{};
};

}  // namespace persist::inline PERSIST_ABI
