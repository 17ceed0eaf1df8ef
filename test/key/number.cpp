#include <persist/key/number.hpp>

#include <cstdint>
#include <limits>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(spells_a_key<key::Number<>> && spells_a_key<key::Number<std::int32_t>>);
static_assert(std::same_as<key::Number<>::value_type, std::uint64_t>);
static_assert(!spells<key::Number<>, double> && !spells<key::Number<>, bool> &&
              !spells<key::Number<>, char>);
static_assert(!gives_user_ids<key::Number<>>);

template <class T, class V>
std::string spelled(V value) {
  KeyBuffer key;
  key::Number<T>::spell(value, key);
  return key.refusal() ? "refused" : std::string(key.view());
}

TEST(KeyNumber, is_spelled_in_decimal) {
  EXPECT_EQ(spelled<std::uint64_t>(std::uint64_t{42}), "42");
  EXPECT_EQ(spelled<std::uint64_t>(0), "0");
  EXPECT_EQ(spelled<std::uint64_t>((std::numeric_limits<std::uint64_t>::max)()),
            "18446744073709551615");
  EXPECT_EQ(spelled<std::int64_t>((std::numeric_limits<std::int64_t>::min)()),
            "-9223372036854775808");
}

TEST(KeyNumber, outside_of_the_type_is_refused_and_not_somebody_elses_key) {
  EXPECT_EQ(spelled<std::uint64_t>(-1), "refused");
  EXPECT_EQ(spelled<std::uint8_t>(256), "refused");
  EXPECT_EQ(spelled<std::int32_t>(std::uint32_t{3'000'000'000}), "refused");
  EXPECT_EQ(spelled<std::uint8_t>(255), "255");
}

TEST(KeyNumber, no_two_numbers_share_a_spelling) {
  std::set<std::string> seen;
  for (int i = -3000; i <= 3000; ++i)
    EXPECT_TRUE(seen.insert(spelled<int>(i)).second) << i;
}

}  // namespace
