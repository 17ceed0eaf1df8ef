#pragma once

#include <persist/detail/os_signal.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <atomic>
#include <cerrno>

namespace persist::inline PERSIST_ABI {

/// Whether somebody asked the program to stop (SIGINT, SIGTERM). Nothing else is done about it: the
/// game's loop looks, and calls `Host::shutdown`. One for the whole program, as signals are.
class StopSignals {
 public:
  /// Listens from the first call on. Who handled the signals before is called as well; where nobody
  /// did, they no longer end the program, which is what this is for. `io`: the system refuses.
  static Result<void> listen() {
    if (detail::os::on_stop_signals(&request)) return success;
    return Error(Errc::io, "SIGINT and SIGTERM cannot be handled").with_os(errno);
  }
  [[nodiscard]] static bool requested() noexcept { return stop.load(std::memory_order_relaxed); }
  /// As if one had come: for a console or a service that says it in another way. Any thread.
  static void request() noexcept { stop.store(true, std::memory_order_relaxed); }
  static void forget() noexcept { stop.store(false, std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler touches it");
  static inline std::atomic<bool> stop{false};
};

}  // namespace persist::inline PERSIST_ABI
