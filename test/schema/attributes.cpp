#include <persist/schema/attributes.hpp>

#include <gtest/gtest.h>

#include <string_view>
#include <type_traits>
#include <vector>

namespace {

using namespace persist::schema::detail;

struct Item {
  int id = 0;
  int count = 0;
};
struct Player {
  int id = 0;
  int cache = 0;
};
struct Policy {
  using fields = persist::Fields<persist::Identity<&Item::id>, persist::Renamed<&Item::count, "n">,
                                 persist::Transient<&Player::cache>>;
  static constexpr bool drop_unknown = true;
};
struct Silent {};

static_assert(std::is_same_v<RulesOf<Silent>, RulesOf<int>>,
              "policies that say the same share rules");
static_assert(RulesOf<Policy>::drops_unknown && !RulesOf<Silent>::drops_unknown);
static_assert(RulesOf<persist::schema::NoPolicy>::drops_unknown);

TEST(Attributes, belong_to_the_struct_of_their_member) {
  std::vector<std::string_view> members;
  RulesOf<Policy>::each<Item>([&](auto attribute) { members.push_back(attribute.member); });
  EXPECT_EQ(members, (std::vector<std::string_view>{"id", "count"}));
  members.clear();
  RulesOf<Policy>::each<Player>([&](auto attribute) { members.push_back(attribute.member); });
  EXPECT_EQ(members, (std::vector<std::string_view>{"cache"}));
}

}  // namespace
