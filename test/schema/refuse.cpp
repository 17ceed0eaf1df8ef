#include <persist/schema/refuse.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist::schema::detail;

struct Player {
  int coins = 0;
  int* friends = nullptr;
};

TEST(Refuse, a_storable_member_passes_and_a_message_would_have_its_name) {
  static_assert(check_member<Player, 0, int>());
  EXPECT_EQ((fixed_name<Player, 1>().view()), "friends");
}

}  // namespace
