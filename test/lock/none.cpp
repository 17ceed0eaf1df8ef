// builds: single no-exceptions
#include <persist/lock/none.hpp>

#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(lock_policy<lock::None> && std::is_empty_v<lock::None>);
static_assert(std::is_same_v<access_of<lock::None>, access::Confined>);

TEST(None, is_a_kind_of_its_own_that_is_not_leased) {
  EXPECT_EQ(lock::None::kind, LockKind::none);
  EXPECT_FALSE(lock::None::is_leased);
}

TEST(None, never_waits_for_a_holder) {
  EXPECT_EQ(lock::None::conflict, Conflict::steal);
}

}  // namespace
