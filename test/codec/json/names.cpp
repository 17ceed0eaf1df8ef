#include <persist/codec/json/names.hpp>

#include <array>
#include <string_view>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist::codec;

constexpr std::array<std::string_view, 3> simple{"id", "a_name_that_is_longer_than_a_block", "x"};
constexpr std::array<std::string_view, 2> quoted{"id", "a\"b"};
constexpr std::array<std::string_view, 2> foreign{"id", "m\xc3\xbcnzen"};

TEST(JsonNames, are_spelled_with_quotes_and_a_colon) {
  const auto& names = json::spelled<simple>();
  EXPECT_EQ(names[0].plain, "id");
  EXPECT_EQ(names[0].spelled, "\"id\":");
  EXPECT_EQ(names[1].spelled, "\"a_name_that_is_longer_than_a_block\":");
  EXPECT_EQ(names[2].spelled, "\"x\":");
}

TEST(JsonNames, stay_as_they_are_where_one_needs_an_escape_or_a_look) {
  EXPECT_EQ(&json::spelled<quoted>(), &quoted);
  EXPECT_EQ(&json::spelled<foreign>(), &foreign);
}

TEST(JsonNames, are_copied_whole_and_may_be_read_to_the_end_of_their_block) {
  for (const json::Name& name : json::spelled<simple>()) {
    std::array<char, 64> to{};
    json::copy_blocks(to.data(), name.spelled);
    EXPECT_EQ(std::string_view(to.data(), name.spelled.size()), name.spelled);
  }
}

}  // namespace
