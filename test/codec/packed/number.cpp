// builds: single nohana no-exceptions
#include <persist/codec/packed/number.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::codec::packed;

/// What stands on either side of each length, and what all bits or one bit of it are.
std::vector<std::uint64_t> edges() {
  std::vector<std::uint64_t> all{0, 1, 127, 128};
  for (unsigned bits = 7; bits < 64; ++bits) {
    all.push_back((std::uint64_t{1} << bits) - 1);
    all.push_back(std::uint64_t{1} << bits);
    all.push_back((std::uint64_t{1} << bits) + 1);
  }
  all.push_back((std::numeric_limits<std::uint64_t>::max)());
  return all;
}

TEST(PackedNumber, comes_back_from_as_few_bytes_as_hold_seven_bits_each) {
  for (const std::uint64_t number : edges()) {
    std::array<std::byte, longest_number> bytes{};
    const std::byte* end = put_number(bytes.data(), number);
    std::size_t wanted = 1;
    while (wanted < 9 && number >> (7 * wanted) != 0)
      ++wanted;
    EXPECT_EQ(static_cast<std::size_t>(end - bytes.data()), wanted) << number;
    std::uint64_t back = 0;
    // At the very end of the bytes, and with others behind it.
    EXPECT_EQ(get_number(bytes.data(), end, back), end) << number;
    EXPECT_EQ(back, number);
    EXPECT_EQ(get_number(bytes.data(), bytes.data() + bytes.size(), back), end) << number;
    EXPECT_EQ(back, number);
  }
}

TEST(PackedNumber, one_that_is_cut_short_is_none) {
  for (const std::uint64_t number : edges()) {
    std::array<std::byte, longest_number> bytes{};
    const std::byte* end = put_number(bytes.data(), number);
    std::uint64_t back = 0;
    for (const std::byte* cut = bytes.data(); cut != end; ++cut)
      EXPECT_EQ(get_number(bytes.data(), cut, back), nullptr) << number;
  }
}

template <class T>
void expect_back(T number) {
  T back{};
  EXPECT_TRUE(from_unsigned(to_unsigned(number), back)) << +number;
  EXPECT_EQ(back, number);
}

TEST(PackedNumber, small_numbers_of_either_sign_are_small) {
  EXPECT_EQ(to_unsigned(0), 0u);
  EXPECT_EQ(to_unsigned(-1), 1u);
  EXPECT_EQ(to_unsigned(1), 2u);
  EXPECT_EQ(to_unsigned(std::int16_t{-2}), 3u);
  EXPECT_EQ(to_unsigned(5u), 5u) << "without a sign there is nothing to make room for";
  for (const std::uint64_t number : edges()) {
    expect_back(number);
    expect_back(static_cast<std::int64_t>(number));
    expect_back(static_cast<std::int64_t>(~number));
    expect_back(static_cast<std::int16_t>(number));
  }
}

TEST(PackedNumber, what_the_type_cannot_hold_is_refused) {
  std::int16_t narrow = 0;
  EXPECT_TRUE(from_unsigned(65535, narrow));
  EXPECT_EQ(narrow, -32768);
  EXPECT_FALSE(from_unsigned(65536, narrow));
  std::uint16_t natural = 0;
  EXPECT_FALSE(from_unsigned(65536, natural));
}

}  // namespace
