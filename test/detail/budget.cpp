#include <persist/detail/budget.hpp>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using persist::Budget;
using persist::TimePoint;

TEST(Budget, a_second_has_so_many_operations_and_what_is_left_of_one_is_not_saved_up) {
  const TimePoint start{1h};
  Budget budget(10);
  EXPECT_EQ(budget.left(start), 10U);
  budget.spend(10);
  EXPECT_EQ(budget.left(start), 0U);
  EXPECT_EQ(budget.next(start) - start, persist::Duration(100ms) + persist::Duration(1));
  EXPECT_EQ(budget.left(start + 300ms), 3U);
  EXPECT_EQ(budget.left(start + 1h), 10U);
  budget.spend(15);
  EXPECT_EQ(budget.left(start + 1h + 500ms), 0U) << "what went over it comes off";
  EXPECT_EQ(budget.left(start + 1h + 600ms), 1U);
  Budget none(0);
  none.spend(1'000'000);
  EXPECT_GT(none.left(start), 1'000'000U);
}

}  // namespace
