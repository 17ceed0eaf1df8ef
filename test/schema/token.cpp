#include <persist/schema/token.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist::schema;

TEST(Token, every_token_has_a_word_for_messages) {
  EXPECT_EQ(name(Token::null), "null");
  EXPECT_EQ(name(Token::array), "an array");
  EXPECT_EQ(name(Token::bad), "no item");
}

TEST(Token, limits_hold_unless_told_otherwise) {
  const Limits limits;
  EXPECT_EQ(limits.bytes, 64u * 1024 * 1024);
  EXPECT_EQ(limits.elements, 4'000'000u);
  EXPECT_EQ(limits.depth, 128u);
}

}  // namespace
