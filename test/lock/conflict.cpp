// builds: single no-exceptions
#include <persist/lock/conflict.hpp>

#include <type_traits>

#include <gtest/gtest.h>

namespace {

using persist::Conflict;
namespace conflict = persist::conflict;

static_assert(std::is_empty_v<conflict::Refuse> && std::is_empty_v<conflict::Request> &&
              std::is_empty_v<conflict::Steal>);

TEST(Conflict, each_strategy_stands_for_its_own_way) {
  EXPECT_EQ(conflict::Refuse::value, Conflict::refuse);
  EXPECT_EQ(conflict::Request::value, Conflict::request);
  EXPECT_EQ(conflict::Steal::value, Conflict::steal);
}

TEST(Conflict, what_nobody_chose_is_the_harmless_one) {
  EXPECT_EQ(Conflict{}, Conflict::refuse);
}

}  // namespace
