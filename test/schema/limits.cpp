#include <persist/schema/limits.hpp>

#include <persist/schema/policy.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Item {
  int count = 1;
};
struct Bow {
  int draw = 3;
};
struct Tree {
  std::vector<Tree> below;
  Item item;
};
struct Player {
  std::int64_t coins = 0;
  std::uint64_t seen = 0;
  double speed = 1;
  std::optional<int> title;
  std::string name = "ada";
  std::vector<Item> items;
  std::array<Item, 2> worn;
  std::map<std::string, Item> named;
  std::map<std::pair<int, int>, Item> placed;
  std::tuple<int, Item> pair;
  std::variant<Bow, int> weapon = 4;
  std::optional<Item> held;
  Tree tree;
};
struct Save {
  using data_type = Player;
  using fields = Fields<Limited<&Player::coins, 0, 1000>, Limited<&Player::speed, -1, 2.5>,
                        Limited<&Player::seen, 0, std::numeric_limits<std::uint64_t>::max()>,
                        Limited<&Player::title, 1, 9>, Limited<&Player::name, 1, 8>,
                        Limited<&Player::items, 0, 3>, Limited<&Item::count, 1, 99>,
                        Limited<&Bow::draw, 0, 5>>;
  static Result<void> validate(const Player& player) {
    if (player.name != "eve") return success;
    return Error(Errc::invalid, "that name is taken");
  }
};
struct Free {
  using data_type = Player;
  using fields = Fields<Limited<&Bow::draw, 0, 5>>;
};
struct Other {
  using data_type = Item;
  using fields = Fields<Limited<&Bow::draw, 0, 5>>;
};
static_assert(DataPolicy<Save>::has_validate && DataPolicy<Free>::has_validate);
static_assert(!DataPolicy<Player>::has_validate, "nothing is walked where nothing is limited");
static_assert(!DataPolicy<Other>::has_validate, "nor where the limits are of something else");

/// How the data is refused after that change, or nothing.
std::string broken(const std::function<void(Player&)>& change) {
  Player player;
  change(player);
  const auto done = DataPolicy<Save>::validate(player);
  if (done) return {};
  EXPECT_TRUE(done.is(Errc::invalid));
  return std::string(done.error().path()) + ": " + std::string(done.error().expected()) + ", not " +
         std::string(done.error().found());
}

TEST(Limits, are_kept_by_what_lies_on_them) {
  EXPECT_EQ(broken([](Player& p) { p.coins = 1000, p.speed = 2.5, p.title = 1; }), "");
  EXPECT_EQ(broken([](Player& p) { p.seen = std::numeric_limits<std::uint64_t>::max(); }), "");
  EXPECT_EQ(broken([](Player& p) { p.title.reset(); }), "");
}

TEST(Limits, name_the_member_that_breaks_them) {
  EXPECT_EQ(broken([](Player& p) { p.coins = -1; }), "coins: 0 to 1000, not -1");
  EXPECT_EQ(broken([](Player& p) { p.coins = 1001; }), "coins: 0 to 1000, not 1001");
  EXPECT_EQ(broken([](Player& p) { p.speed = 2.75; }), "speed: -1 to 2.5, not 2.75");
  EXPECT_EQ(broken([](Player& p) { p.speed = std::numeric_limits<double>::quiet_NaN(); }),
            "speed: -1 to 2.5, not nan");
  EXPECT_EQ(broken([](Player& p) { p.title = 10; }), "title: 1 to 9, not 10");
}

TEST(Limits, are_for_sizes_too) {
  EXPECT_EQ(broken([](Player& p) { p.name = ""; }), "name: a size of 1 to 8, not 0");
  EXPECT_EQ(broken([](Player& p) { p.items.resize(4); }), "items: a size of 0 to 3, not 4");
}

TEST(Limits, are_looked_for_in_everything_that_can_hold_them) {
  EXPECT_EQ(broken([](Player& p) { p.items = {{1}, {0}}; }), "items[1].count: 1 to 99, not 0");
  EXPECT_EQ(broken([](Player& p) { p.worn[1].count = 100; }), "worn[1].count: 1 to 99, not 100");
  EXPECT_EQ(broken([](Player& p) { p.named["hat"].count = 0; }), "named.hat.count: 1 to 99, not 0");
  EXPECT_EQ(broken([](Player& p) {
              p.placed[{1, 2}].count = 0;
            }),
            "placed[0].count: 1 to 99, not 0");
  EXPECT_EQ(broken([](Player& p) { std::get<1>(p.pair).count = 0; }),
            "pair[1].count: 1 to 99, not 0");
  EXPECT_EQ(broken([](Player& p) { p.weapon = Bow{6}; }), "weapon.draw: 0 to 5, not 6");
  EXPECT_EQ(broken([](Player& p) { p.held = Item{0}; }), "held.count: 1 to 99, not 0");
  EXPECT_EQ(broken([](Player& p) {
              p.tree.below.emplace_back();
              p.tree.below[0].item.count = 0;
            }),
            "tree.below[0].item.count: 1 to 99, not 0");
}

TEST(Limits, come_before_the_rule_of_the_game) {
  Player player;
  player.name = "eve";
  EXPECT_EQ(DataPolicy<Save>::validate(player).error().detail(), "that name is taken");
  player.coins = -1;
  EXPECT_EQ(DataPolicy<Save>::validate(player).error().path(), "coins");
}

}  // namespace
