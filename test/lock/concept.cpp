// builds: single no-exceptions
#include <persist/lock/concept.hpp>

#include <persist/access/shared.hpp>
#include <persist/lock/lease.hpp>
#include <persist/lock/none.hpp>

#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

// Who models it.
static_assert(lock_policy<lock::None>);
static_assert(lock_policy<lock::Lease<>>);
static_assert(lock_policy<lock::Lease<conflict::Refuse>>);
static_assert(lock_policy<access::Shared<lock::None>>);
static_assert(lock_policy<access::Shared<lock::Lease<conflict::Steal>>>);

}  // namespace

// Who does not, each for one reason alone.
namespace almost {
using namespace persist;
struct Whole {
  static constexpr LockKind kind = LockKind::external;
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = Conflict::refuse;
};
struct NoKind {
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = Conflict::refuse;
};
struct NumberForKind {
  static constexpr int kind = 1;
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = Conflict::refuse;
};
struct NotSaidWhetherLeased {
  static constexpr LockKind kind = LockKind::external;
  static constexpr Conflict conflict = Conflict::refuse;
};
struct SettlesNothing {
  static constexpr LockKind kind = LockKind::external;
  static constexpr bool is_leased = true;
};
}  // namespace almost

namespace {

using namespace almost;

static_assert(lock_policy<Whole>);
static_assert(!names_its_kind<NoKind> && says_whether_leased<NoKind> && settles_conflicts<NoKind>);
static_assert(!names_its_kind<NumberForKind>, "a number is no kind");
static_assert(!says_whether_leased<NotSaidWhetherLeased> && names_its_kind<NotSaidWhetherLeased>);
static_assert(!settles_conflicts<SettlesNothing> && says_whether_leased<SettlesNothing>);
static_assert(!lock_policy<NoKind> && !lock_policy<NotSaidWhetherLeased> &&
              !lock_policy<SettlesNothing>);
static_assert(!lock_policy<conflict::Request>, "a strategy is not a policy");
static_assert(!lock_policy<int> && !lock_policy<void> && !lock_policy<std::string>);

TEST(LockConcept, a_policy_that_says_nothing_of_threads_is_for_one) {
  EXPECT_TRUE((std::is_same_v<access_of<Whole>, access::Confined>));
  EXPECT_TRUE((std::is_same_v<access_of<lock::Lease<>>, access::Confined>));
}

TEST(LockConcept, a_policy_can_say_which_threads_may_use_its_store) {
  struct Threaded : Whole {
    using access = access::Synchronised;
  };
  EXPECT_TRUE((std::is_same_v<access_of<Threaded>, access::Synchronised>));
  EXPECT_TRUE((std::is_same_v<access_of<access::Shared<lock::None>>, access::Synchronised>));
}

}  // namespace
