#include <persist/detail/hook.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace {

using persist::detail::HookScope;

TEST(HookScope, is_active_for_as_long_as_a_hook_runs_on_this_thread) {
  EXPECT_FALSE(HookScope::active());
  {
    const HookScope outer;
    {
      const HookScope inner;
      EXPECT_TRUE(HookScope::active());
    }
    EXPECT_TRUE(HookScope::active());
    bool elsewhere = true;
    std::thread([&] { elsewhere = HookScope::active(); }).join();
    EXPECT_FALSE(elsewhere);
  }
  EXPECT_FALSE(HookScope::active());
}

}  // namespace
