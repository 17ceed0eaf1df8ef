#pragma once

#include <persist/clock.hpp>

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// What a hint is about. Who waits for a record has nothing from a request or a message.
enum class Hint : std::uint8_t {
  freed,    ///< a record that somebody asked for was let go
  asked,    ///< its holder was asked to let go
  message,  ///< a message came
};

struct Woken {
  std::string key;
  Hint why = Hint::freed;
};

/// Where a backend tells a store that something happened to a record before the store would have
/// looked: a release was asked for, a record was let go, a message came. Only ever a hint; losing
/// one costs time, never data.
///
/// Safe to call from any thread. A store that does not drain it pays for one string per event up to
/// a bound, then learns only that something happened.
class WakeQueue {
 public:
  static constexpr std::size_t capacity = 4096;

  void push(std::string_view key, Hint why) {
    {
      const std::lock_guard hold(mutex_);
      if (hints_.size() < capacity) hints_.push_back({std::string(key), why});
    }
    wake_.notify();
  }
  /// Moves what came since into `into`, which is cleared first.
  void drain(std::vector<Woken>& into) {
    into.clear();
    const std::lock_guard hold(mutex_);
    std::swap(into, hints_);
  }
  [[nodiscard]] bool empty() const {
    const std::lock_guard hold(mutex_);
    return hints_.empty();
  }
  /// What a blocking wait of the store waits on.
  [[nodiscard]] Wake& wake() noexcept { return wake_; }

 private:
  mutable std::mutex mutex_;
  std::vector<Woken> hints_;
  Wake wake_;
};

}  // namespace persist::inline PERSIST_ABI
