#pragma once

#include <persist/detail/config.hpp>

namespace persist::inline PERSIST_ABI::detail {

/// Marks that a hook of a policy runs on this thread, for as long as it lives: a hook may not call
/// a store, because a commit is half prepared around it. Per thread, so that what one thread's hook
/// does never refuses another's call.
class HookScope {
 public:
  HookScope() noexcept { ++depth(); }
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;
  ~HookScope() { --depth(); }

  [[nodiscard]] static bool active() noexcept { return depth() != 0; }

 private:
  static int& depth() noexcept {
    thread_local int running = 0;
    return running;
  }
};

}  // namespace persist::inline PERSIST_ABI::detail
