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
};

}  // namespace persist::inline PERSIST_ABI::access
