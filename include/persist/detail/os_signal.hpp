#pragma once

#include <persist/detail/config.hpp>

#include <atomic>
#include <cerrno>
#include <mutex>

#include <signal.h>

// The signals that ask a program to stop; see detail/os.hpp for what a port has to replace.

namespace persist::inline PERSIST_ABI::detail::os {

/// SIGINT and SIGTERM, and who handled them before. Signals belong to the program and not to an
/// object of it, so there is one.
struct StopHandlers {
  static constexpr int count = 2;
  static constexpr int numbers[count] = {SIGINT, SIGTERM};
  struct sigaction before[count] = {};
  std::atomic<void (*)() noexcept> note{nullptr};
  std::mutex mutex;  ///< of who installs
  bool installed = false;
};
inline StopHandlers& stop_handlers() noexcept {
  static StopHandlers handlers;
  return handlers;
}

/// Runs in the signal: what it calls may be called there, as far as this library's part goes.
inline void on_signal(int number, siginfo_t* info, void* context) {
  const int kept = errno;
  StopHandlers& all = stop_handlers();
  if (const auto note = all.note.load()) note();
  for (int i = 0; i < StopHandlers::count; ++i) {
    if (StopHandlers::numbers[i] != number) continue;
    const struct sigaction& before = all.before[i];
    // Nobody handled it, whatever the flags: both kinds of handlers lie in one place.
    if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) continue;
    if ((before.sa_flags & SA_SIGINFO) != 0)
      before.sa_sigaction(number, info, context);
    else
      before.sa_handler(number);
  }
  errno = kept;
}

/// Calls `note` at each such signal from now on, and then who handled it before. System calls that
/// the signal interrupts go on. False where the system refuses.
inline bool on_stop_signals(void (*note)() noexcept) {
  StopHandlers& all = stop_handlers();
  const std::lock_guard hold(all.mutex);
  all.note = note;
  if (all.installed) return true;
  struct sigaction ours = {};
  ours.sa_sigaction = &on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&ours.sa_mask);
  bool good = true;
  for (int i = 0; i < StopHandlers::count; ++i) {
    // Asked for first: a signal may come between the two.
    good = ::sigaction(StopHandlers::numbers[i], nullptr, &all.before[i]) == 0 && good;
    good = ::sigaction(StopHandlers::numbers[i], &ours, nullptr) == 0 && good;
  }
  all.installed = good;
  return good;
}

}  // namespace persist::inline PERSIST_ABI::detail::os
