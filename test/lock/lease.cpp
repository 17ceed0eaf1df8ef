#include <persist/lock/lease.hpp>

#include <gtest/gtest.h>

#include <type_traits>

namespace {

using namespace persist;

static_assert(lock_policy<lock::Lease<>>);
static_assert(lock_policy<lock::Lease<conflict::Refuse>>);
static_assert(std::is_empty_v<lock::Lease<>>);

TEST(LockLease, asks_the_holder_unless_told_otherwise) {
  EXPECT_EQ(lock::Lease<>::conflict, Conflict::request);
  EXPECT_EQ(lock::Lease<conflict::Refuse>::conflict, Conflict::refuse);
  EXPECT_EQ(lock::Lease<conflict::Steal>::conflict, Conflict::steal);
  EXPECT_TRUE(lock::Lease<>::is_leased);
  EXPECT_EQ(lock::Lease<>::kind, LockKind::lease);
}

}  // namespace
