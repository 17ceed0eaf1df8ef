#include <persist/detail/ranked_set.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using persist::detail::RankedSet;
using Pair = std::pair<std::int64_t, std::string>;

void expect_same(const RankedSet& set, const std::vector<Pair>& sorted) {
  ASSERT_EQ(set.size(), sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    ASSERT_EQ(set[i].value, sorted[i].first) << i;
    ASSERT_EQ(*set[i].key, sorted[i].second) << i;
    ASSERT_EQ(set.lower_bound(sorted[i].first, sorted[i].second), i);
    ASSERT_TRUE(set.contains(sorted[i].first, sorted[i].second));
  }
}

TEST(RankedSetTest, empty_has_no_place) {
  RankedSet set;
  EXPECT_EQ(set.size(), 0U);
  EXPECT_EQ(set.lower_bound(5, "a"), 0U);
  EXPECT_FALSE(set.contains(5, "a"));
  EXPECT_FALSE(set.erase(5, "a"));
}

TEST(RankedSetTest, is_a_sorted_vector_under_random_changes) {
  std::vector<std::string> keys;
  for (int i = 0; i < 3000; ++i)
    keys.push_back("k" + std::to_string(i));
  std::mt19937_64 random(7);
  RankedSet set;
  std::vector<Pair> sorted;
  // Grows, shrinks to nothing and grows again, with few values so that keys decide.
  for (int step = 0; step < 30'000; ++step) {
    const bool grows = step < 12'000 || step > 24'000;
    const std::string& key = keys[random() % keys.size()];
    const auto value = static_cast<std::int64_t>(random() % 7) - 3;
    Pair pair{value, key};
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), pair);
    const bool is_there = at != sorted.end() && *at == pair;
    ASSERT_EQ(set.lower_bound(value, key), static_cast<std::size_t>(at - sorted.begin()));
    ASSERT_EQ(set.contains(value, key), is_there);
    if (random() % 4 == 0 ? !grows : grows) {
      ASSERT_EQ(set.insert(value, key), !is_there);
      if (!is_there) sorted.insert(at, pair);
    } else if (!sorted.empty()) {
      const std::size_t which = random() % sorted.size();
      const Pair gone = sorted[which];
      ASSERT_TRUE(set.erase(gone.first, gone.second));
      ASSERT_FALSE(set.erase(gone.first, gone.second));
      sorted.erase(sorted.begin() + static_cast<std::ptrdiff_t>(which));
    }
    if (step % 1000 == 0) expect_same(set, sorted);
  }
  expect_same(set, sorted);
  while (!sorted.empty()) {
    ASSERT_TRUE(set.erase(sorted.back().first, sorted.back().second));
    sorted.pop_back();
    if (sorted.size() % 500 == 0) expect_same(set, sorted);
  }
  EXPECT_EQ(set.lower_bound(0, ""), 0U);
}

TEST(RankedSetTest, takes_rising_and_falling_values_and_the_ends_of_the_range) {
  std::vector<std::string> keys;
  for (int i = 0; i < 2000; ++i)
    keys.push_back(std::to_string(i));
  RankedSet set;
  std::vector<Pair> sorted;
  for (int i = 0; i < 1000; ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_TRUE(set.insert(i, keys[at]));
    ASSERT_TRUE(set.insert(-i - 1, keys[at + 1000]));
    sorted.emplace_back(i, keys[at]);
    sorted.emplace_back(-i - 1, keys[at + 1000]);
  }
  using Limits = std::numeric_limits<std::int64_t>;
  ASSERT_TRUE(set.insert((Limits::max)(), keys[0]));
  ASSERT_TRUE(set.insert((Limits::min)(), keys[0]));
  sorted.emplace_back((Limits::max)(), keys[0]);
  sorted.emplace_back((Limits::min)(), keys[0]);
  std::sort(sorted.begin(), sorted.end());
  expect_same(set, sorted);
}

}  // namespace
