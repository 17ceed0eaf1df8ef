// builds: single no-exceptions
#include <persist/lock/lease.hpp>

#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(lock_policy<lock::Lease<>> && std::is_empty_v<lock::Lease<>>);
static_assert(std::is_same_v<lock::Lease<>, lock::Lease<conflict::Request>>);

TEST(Lease, is_the_kind_that_is_leased) {
  EXPECT_EQ(lock::Lease<>::kind, LockKind::lease);
  EXPECT_TRUE(lock::Lease<>::is_leased);
}

TEST(Lease, does_about_a_holder_what_its_strategy_says) {
  EXPECT_EQ(lock::Lease<>::conflict, Conflict::request);
  EXPECT_EQ(lock::Lease<conflict::Refuse>::conflict, Conflict::refuse);
  EXPECT_EQ(lock::Lease<conflict::Steal>::conflict, Conflict::steal);
}

TEST(Lease, its_kind_does_not_change_with_the_strategy) {
  EXPECT_EQ(lock::Lease<conflict::Refuse>::kind, lock::Lease<conflict::Steal>::kind)
      << "or servers with two strategies could not share a store";
}

struct Polite {
  static constexpr Conflict value = Conflict::refuse;
};
TEST(Lease, a_game_can_bring_its_own_strategy) {
  static_assert(lock_policy<lock::Lease<Polite>>);
  EXPECT_EQ(lock::Lease<Polite>::conflict, Conflict::refuse);
}

}  // namespace
