#include <persist/codec/packed/budget.hpp>

#include <gtest/gtest.h>

namespace {

using persist::codec::packed::Budget;

TEST(PackedBudget, grows_with_the_input_up_to_the_limits) {
  const Budget none(0, {});
  EXPECT_EQ(none.steps, 65'536u);
  EXPECT_EQ(none.names, 65'536u);
  EXPECT_EQ(none.kept, 65'536u);
  const Budget some(1'000, {});
  EXPECT_EQ(some.steps, 67'536u);
  EXPECT_EQ(some.names, 129'536u);
  EXPECT_EQ(some.kept, 66'036u);
  const Budget few(1'000, {.bytes = 10, .elements = 20});
  EXPECT_EQ(few.steps, 20u);
  EXPECT_EQ(few.names, 10u);
}

}  // namespace
