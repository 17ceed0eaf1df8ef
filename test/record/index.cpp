#include <persist/record/index.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace persist;
using Entries = std::vector<std::pair<std::string, std::int64_t>>;

Entries entries_of(ByteView bytes) {
  Entries all;
  EXPECT_TRUE(each_index_entry(
      bytes, [&](std::string_view name, std::int64_t value) { all.emplace_back(name, value); }));
  return all;
}

struct IndexEntriesTest : ::testing::Test {
  Buffer bytes;
  const std::string longest = std::string(longest_index_name, 'x');
  IndexEntriesTest() {
    append_index_entry(bytes, "coins", (std::numeric_limits<std::int64_t>::min)());
    append_index_entry(bytes, longest, -1);
    append_index_entry(bytes, "coins", 7);
  }
};

TEST_F(IndexEntriesTest, are_read_as_they_were_written) {
  const Entries written = {
      {"coins", (std::numeric_limits<std::int64_t>::min)()}, {longest, -1}, {"coins", 7}};
  EXPECT_EQ(entries_of(bytes), written);
  EXPECT_TRUE(are_index_entries({})) << "of none";
  // These reach disk: never others.
  EXPECT_EQ(as_text(bytes.view().first(6)), "\5coins");
  EXPECT_EQ(as_text(bytes.view().last(14)), std::string_view("\5coins\7\0\0\0\0\0\0\0", 14));
}

TEST_F(IndexEntriesTest, that_are_cut_off_are_none) {
  for (std::size_t cut = 1; cut < bytes.size(); ++cut)
    EXPECT_EQ(are_index_entries(bytes.view().first(cut)), cut == 14 || cut == 14 + 73) << cut;
}

TEST_F(IndexEntriesTest, without_a_name_or_with_one_that_is_too_long_are_none) {
  Buffer nameless;
  append_index_entry(nameless, "", 7);
  EXPECT_FALSE(are_index_entries(nameless)) << "that would be a user id";
  Buffer too_long;
  append_index_entry(too_long, longest + "x", 7);
  EXPECT_FALSE(are_index_entries(too_long));
}

}  // namespace
