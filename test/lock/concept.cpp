#include <persist/lock/concept.hpp>

#include <persist/access/shared.hpp>
#include <persist/lock/lease.hpp>
#include <persist/lock/none.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Own {  // a user's own
  static constexpr LockKind kind = LockKind::lease;
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = Conflict::refuse;
};
struct WithoutKind {
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = Conflict::refuse;
};

static_assert(lock_policy<Own>);
static_assert(!lock_policy<WithoutKind>);
static_assert(!names_its_kind<WithoutKind>);
static_assert(says_whether_leased<WithoutKind> && settles_conflicts<WithoutKind>);
static_assert(!lock_policy<int>);
static_assert(std::same_as<access_of<Own>, access::Confined>);
static_assert(std::same_as<access_of<access::Shared<Own>>, access::Synchronised>);

TEST(LockConcept, the_kinds_are_never_renumbered) {
  EXPECT_EQ(static_cast<int>(LockKind::none), 0);
  EXPECT_EQ(static_cast<int>(LockKind::lease), 1);
  EXPECT_EQ(static_cast<int>(LockKind::optimistic), 2);
  EXPECT_EQ(static_cast<int>(LockKind::external), 3);
}

}  // namespace
