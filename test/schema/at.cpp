// builds: no-exceptions

#include <persist/schema/at.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

struct Item {
  int id = 0;
  int count = 1;
};
struct Pet {
  std::string name = "rex";
};
struct Player {
  std::int64_t coins = 0;
  std::vector<Item> inventory;
  std::array<int, 3> slots{1, 2, 3};
  std::pair<int, Item> best;
  std::optional<Pet> pet;
  std::map<std::string, int> kills;
  std::map<int, Item> shelf;
};

static_assert(
    std::is_same_v<decltype(persist::at<"coins">(std::declval<Player&>())), std::int64_t&>);
static_assert(std::is_same_v<decltype(persist::at<"inventory.0">(std::declval<const Player&>())),
                             const Item&>);
static_assert(
    [] {
      std::pair<int, std::array<Item, 2>> pair;
      persist::at<"1.1.count">(pair) = 7;
      return pair.second[1].count;
    }() == 7,
    "also in a constant");

TEST(At, is_a_reference_to_the_member) {
  Player player;
  player.inventory.resize(2);
  player.pet.emplace();
  player.kills["wolf"] = 3;
  player.shelf[-4] = {9, 9};
  EXPECT_EQ(&persist::at<"coins">(player), &player.coins);
  EXPECT_EQ(&persist::at<"inventory">(player), &player.inventory);
  EXPECT_EQ(&persist::at<"inventory.1.count">(player), &player.inventory[1].count);
  EXPECT_EQ(&persist::at<"slots.2">(player), &player.slots[2]);
  EXPECT_EQ(&persist::at<"best.1.id">(player), &player.best.second.id);
  EXPECT_EQ(&persist::at<"pet">(player).value(), &*player.pet);
  EXPECT_EQ(&persist::at<"pet.name">(player), &player.pet->name);
  EXPECT_EQ(&persist::at<"kills.wolf">(player), &player.kills["wolf"]);
  EXPECT_EQ(&persist::at<"shelf.-4.id">(player), &player.shelf[-4].id);
  const Player& constant = player;
  EXPECT_EQ(&persist::at<"kills.wolf">(constant), &player.kills["wolf"]);
}

TEST(At, what_is_not_there_at_run_time_ends_the_program_in_words) {
  Player player;
  EXPECT_DEATH((void)persist::at<"inventory.0.count">(player),
               "at<\"inventory.0.count\"> leads to what is not there");
  EXPECT_DEATH((void)persist::at<"pet.name">(player), "at<\"pet.name\"> leads to");
  EXPECT_DEATH((void)persist::at<"kills.wolf">(player), "at<\"kills.wolf\"> leads to");
}

TEST(At, every_field_is_visited_in_the_order_of_declaration) {
  struct Stats {
    int level = 4;
    double speed = 2;
  };
  Stats stats;
  std::string names;
  persist::for_each_field(stats, [&](std::string_view name, auto& field) {
    names.append(name).append(",");
    field *= 2;
  });
  EXPECT_EQ(names, "level,speed,");
  EXPECT_EQ(stats.level, 8);
  EXPECT_EQ(stats.speed, 4);
}

}  // namespace
