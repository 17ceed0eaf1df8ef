#pragma once

#include <persist/clock.hpp>

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Where a backend tells a store that something happened to a record before the store would have
/// looked: a release was asked for, a record was let go, a message came. Only ever a hint; losing
/// one costs time, never data.
///
/// Safe to call from any thread. A store that does not drain it pays for one string per event up to
/// a bound, then learns only that something happened.
class WakeQueue {
 public:
  static constexpr std::size_t capacity = 4096;

  void push(std::string_view key) {
    {
      const std::lock_guard hold(mutex_);
      if (keys_.size() < capacity) keys_.emplace_back(key);
    }
    wake_.notify();
  }
  /// Moves what came since into `into`, which is cleared first.
  void drain(std::vector<std::string>& into) {
    into.clear();
    const std::lock_guard hold(mutex_);
    std::swap(into, keys_);
  }
  [[nodiscard]] bool empty() const {
    const std::lock_guard hold(mutex_);
    return keys_.empty();
  }
  /// What a blocking wait of the store waits on.
  [[nodiscard]] Wake& wake() noexcept { return wake_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> keys_;
  Wake wake_;
};

}  // namespace persist::inline PERSIST_ABI
