#include <persist/codec/suphi/alphabet.hpp>

#include <persist/codec/concept.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist::codec;

static_assert(suphi::base == 83);
static_assert(suphi::scale_of(0) == 1 && suphi::scale_of(3) == 1000);
static_assert(suphi::scale_of(suphi::most_decimals) < static_cast<double>(suphi::greatest_whole));
static_assert(suphi_id_of(suphi::most_decimals) < 48);

TEST(SuphiAlphabet, a_character_is_one_digit_or_none) {
  for (std::size_t i = 0; i < suphi::digits.size(); ++i)
    EXPECT_EQ(suphi::digit_value(suphi::digits[i]), i);
  int digits = 0;
  for (int letter = 0; letter < 256; ++letter)
    digits += suphi::digit_value(static_cast<char>(letter)) != suphi::no_digit ? 1 : 0;
  EXPECT_EQ(digits, 83);
  for (const char letter : std::string_view("\"#()*+-<>\\| \x7f\0\xff", 15))
    EXPECT_EQ(suphi::digit_value(letter), suphi::no_digit) << letter;
}

}  // namespace
