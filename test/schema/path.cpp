// builds: no-exceptions

#include <persist/schema/path.hpp>

#include <persist/schema/value.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

// JSON Pointer into typed data.

namespace {

using persist::Errc;
using persist::Value;

enum class Rank { novice, master };

struct Item {
  std::uint32_t id = 0;
  std::uint8_t count = 1;
  std::string note;
};
struct Settings {
  double fov = 70;
  bool invert = false;
};
struct Boat {
  int oars = 2;
};
struct Horse {
  std::string name = "star";
  int tired = 0;
};
struct Player {
  std::int64_t coins = 0;
  Rank rank = Rank::novice;
  std::vector<Item> inventory;
  Settings settings;
  std::map<std::string, Item> chests;
  std::map<int, int> kills;
  std::optional<Settings> other;
  std::array<int, 2> slots{};
  std::vector<bool> seen;
  std::list<int> scores;
  std::tuple<int, Item> best;
  std::set<int> badges;
  std::map<std::pair<int, int>, int> tiles;
  std::variant<std::monostate, Boat, Horse> mount;
  std::chrono::seconds played{0};
  std::vector<std::byte> blob;
  Value mods;
  int cache = 7;
};
struct Policy {
  using fields =
      persist::Fields<persist::Renamed<&Player::coins, "gold">, persist::Transient<&Player::cache>,
                      persist::Renamed<&Item::count, "n">, persist::Transient<&Horse::tired>>;
};

Player player() {
  Player made;
  made.coins = 5;
  made.inventory = {{1, 2, "a"}, {3, 4, "b"}};
  made.chests["red/blue"] = {5, 6, "c"};
  made.kills[-3] = 9;
  made.seen = {true, false};
  made.scores = {10, 20};
  made.badges = {1, 2, 3};
  made.tiles[{1, 2}] = 3;
  made.mount = Horse{};
  made.mods = Value::map({{"deep", Value::array({1})}});
  return made;
}
/// Whether a call changed nothing of what is stored.
bool unchanged(const Player& data) {
  return persist::schema::to_value(data).value() == persist::schema::to_value(player()).value();
}
std::string words(const auto& result) {
  return result ? "it worked" : result.error().message();
}

TEST(Path, set_in_an_alternative_leaves_what_is_beside_it) {
  Player data = player();
  std::get<Horse>(data.mount).tired = 3;
  ASSERT_TRUE(persist::set<Policy>(data, "/mount/Horse/name", "moon"));
  EXPECT_EQ(std::get<Horse>(data.mount).name, "moon");
  EXPECT_EQ(std::get<Horse>(data.mount).tired, 3) << "what is not stored is not written anew";
}

TEST(Path, get_gives_what_would_be_stored) {
  const Player data = player();
  const std::pair<const char*, Value> there[] = {
      {"/coins", 5},
      {"/rank", "novice"},
      {"/inventory/1/count", 4},
      {"/inventory/0", Value::map({{"id", 1}, {"count", 2}, {"note", "a"}})},
      {"/chests/red~1blue/note", "c"},
      {"/kills/-3", 9},
      {"/other", nullptr},
      {"/slots/1", 0},
      {"/seen/0", true},
      {"/scores/1", 20},
      {"/best/1/count", 1},
      {"/badges/2", 3},
      {"/tiles/0/1", 3},
      {"/mount/Horse/name", "star"},
      {"/played", 0},
      {"/mods/deep/0", 1},
      {"/mods", Value::map({{"deep", Value::array({1})}})},
  };
  for (const auto& [pointer, value] : there)
    EXPECT_EQ(persist::get(data, pointer).value(), value) << pointer;
  EXPECT_EQ(persist::get(data, "").value(), persist::schema::to_value(data).value());
}

TEST(Path, every_part_that_is_stored_is_found_where_it_is_stored) {
  struct Walk {
    const Player& data;
    void operator()(const Value& here, const std::string& pointer) {
      EXPECT_EQ(persist::get<Policy>(data, pointer).value(), here) << pointer;
      for (std::size_t i = 0; i < here.elements().size(); ++i)
        (*this)(here[i], pointer + "/" + std::to_string(i));
      for (const auto& [key, value] : here.members())
        (*this)(value, pointer + "/" + (key == "red/blue" ? "red~1blue" : key));
    }
  };
  const Player data = player();
  Walk{data}(persist::schema::to_value<Policy>(data).value(), "");
}

TEST(Path, an_error_of_get_names_the_step) {
  const Player data = player();
  EXPECT_EQ(words(persist::get(data, "/inventory/0/color")),
            "not_found: at inventory[0].color: there is no such member");
  EXPECT_EQ(words(persist::get(data, "/inventory/2")),
            "not_found: at inventory[2]: there are 2 elements");
  EXPECT_EQ(words(persist::get(data, "/inventory/first/id")),
            "schema_mismatch: at inventory: expected the index of an element, found 'first'");
  EXPECT_EQ(words(persist::get(data, "/chests/blue")),
            "not_found: at chests.blue: there is no such key");
  EXPECT_EQ(words(persist::get(data, "/kills/+3")),
            "schema_mismatch: at kills: expected a key of this map, found '+3'");
  EXPECT_EQ(words(persist::get(data, "/other/fov")),
            "not_found: at other: nothing is here to go into");
  EXPECT_EQ(words(persist::get(data, "/mount/Boat/oars")),
            "not_found: at mount.Boat: there is no member for the step 'Boat'");
  EXPECT_EQ(words(persist::get(data, "/mods/deep/3")),
            "not_found: at mods.deep[3]: there is no element for the step '3' in an array of 1");
  EXPECT_EQ(words(persist::get(data, "/coins/x")),
            "schema_mismatch: at coins: expected a map or an array, found an integer: the step 'x' "
            "leads nowhere");
  EXPECT_TRUE(persist::get(data, "coins").is(Errc::invalid));
  EXPECT_TRUE(persist::get(data, "/best/2").is(Errc::not_found));
  EXPECT_TRUE(persist::get(data, "/inventory/-").is(Errc::not_found));
  EXPECT_TRUE(persist::get(data, "/inventory/99999999999999999999").is(Errc::not_found));
}

TEST(Path, set_writes_one_member) {
  Player data = player();
  ASSERT_TRUE(persist::set(data, "/coins", 6));
  ASSERT_TRUE(persist::set(data, "/rank", "master"));
  ASSERT_TRUE(persist::set(data, "/inventory/1/count", 9.0)) << "nothing is lost";
  ASSERT_TRUE(persist::set(data, "/settings", Value::map({{"fov", 90}})));
  ASSERT_TRUE(persist::set(data, "/chests/red~1blue/note", "d"));
  ASSERT_TRUE(persist::set(data, "/slots/1", 4));
  ASSERT_TRUE(persist::set(data, "/seen/1", true));
  ASSERT_TRUE(persist::set(data, "/scores/0", 11));
  ASSERT_TRUE(persist::set(data, "/best/1/count", 8));
  ASSERT_TRUE(persist::set(data, "/badges/0", 7)) << "as a set of 7, 2, 3";
  ASSERT_TRUE(persist::set(data, "/tiles/0/1", 4));
  ASSERT_TRUE(persist::set(data, "/mount/Horse/name", "moon"));
  ASSERT_TRUE(persist::set(data, "/played", 60));
  ASSERT_TRUE(persist::set(data, "/mods/deep/-", "new"));
  EXPECT_EQ(data.coins, 6);
  EXPECT_EQ(data.rank, Rank::master);
  EXPECT_EQ(data.inventory[1].count, 9);
  EXPECT_EQ(data.inventory[1].note, "b");
  EXPECT_EQ(data.settings.fov, 90);
  EXPECT_EQ(data.chests["red/blue"].note, "d");
  EXPECT_EQ(data.slots[1], 4);
  EXPECT_EQ(data.seen, (std::vector<bool>{true, true}));
  EXPECT_EQ(data.scores.front(), 11);
  EXPECT_EQ(std::get<1>(data.best).count, 8);
  EXPECT_EQ(data.badges, (std::set<int>{2, 3, 7}));
  EXPECT_EQ((data.tiles[{1, 2}]), 4);
  EXPECT_EQ(std::get<Horse>(data.mount).name, "moon");
  EXPECT_EQ(data.played.count(), 60);
  EXPECT_EQ(data.mods["deep"], Value::array({1, "new"}));
}

TEST(Path, set_adds_keys_and_elements_at_the_end_and_fills_and_empties_optionals) {
  Player data = player();
  ASSERT_TRUE(persist::set(data, "/inventory/-", Value::map({{"id", 7}})));
  ASSERT_TRUE(persist::set(data, "/inventory/3", Value::map({{"id", 8}})));
  ASSERT_TRUE(persist::set(data, "/seen/-", true));
  ASSERT_TRUE(persist::set(data, "/chests/green", Value::map({{"id", 9}})));
  ASSERT_TRUE(persist::set(data, "/kills/12", 1));
  ASSERT_TRUE(persist::set(data, "/other", Value::map({{"fov", 50}})));
  ASSERT_TRUE(persist::set(data, "/other/invert", true));
  ASSERT_TRUE(persist::set(data, "/mount", Value::map({{"Boat", Value::map({{"oars", 4}})}})));
  EXPECT_EQ(data.inventory.size(), 4u);
  EXPECT_EQ(data.inventory[2].count, 1) << "what is missing takes its default";
  EXPECT_EQ(data.seen.size(), 3u);
  EXPECT_EQ(data.chests["green"].id, 9u);
  EXPECT_EQ(data.kills[12], 1);
  EXPECT_EQ(data.other->fov, 50);
  EXPECT_TRUE(data.other->invert);
  EXPECT_EQ(std::get<Boat>(data.mount).oars, 4);
  ASSERT_TRUE(persist::set(data, "/other", nullptr));
  EXPECT_FALSE(data.other.has_value());
}

TEST(Path, a_value_that_does_not_fit_names_path_expected_and_found_and_changes_nothing) {
  Player data = player();
  EXPECT_EQ(words(persist::set(data, "/inventory/0/count", "many")),
            "schema_mismatch: at inventory[0].count: expected uint8, found the text 'many'");
  EXPECT_EQ(words(persist::set(data, "/inventory/0/count", 300)),
            "schema_mismatch: at inventory[0].count: expected uint8, found 300");
  EXPECT_EQ(words(persist::set(data, "/inventory/0", Value::map({{"id", 9}, {"count", -1}}))),
            "schema_mismatch: at inventory[0].count: expected uint8, found -1");
  EXPECT_EQ(words(persist::set(data, "/inventory/-", Value::map({{"cuont", 3}}))),
            "schema_mismatch: at inventory[2].cuont: expected a name that this build knows, found "
            "another");
  EXPECT_EQ(words(persist::set(data, "/rank", "king")),
            "schema_mismatch: at rank: expected a name that this build knows, found another");
  EXPECT_EQ(words(persist::set(data, "/chests/new", 5)),
            "schema_mismatch: at chests.new: expected a map, found 5");
  const std::pair<const char*, Value> wrong[] = {{"/coins", 1.5},
                                                 {"/coins", nullptr},
                                                 {"/settings", 1},
                                                 {"/slots", Value::array({1, 2, 3})},
                                                 {"/badges/0", 2},
                                                 {"/mount/Boat", Value::map()},
                                                 {"/mount", Value::map({{"Car", 1}})},
                                                 {"/seen/0", 1},
                                                 {"/blob/0", 1},
                                                 {"", Value::map({{"level", 1}})},
                                                 {"/tiles/0", 5},
                                                 {"/kills/x", 1},
                                                 {"/coins/x", 1}};
  for (const auto& [pointer, value] : wrong)
    EXPECT_TRUE(persist::set(data, pointer, value).is(Errc::schema_mismatch)) << pointer;
  for (const char* absent : {"/inventory/3", "/inventory/9/id", "/nothing", "/other/fov", "/best/2",
                             "/slots/2", "/chests/new/id", "/slots/-"})
    EXPECT_TRUE(persist::set(data, absent, 1).is(Errc::not_found)) << absent;
  EXPECT_TRUE(unchanged(data));
  EXPECT_EQ(data.cache, 7);
}

TEST(Path, trying_says_what_setting_would_and_changes_nothing) {
  Player data = player();
  const auto tries = [&](const char* pointer, const Value& value) {
    return persist::schema::detail::set_or_try<persist::schema::NoPolicy>(data, pointer, value,
                                                                          false);
  };
  for (const char* pointer :
       {"/coins", "/inventory/0/count", "/kills/99", "/kills/-3", "/scores/-", "/scores/0",
        "/badges/0", "/mods/deep/-", "/mods/deep/0", "/tiles/0/1"})
    EXPECT_TRUE(tries(pointer, 77)) << pointer;
  EXPECT_TRUE(tries("/seen/1", true));
  EXPECT_TRUE(tries("/inventory/-", Value::map()));
  EXPECT_TRUE(tries("/mods/deep/7", 1).is(Errc::not_found));
  EXPECT_TRUE(tries("/coins", "many").is(Errc::schema_mismatch));
  EXPECT_TRUE(unchanged(data));
}

TEST(Path, names_are_those_of_the_policy_and_what_is_not_stored_is_not_there) {
  Player data = player();
  EXPECT_EQ(persist::get<Policy>(data, "/gold").value(), Value(5));
  EXPECT_TRUE(persist::get<Policy>(data, "/coins").is(Errc::not_found));
  EXPECT_TRUE(persist::get<Policy>(data, "/cache").is(Errc::not_found));
  EXPECT_EQ(persist::get<Policy>(data, "/inventory/0/n").value(), Value(2));
  ASSERT_TRUE(persist::set<Policy>(data, "/inventory/0/n", 7));
  EXPECT_EQ(data.inventory[0].count, 7);
  EXPECT_TRUE(persist::set<Policy>(data, "/cache", 1).is(Errc::not_found));
  EXPECT_TRUE(persist::set<Policy>(data, "/inventory/0", Value::map({{"count", 1}}))
                  .is(Errc::schema_mismatch));
  EXPECT_EQ(persist::get<Policy>(data, "").value().find("cache"), nullptr);
}

struct Strict {
  using reconcile = persist::reconcile::Strict;
};

TEST(Path, what_is_missing_in_a_value_is_what_the_policy_says) {
  Player data = player();
  EXPECT_TRUE(
      persist::set<Strict>(data, "/settings", Value::map({{"fov", 90}})).is(Errc::schema_mismatch));
  EXPECT_EQ(data.settings.fov, 70);
  EXPECT_TRUE(persist::set<Strict>(data, "/settings/fov", 90));
}

struct Moving {
  double x = 1.3;
  std::vector<double> track{0.2, 0.9};
  int coins = 1;
  int gems = 2;
};
struct MovingPolicy {
  using fields =
      persist::Fields<persist::Quantised<&Moving::x, 0.5>, persist::Quantised<&Moving::track, 0.5>,
                      persist::AlsoWrites<&Moving::coins, "gold">,
                      persist::Formerly<&Moving::gems, "stones">>;
};

TEST(Path, members_with_other_names_and_steps_are_found_as_they_are_stored) {
  Moving data;
  const Value stored = persist::schema::to_value<MovingPolicy>(data).value();
  for (const char* name : {"x", "track", "coins", "gold", "gems"})
    EXPECT_EQ(persist::get<MovingPolicy>(data, std::string("/") + name).value(), stored[name])
        << name;
  EXPECT_EQ(persist::get<MovingPolicy>(data, "/track/1").value(), Value(1.0));
  ASSERT_TRUE(persist::set<MovingPolicy>(data, "/gold", 7));
  ASSERT_TRUE(persist::set<MovingPolicy>(data, "/stones", 8));
  ASSERT_TRUE(persist::set<MovingPolicy>(data, "/x", 1.2));
  EXPECT_EQ(data.coins, 7);
  EXPECT_EQ(data.gems, 8);
  EXPECT_EQ(data.x, 1.2) << "the member itself is left alone";
}

struct Tree {
  int leaf = 0;
  std::vector<Tree> children;
};

TEST(Path, hostile_pointers_and_values_are_errors) {
  std::string steps;
  Tree tree;
  for (Tree* at = &tree; steps.size() < 1'100'000; steps += "/children/0")
    if (steps.size() < 500) at = &at->children.emplace_back();
  EXPECT_TRUE(persist::get(tree, steps).is(Errc::not_found));
  EXPECT_TRUE(persist::set(tree, steps, Value::map()).is(Errc::too_large));
  steps.resize(std::string("/children/0").size() * 40);
  EXPECT_TRUE(persist::set(tree, steps + "/leaf", 7));
  EXPECT_EQ(persist::get(tree, steps + "/leaf").value(), Value(7));
  EXPECT_TRUE(persist::set(tree, "/leaf", std::string(1'000'000, 'x')).error().message().size() <
              300);
  Value deep = Value::map();
  for (int i = 0; i < 100; ++i)
    deep = Value::map({{"children", Value::array({deep})}});
  EXPECT_TRUE(persist::set(tree, "", deep).is(Errc::too_large));
  EXPECT_TRUE(persist::get(tree, "/children/18446744073709551616").is(Errc::not_found));
}

TEST(Path, a_member_that_holds_what_is_unknown_keeps_what_the_value_brings) {
  struct Open {
    int id = 0;
    persist::Unknown unknown;
  };
  Open open;
  ASSERT_TRUE(persist::set(open, "", Value::map({{"id", 1}, {"newer", 2}})));
  EXPECT_EQ(persist::get(open, "").value(), Value::map({{"id", 1}, {"newer", 2}}));
}

struct Bounded {
  int level = 1;
  std::vector<int> scores;
  std::optional<Item> held;
};
struct Bounds {
  using fields = persist::Fields<persist::Limited<&Bounded::level, 1, 9>,
                                 persist::Limited<&Bounded::scores, 0, 2>,
                                 persist::Limited<&Item::count, 1, 5>>;
};

TEST(Path, sets_nothing_that_breaks_a_limit_of_the_policy) {
  Bounded data;
  data.scores = {1, 2};
  const auto refused = persist::set<Bounds>(data, "/level", 10);
  ASSERT_TRUE(refused.is(Errc::invalid));
  EXPECT_EQ(refused.error().path(), "level");
  EXPECT_EQ(refused.error().expected(), "1 to 9");
  EXPECT_EQ(data.level, 1);
  const int* before = data.scores.data();
  EXPECT_TRUE(persist::set<Bounds>(data, "/scores/-", 3).is(Errc::invalid)) << "a size of 3";
  EXPECT_TRUE(persist::set<Bounds>(data, "/held", Value::map({{"count", 6}})).is(Errc::invalid));
  EXPECT_FALSE(data.held);
  ASSERT_TRUE(persist::set<Bounds>(data, "/scores/1", 7));
  EXPECT_EQ(data.scores, (std::vector<int>{1, 7}));
  EXPECT_EQ(data.scores.data(), before) << "the rest of the data stays where it is";
  EXPECT_TRUE(
      persist::schema::detail::set_or_try<Bounds>(data, "/level", 0, false).is(Errc::invalid));
}

TEST(Path, lets_data_that_breaks_a_limit_be_mended_step_by_step) {
  Bounded data;
  data.level = 0;
  data.scores = {1, 2, 3};
  ASSERT_TRUE(persist::set<Bounds>(data, "/level", 5));
  ASSERT_TRUE(persist::set<Bounds>(data, "/scores", Value::array({1})));
  EXPECT_TRUE(persist::set<Bounds>(data, "/level", 0).is(Errc::invalid)) << "it is whole again";
}

}  // namespace
