#include <persist/lock/conflict.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(LockConflict, each_strategy_is_a_type_that_names_its_value) {
  EXPECT_EQ(conflict::Refuse::value, Conflict::refuse);
  EXPECT_EQ(conflict::Request::value, Conflict::request);
  EXPECT_EQ(conflict::Steal::value, Conflict::steal);
}

}  // namespace
