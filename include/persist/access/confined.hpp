#pragma once

#include <persist/detail/config.hpp>

namespace persist::inline PERSIST_ABI::access {

/// One thread at a time uses the store and its sessions; which one may change between calls. The
/// null form: its locks are empty types whose calls are nothing.
struct Confined {
  static constexpr bool is_shared = false;

  struct Mutex {
    constexpr void lock() const noexcept {}
    constexpr void unlock() const noexcept {}
    constexpr bool try_lock() const noexcept { return true; }
  };
  using SessionLock = Mutex;
  /// Holds the store's mutex; which is nothing to hold.
  struct Lock {
    explicit constexpr Lock(const Mutex&) noexcept {}
    constexpr ~Lock() {}  // NOLINT: a lock is not an unused variable
    constexpr void lock() const noexcept {}
    constexpr void unlock() const noexcept {}
  };
};

}  // namespace persist::inline PERSIST_ABI::access
