#include <persist/schema/rolls_safely.hpp>

#include <persist/schema/unknown.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace {

using persist::rolls_safely;

enum class Colour { red };
struct Gem {
  int cut = 0;
};
struct Item {
  int id = 0;
  std::optional<Gem> gem;
};
struct Note {
  std::string text;
  persist::Unknown rest;
};
struct Tree {
  std::vector<Tree> children;
};
struct Player {
  std::vector<Item> inventory;
  std::vector<Note> notes;
  std::map<std::string, Gem> gems;
  std::map<std::pair<int, int>, Colour> map;
};
struct ById {
  using data_type = Player;
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};
struct Dropping {
  using data_type = Player;
  static constexpr bool drop_unknown = true;
};

template <class D>
std::vector<std::string_view> refusing() {
  const auto names = rolls_safely<D>.refusing();
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}
using Names = std::vector<std::string_view>;

static_assert(rolls_safely<Gem> && rolls_safely<std::map<int, Gem>> &&
              rolls_safely<std::vector<Note>>);
static_assert(!rolls_safely<std::vector<Gem>> && !rolls_safely<std::set<Colour>>);
// A new alternative, and a new key, have no place of their own where the elements can move.
static_assert(rolls_safely<std::variant<Note, Gem>> && rolls_safely<std::map<Colour, int>>);
static_assert(!rolls_safely<std::vector<std::variant<Note, std::monostate>>>);
static_assert(!rolls_safely<std::vector<std::map<Colour, int>>>);
static_assert(!rolls_safely<std::map<std::pair<Colour, int>, int>>);

TEST(RollsSafely, the_types_that_would_refuse_are_listed) {
  EXPECT_EQ(refusing<Player>(), (Names{"Colour", "Gem", "Item"}));
  EXPECT_EQ(refusing<ById>(), (Names{"Colour"}));
  EXPECT_EQ(refusing<Dropping>(), Names{});
}

TEST(RollsSafely, a_type_that_holds_itself_comes_to_an_end) {
  EXPECT_EQ(refusing<Tree>(), (Names{"Tree"}));
}

}  // namespace
