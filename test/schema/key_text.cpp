#include <persist/schema/key_text.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace {

using persist::schema::KeyText;
using persist::schema::parse_key;
using persist::schema::text_key;

enum class Stat { strength, luck = 200 };

static_assert(text_key<std::string> && text_key<int> && text_key<Stat> && text_key<std::uint8_t>);
static_assert(!text_key<bool> && !text_key<double> && !text_key<std::pair<int, int>>);

TEST(KeyText, keys_are_spelled_in_decimal_and_by_name) {
  EXPECT_EQ(KeyText(-42).view(), "-42");
  EXPECT_EQ(KeyText((std::numeric_limits<std::int64_t>::min)()).view(), "-9223372036854775808");
  EXPECT_EQ(KeyText(Stat::strength).view(), "strength");
  EXPECT_EQ(KeyText(Stat::luck).view(), "200");
  EXPECT_EQ(KeyText(std::string("a b")).view(), "a b");
}

TEST(KeyText, a_copy_does_not_refer_to_the_original) {
  KeyText copy(0);
  {
    const KeyText original(12345);
    copy = original;
  }
  EXPECT_EQ(copy.view(), "12345");
}

TEST(KeyText, only_what_would_be_written_is_read) {
  EXPECT_EQ(parse_key<int>("-42"), -42);
  EXPECT_EQ(parse_key<int>("042"), std::nullopt);
  EXPECT_EQ(parse_key<int>("+1"), std::nullopt);
  EXPECT_EQ(parse_key<int>("-0"), std::nullopt);
  EXPECT_EQ(parse_key<int>(" 1"), std::nullopt);
  EXPECT_EQ(parse_key<int>(""), std::nullopt);
  EXPECT_EQ(parse_key<std::uint8_t>("256"), std::nullopt);
  EXPECT_EQ(parse_key<std::uint8_t>("255"), std::uint8_t{255});
  EXPECT_EQ(parse_key<int>("99999999999999999999"), std::nullopt);
  EXPECT_EQ(parse_key<Stat>("strength"), Stat::strength);
  EXPECT_EQ(parse_key<Stat>("200"), Stat::luck);
  EXPECT_EQ(parse_key<Stat>("0"), std::nullopt) << "what has a name is not written as a number";
  EXPECT_EQ(parse_key<Stat>("charm"), std::nullopt);
}

}  // namespace
