#include <persist/record/index_sets.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace {

using namespace persist;

struct IndexSetsTest : ::testing::Test {
  IndexSets sets;

  static Buffer entries(std::initializer_list<std::pair<std::string_view, std::int64_t>> all) {
    Buffer bytes;
    for (const auto& [name, value] : all)
      append_index_entry(bytes, name, value);
    return bytes;
  }
  static IndexRequest query(const IndexSets& of, std::string_view index) {
    IndexRequest request{.index = index, .most = 100};
    of.query(request);
    return request;
  }
  static std::string whole(const IndexSets& of, std::string_view index) {
    std::string all;
    for (const IndexRow& row : query(of, index).rows)
      all += row.key + "=" + std::to_string(row.value) + " ";
    return all;
  }
  void list_some() {
    const std::uint64_t users[] = {9, 8, 9};
    sets.set_users("a", users);
    EXPECT_TRUE(sets.set_entries("a", entries({{"coins", 5}, {"power", 1}})));
    EXPECT_TRUE(sets.set_entries("b", entries({{"coins", 4}})));
  }
};

TEST_F(IndexSetsTest, users_and_boards_do_not_touch_each_other) {
  list_some();
  sets.set_users("a", {});
  EXPECT_EQ(whole(sets, ""), "");
  EXPECT_EQ(whole(sets, "coins"), "b=4 a=5 ");
  const std::uint64_t user = 7;
  sets.set_users("a", std::span(&user, 1));
  EXPECT_TRUE(sets.set_entries("a", {}));
  EXPECT_EQ(whole(sets, "coins") + whole(sets, "power"), "b=4 ");
  EXPECT_EQ(whole(sets, ""), "a=7 ");
}

TEST_F(IndexSetsTest, an_entry_that_is_there_twice_counts_once) {
  EXPECT_TRUE(sets.set_entries("a", entries({{"coins", 5}, {"coins", 5}, {"coins", 6}})));
  EXPECT_EQ(query(sets, "coins").size, 2U);
  EXPECT_TRUE(sets.set_entries("a", entries({{"coins", 6}})));
  EXPECT_EQ(whole(sets, "coins"), "a=6 ");
}

TEST_F(IndexSetsTest, what_is_no_entry_changes_nothing) {
  list_some();
  EXPECT_FALSE(sets.set_entries("a", as_bytes("nonsense")));
  EXPECT_EQ(whole(sets, "coins"), "b=4 a=5 ");
}

TEST_F(IndexSetsTest, a_copy_lives_without_what_it_was_made_of) {
  list_some();
  IndexSets copy;
  {
    const IndexSets gone = std::move(sets);
    copy = gone;
  }
  EXPECT_EQ(whole(copy, "coins"), "b=4 a=5 ");
  EXPECT_EQ(whole(copy, ""), "a=8 a=9 ");
  copy.drop("a");
  EXPECT_EQ(whole(copy, "coins") + whole(copy, "power") + whole(copy, ""), "b=4 ");
}

TEST_F(IndexSetsTest, what_is_damaged_is_counted_until_it_is_set_again) {
  list_some();
  sets.set_damaged("a", true);
  sets.set_damaged("c", false);
  EXPECT_EQ(query(sets, "").damaged.size(), 1U);
  EXPECT_EQ(query(sets, "coins").damaged.size(), 1U);
  EXPECT_EQ(whole(sets, "") + whole(sets, "coins"), "b=4 a=5 ") << "nothing is made up for it";
  const std::uint64_t user = 7;
  sets.set_users("a", std::span(&user, 1));
  EXPECT_EQ(query(sets, "").damaged.size(), 0U);
  EXPECT_EQ(query(sets, "coins").damaged.size(), 1U);
  sets.drop("c");
  EXPECT_EQ(query(sets, "coins").damaged.size(), 0U);
}

}  // namespace
