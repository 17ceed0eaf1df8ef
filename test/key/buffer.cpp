#include <persist/key/buffer.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(std::is_trivially_destructible_v<KeyBuffer>);
static_assert(sizeof(KeyBuffer) <= 280, "the bytes lie in the object");
static_assert(std::is_aggregate_v<SpelledKey>);

TEST(KeyBuffer, holds_what_was_appended) {
  KeyBuffer key;
  key.append("Player_").append('x').append_number(std::uint64_t{42}).append_number(-7).append("");
  EXPECT_EQ(key.view(), "Player_x42-7");
  key.clear();
  EXPECT_EQ(key.view(), "");
}

TEST(KeyBuffer, every_number_fits_its_digits) {
  KeyBuffer key;
  key.append_number((std::numeric_limits<std::uint64_t>::max)()).append(' ');
  key.append_number((std::numeric_limits<std::int64_t>::min)()).append(' ');
  key.append_number((std::numeric_limits<std::int8_t>::min)());
  EXPECT_EQ(key.view(), "18446744073709551615 -9223372036854775808 -128");
}

TEST(KeyBuffer, takes_255_bytes_and_no_more) {
  KeyBuffer key;
  key.append(std::string(200, 'a')).append(std::string(55, 'b'));
  EXPECT_TRUE(key.fits());
  EXPECT_EQ(key.view(), std::string(200, 'a') + std::string(55, 'b'));
  key.append('c');
  EXPECT_FALSE(key.fits());
  EXPECT_EQ(key.view(), "");
  EXPECT_EQ(key.asked(), 256u);
}

TEST(KeyBuffer, too_long_stays_too_long) {
  KeyBuffer key;
  key.append("a").append(std::string(300, 'b')).append("c");
  EXPECT_FALSE(key.fits());
  EXPECT_EQ(key.asked(), 302u);
  key.clear();
  EXPECT_EQ(key.append("d").view(), "d");
}

TEST(KeyBuffer, keeps_the_first_refusal) {
  KeyBuffer key;
  EXPECT_EQ(key.refusal(), nullptr);
  key.refuse("a guest");
  key.refuse("something else");
  EXPECT_STREQ(key.refusal(), "a guest");
  key.clear();
  EXPECT_EQ(key.refusal(), nullptr);
}

TEST(UserIds, hold_each_user_once_in_the_order_they_came) {
  UserIds users;
  EXPECT_TRUE(users.empty());
  EXPECT_TRUE(users.add(9) && users.add(3) && users.add(5));
  EXPECT_FALSE(users.add(3));
  EXPECT_EQ(std::vector<std::uint64_t>(users.begin(), users.end()),
            (std::vector<std::uint64_t>{9, 3, 5}));
  EXPECT_TRUE(users.remove(3));
  EXPECT_FALSE(users.remove(3));
  EXPECT_TRUE(users.contains(5));
  EXPECT_FALSE(users.contains(3));
  EXPECT_EQ(users.size(), 2u);
  users.clear();
  EXPECT_EQ(users, UserIds{});
}

}  // namespace
