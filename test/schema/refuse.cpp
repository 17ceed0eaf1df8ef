#include <persist/schema/refuse.hpp>

#include <gtest/gtest.h>

#include <type_traits>

namespace {

using namespace persist::schema::detail;

struct Player {
  int coins = 0;
  int* friends = nullptr;
};
struct Listed {
  int coins = 0;
  int* friends = nullptr;
  static constexpr auto persist_fields = persist::fields<&Listed::coins, &Listed::friends>;
};

TEST(Refuse, a_storable_member_passes_and_a_message_would_have_its_name) {
  static_assert(check_member<Player, 0, int>() && check_member<Listed, 0, int>());
  EXPECT_EQ((printable_name<Listed, 1>().view()), "friends");
  static_assert(std::is_same_v<decltype(printable_name<Player, 1>()), Address>);
}

}  // namespace
