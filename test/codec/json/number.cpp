#include <persist/codec/json/number.hpp>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist::codec;

template <class T>
std::string put(T value) {
  std::array<char, json::longest_number + 8> text{};
  return {text.data(), json::put_number(text.data(), value)};
}
/// What the standard library calls the shortest text.
template <class T>
std::string shortest(T value) {
  std::array<char, 64> text{};
  std::string made(text.data(), std::to_chars(text.data(), text.data() + 64, value).ptr);
  const bool whole = std::floating_point<T> && made.find_first_of(".e") == std::string::npos;
  return whole ? made + ".0" : made;
}
/// The text between others, as it stands in a record; empty where it is left to the longer way.
template <class T>
std::string taken(std::string_view text, T& into) {
  const std::string around = std::string(text) + ",\"name\":1";
  const char* end = json::take_number(around.data(), around.data() + around.size(), into);
  return end == nullptr ? std::string() : std::string(around.data(), end);
}

TEST(JsonNumber, integers_of_every_length) {
  std::vector<std::int64_t> all{0, (std::numeric_limits<std::int64_t>::min)(),
                                (std::numeric_limits<std::int64_t>::max)()};
  for (std::int64_t power = 1; power <= 100'000'000'000'000'000; power *= 10)
    for (const std::int64_t near : {power - 1, power, power + 1, 9 * power, 12 * power / 10})
      all.insert(all.end(), {near, -near});
  for (const std::int64_t number : all) {
    EXPECT_EQ(put(number), std::to_string(number));
    std::int64_t back = 1;
    if (put(number).size() < 19) {
      EXPECT_EQ(taken(put(number), back), put(number));
      EXPECT_EQ(back, number);
    }
  }
  EXPECT_EQ(put((std::numeric_limits<std::uint64_t>::max)()), "18446744073709551615");
}

TEST(JsonNumber, short_decimals_are_the_shortest_texts) {
  for (const double number :
       {0.0,       -0.0,      1.0,         0.5,       0.1,       0.3,
        99999.0,   100000.0,  1e5 + 1,     120000.0,  1e6,       0.001,
        0.0009999, 0.000001,  999999999.0, 1e9,       1e15,      0.1234567,
        1 / 3.,    123.45678, 1.000001,    1.0000001, 0.9999999, 999999999.999999,
        1e300,     5e-324,    0.7e-3,      8388608.5, 0.125,     33554432.125,
        4.35,      2.675}) {
    EXPECT_EQ(put(number), shortest(number));
    EXPECT_EQ(put(-number), shortest(-number));
    const auto single = static_cast<float>(number);
    if (std::isfinite(single)) {
      EXPECT_EQ(put(single), shortest(single));
    }
  }
}

TEST(JsonNumber, numbers_drawn_at_random_have_the_shortest_texts_and_come_back) {
  std::mt19937_64 random(7);
  const auto check = [](auto number) {
    const std::string text = put(number);
    ASSERT_EQ(text, shortest(number));
    decltype(number) back = 0;
    if (!taken(text, back).empty()) {
      ASSERT_EQ(back, number) << text;
    }
  };
  for (int i = 0; i < 5'000; ++i) {
    const double scale = std::pow(10.0, static_cast<int>(random() % 8));
    const double decimal = static_cast<double>(random() % 1'000'000) / scale;
    check(decimal), check(-decimal), check(static_cast<float>(decimal));
    const auto bits = std::bit_cast<double>(random());
    if (std::isfinite(bits)) check(bits);
    const auto single = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(single)) check(single);
    // Next to a short decimal, but none.
    check(std::nextafter(decimal, 1e300));
    check(std::nextafterf(static_cast<float>(decimal), 1e30f));
  }
}

TEST(JsonNumber, what_is_read_at_once_is_what_the_longer_way_reads) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 5'000; ++i) {
    const std::size_t places = 1 + random() % 16;
    std::string text = std::to_string(random() % (random() % 2 == 0 ? 10 : 1'000'000)) + '.';
    for (std::size_t place = 0; place < places; ++place)
      text += static_cast<char>('0' + random() % 10);
    double real = 0;
    double expected = 0;
    std::from_chars(text.data(), text.data() + text.size(), expected);
    if (taken(text, real) == text) {
      ASSERT_EQ(real, expected) << text;
    }
    float single = 0;
    float nearest = 0;
    std::from_chars(text.data(), text.data() + text.size(), nearest);
    if (taken(text, single) == text) {
      ASSERT_EQ(single, nearest) << text;
    }
  }
}

TEST(JsonNumber, most_spellings_are_read_at_once) {
  double real = 0;
  EXPECT_EQ(taken("-12.5", real), "-12.5");
  EXPECT_EQ(real, -12.5);
  EXPECT_EQ(taken("-0.0", real), "-0.0");
  EXPECT_TRUE(std::signbit(real));
  std::uint8_t small = 0;
  EXPECT_EQ(taken("255", small), "255");
  std::int64_t large = 0;
  EXPECT_EQ(taken("-1234567890123", large), "-1234567890123");
  EXPECT_EQ(large, -1'234'567'890'123);
}

TEST(JsonNumber, what_is_wrong_or_may_be_is_left_to_the_longer_way) {
  double real = 0;
  for (const char* text : {"", "-", ".5", "1.", "01.5", "1.e3", "1.5e3", "1.5E3", "1", "x", "+1.5",
                           "1.2345678901234567", "--1.5"})
    EXPECT_EQ(taken(text, real), "") << text;
  float single = 0;
  EXPECT_EQ(taken("0.1234567", single), "");
  std::int32_t whole = 0;
  for (const char* text : {"", "-", "01", "-01", "1.0", "1e3", "1E3", "2147483648", "-2147483649",
                           "1234567890123456789", "99999999999999999999", "x", "+1", "--1"})
    EXPECT_EQ(taken(text, whole), "") << text;
  std::int64_t large = 0;
  std::uint64_t larger = 0;
  for (const char* text : {"9999999999999999999", "18446744073709551617", "1234567890123456789"}) {
    EXPECT_EQ(taken(text, large), "") << text;
    EXPECT_EQ(taken(text, larger), "") << text;
  }
  std::uint8_t small = 0;
  for (const char* text : {"256", "-1"})
    EXPECT_EQ(taken(text, small), "") << text;
}

TEST(JsonNumber, nothing_behind_the_end_is_looked_at) {
  const std::string all = "12345678901";
  for (std::size_t size = 1; size <= all.size(); ++size) {
    const std::vector<char> exact(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
    std::int64_t whole = 0;
    EXPECT_EQ(json::take_number(exact.data(), exact.data() + size, whole), exact.data() + size);
    EXPECT_EQ(whole, std::stoll(all.substr(0, size)));
  }
}

}  // namespace
