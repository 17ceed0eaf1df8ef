#pragma once

#include <persist/access/confined.hpp>
#include <persist/detail/fatal.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace persist::inline PERSIST_ABI::access {

/// The lock of one session: four bytes, and its own thread may take it again, up to 15 deep.
///
/// The upper 28 bits name the thread that holds it, the lower four how often. Waiting threads sleep
/// in the system
/// (`std::atomic::wait`), so that a long edit does not burn a core.
class SessionLock {
 public:
  void lock() noexcept {
    while (!try_lock()) {
      const std::uint32_t held = word_.load(std::memory_order_relaxed);
      if (held != 0) word_.wait(held, std::memory_order_relaxed);
    }
  }
  [[nodiscard]] bool try_lock() noexcept {
    const std::uint32_t self = this_thread();
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    if ((word & ~depth_mask) == self) {
      if ((word & depth_mask) == depth_mask)
        detail::fatal("a session was locked more than 15 deep by one thread");
      word_.store(word + 1, std::memory_order_relaxed);
      return true;
    }
    word = 0;
    return word_.compare_exchange_strong(word, self | 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void unlock() noexcept {
    const std::uint32_t word = word_.load(std::memory_order_relaxed);
    if ((word & depth_mask) > 1) return word_.store(word - 1, std::memory_order_relaxed);
    word_.store(0, std::memory_order_release);
    word_.notify_one();
  }

 private:
  static constexpr std::uint32_t depth_mask = 15;

  /// A number no other living thread has, shifted past the depth. Wraps after 2^28 threads.
  static std::uint32_t this_thread() noexcept {
    static std::atomic<std::uint32_t> count{0};
    thread_local const std::uint32_t mine = ++count << 4;
    return mine;
  }

  std::atomic<std::uint32_t> word_{0};
};

/// All threads may use the store and its sessions at once.
struct Synchronised {
  static constexpr bool is_shared = true;
  using Mutex = std::recursive_mutex;
  using SessionLock = access::SessionLock;
  using Lock = std::unique_lock<Mutex>;
};

/// A lock policy whose store and sessions all threads may use. Costs four bytes a session and a
/// lock per call.
template <class LockPolicy>
struct Shared : LockPolicy {
  using access = Synchronised;
};

}  // namespace persist::inline PERSIST_ABI::access
