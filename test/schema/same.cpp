#include <persist/schema/same.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace same_values {

// None of these has an operator==.
struct Item {
  std::uint32_t id = 0;
  std::string name;
};
struct Kept {
  void* handle = nullptr;
};
struct Hidden {
  Hidden() : value(0) {}
  int value;
};
struct Bag {
  std::vector<Item> items;
  std::map<std::string, Item> by_name;
  std::unordered_map<int, Item> by_number;
  std::unordered_set<std::string> seen;
  std::unordered_multiset<int> rolls;
  std::set<int> days;
  std::optional<Item> hat;
  std::variant<std::monostate, int, Item> prize;
  std::tuple<int, Item> pair;
  std::array<Item, 2> hands;
  std::vector<bool> flags;
  std::chrono::seconds played{};
  double luck = 0;
  Hidden cache;
};

}  // namespace same_values

template <>
struct persist::adapt<same_values::Kept> {
  using stored_type = bool;
  static bool store(const same_values::Kept& kept) { return kept.handle != nullptr; }
  static same_values::Kept restore(bool) { return {}; }
};

namespace {

using namespace same_values;
using persist::schema::same;

Bag full() {
  Bag bag;
  bag.items = {{1, "sword"}, {2, "bow"}};
  bag.by_name = {{"a", {1, "x"}}};
  bag.by_number = {{1, {1, "x"}}, {2, {2, "y"}}};
  bag.seen = {"one", "two"};
  bag.rolls = {6, 6, 1};
  bag.days = {1, 2};
  bag.hat = Item{3, "hat"};
  bag.prize = Item{4, "prize"};
  bag.hands = {Item{5, "left"}, Item{6, "right"}};
  bag.flags = {true, false};
  return bag;
}

TEST(Same, a_copy_is_the_same) {
  const Bag bag = full();
  EXPECT_TRUE(same(bag, Bag(bag)));
  EXPECT_TRUE(same(Bag(), Bag()));
  EXPECT_FALSE(same(bag, Bag()));
}

TEST(Same, a_difference_is_found_wherever_it_is) {
  const auto differs = [](auto change) {
    const Bag before = full();
    Bag after = before;
    change(after);
    EXPECT_FALSE(same(before, after));
    EXPECT_FALSE(same(after, before));
  };
  differs([](Bag& bag) { bag.items[1].name = "axe"; });
  differs([](Bag& bag) { bag.items.pop_back(); });
  differs([](Bag& bag) { bag.by_name["a"].id = 9; });
  differs([](Bag& bag) { bag.by_name["b"]; });
  differs([](Bag& bag) { bag.by_number[2].name = "z"; });
  differs([](Bag& bag) { bag.by_number.erase(2), bag.by_number[3] = {2, "y"}; });
  differs([](Bag& bag) { bag.seen = {"one", "three"}; });
  differs([](Bag& bag) { bag.rolls = {6, 1, 1}; });
  differs([](Bag& bag) { bag.days = {1, 3}; });
  differs([](Bag& bag) { bag.hat->id = 9; });
  differs([](Bag& bag) { bag.hat.reset(); });
  differs([](Bag& bag) { bag.prize = 4; });
  differs([](Bag& bag) { std::get<Item>(bag.prize).id = 9; });
  differs([](Bag& bag) { std::get<1>(bag.pair).id = 9; });
  differs([](Bag& bag) { bag.hands[1].id = 9; });
  differs([](Bag& bag) { bag.flags[1] = true; });
  differs([](Bag& bag) { bag.played += std::chrono::seconds(1); });
  differs([](Bag& bag) { bag.luck = 0.5; });
}

TEST(Same, hashed_containers_are_the_same_whatever_their_order) {
  std::unordered_map<int, Item> one, other;
  other.reserve(1000);
  for (int i = 0; i < 50; ++i) {
    one[i].id = static_cast<std::uint32_t>(i);
    other[49 - i].id = static_cast<std::uint32_t>(49 - i);
  }
  EXPECT_TRUE(same(one, other));
}

TEST(Same, what_is_no_number_stays_what_it_is) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(same(none, none));
  EXPECT_FALSE(same(none, 0.0));
}

TEST(Same, what_is_stored_as_another_type_is_compared_as_that) {
  int here = 0, there = 0;
  EXPECT_TRUE(same(Kept{&here}, Kept{&there}));
  EXPECT_FALSE(same(Kept{&here}, Kept{}));
}

TEST(Same, what_is_not_stored_and_has_no_operator_counts_as_the_same) {
  Bag bag;
  bag.cache.value = 1;
  EXPECT_TRUE(same(bag, Bag()));
}

}  // namespace
