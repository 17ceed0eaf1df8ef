// builds: single no-exceptions tsan
#include <persist/detail/hook.hpp>

#include <thread>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using persist::detail::HookScope;

static_assert(std::is_empty_v<HookScope>);
static_assert(!std::is_copy_constructible_v<HookScope>, "each mark is taken back once");

TEST(HookScope, says_that_a_hook_runs_for_as_long_as_it_lives) {
  EXPECT_FALSE(HookScope::active());
  {
    const HookScope outer;
    EXPECT_TRUE(HookScope::active());
    {
      const HookScope inner;
      EXPECT_TRUE(HookScope::active());
    }
    EXPECT_TRUE(HookScope::active()) << "the outer one still runs";
  }
  EXPECT_FALSE(HookScope::active());
}

TEST(HookScope, says_nothing_of_other_threads) {
  const HookScope here;
  bool there = true;
  std::thread([&] { there = HookScope::active(); }).join();
  EXPECT_FALSE(there);
  EXPECT_TRUE(HookScope::active());
}

}  // namespace
