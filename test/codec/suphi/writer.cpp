#include <persist/codec/suphi/writer.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using codec::SuphiOutput;
using codec::SuphiStyle;

/// With a DEL shown as a dot.
std::string written(const std::function<void(SuphiOutput&)>& write, SuphiStyle style = {}) {
  Buffer out;
  SuphiOutput writer(out, style);
  write(writer);
  if (!writer.ok()) return std::string(name(writer.take_error().code()));
  std::string text(as_text(out));
  for (char& letter : text)
    if (letter == '\x7f') letter = '.';
  return text;
}
template <class T>
std::string number(T value, SuphiStyle style = {}) {
  return written(
      [&](auto& to) {
        if constexpr (std::is_floating_point_v<T>)
          to.real(value);
        else if constexpr (std::is_signed_v<T>)
          to.integer(value);
        else
          to.unsigned_integer(value);
      },
      style);
}
void list(SuphiOutput& to) {
  to.begin_array(2), to.integer(1), to.integer(2), to.end_array();
}

TEST(SuphiWriter, the_worked_vectors_of_the_reference) {
  EXPECT_EQ(number(0), ">0");
  EXPECT_EQ(number(83), ">01");
  EXPECT_EQ(number(-83), "<01");
  EXPECT_EQ(number(1.5), ")6i");
  EXPECT_EQ(written([](auto& to) { to.text("Hi"); }), "#Hi.");
  EXPECT_EQ(written(list), "|>1>2.");
  EXPECT_EQ(written(list, {.level = 1}), "*>1>1>2>2.");
  const auto empty = [](auto& to) { to.begin_array(0), to.end_array(); };
  EXPECT_EQ(written(empty), "*.");
  EXPECT_EQ(written(empty, {.level = 1}), "*.");
}

TEST(SuphiWriter, at_level_1_every_list_counts_its_own_elements) {
  const auto nested = [](SuphiOutput& to) {
    to.begin_array(3), list(to), to.begin_map(1), to.key("a"), list(to), to.end_map(),
        to.boolean(true), to.end_array();
  };
  EXPECT_EQ(written(nested), "||>1>2.*#a.|>1>2..+.");
  EXPECT_EQ(written(nested, {.level = 1}), "*>1*>1>1>2>2.>2*#a.*>1>1>2>2..>3+.");
}

TEST(SuphiWriter, a_whole_number_is_an_integer_whatever_its_type) {
  EXPECT_EQ(number(29926.0), number(29926));
  EXPECT_EQ(number(-1.0F), "<1");
  EXPECT_EQ(number(-0.0), ">0");
}

TEST(SuphiWriter, a_fraction_is_rounded_to_the_decimals_half_away_from_zero) {
  EXPECT_EQ(number(0.5, {.decimals = 0}), ")1");
  EXPECT_EQ(number(-2.5, {.decimals = 0}), "(3");
  EXPECT_EQ(number(1e-9), ")0");
  EXPECT_EQ(number(0.25, {.decimals = 2}), ")p");
}

TEST(SuphiWriter, a_float_is_the_number_that_its_shortest_text_says) {
  EXPECT_EQ(number(0.1F), number(0.1));
  EXPECT_EQ(number(123456.79F), number(123456.79)) << "and not 123456.7890625";
}

TEST(SuphiWriter, a_number_beyond_53_bits_is_invalid_and_not_another_one) {
  constexpr std::int64_t most = std::int64_t{1} << 53;
  EXPECT_EQ(number(most), ">S1K$`{]~3");
  EXPECT_EQ(number(static_cast<double>(-most)), "<S1K$`{]~3");
  EXPECT_EQ(number(most + 1), "invalid");
  EXPECT_EQ(number(-most - 1), "invalid");
  EXPECT_EQ(number((std::numeric_limits<std::int64_t>::min)()), "invalid");
  EXPECT_EQ(number((std::numeric_limits<std::uint64_t>::max)()), "invalid");
  EXPECT_EQ(number(1e300), "invalid");
  EXPECT_EQ(number(9007199254740.5), number(9007199254740.5));
  EXPECT_NE(number(9007199254740.5), "invalid");
  EXPECT_EQ(number(9007199254741.5), "invalid") << "with three decimals it is beyond";
}

TEST(SuphiWriter, what_is_not_finite_is_invalid) {
  EXPECT_EQ(number(std::nan("")), "invalid");
  EXPECT_EQ(number(std::nanf("")), "invalid");
  EXPECT_EQ(number(HUGE_VAL), "invalid");
  EXPECT_EQ(number(-HUGE_VALF), "invalid");
}

TEST(SuphiWriter, null_and_bytes_are_invalid) {
  EXPECT_EQ(written([](auto& to) { to.null(); }), "invalid");
  EXPECT_EQ(written([](auto& to) { to.bytes(as_bytes("abc")); }), "invalid");
}

TEST(SuphiWriter, safety_makes_a_space_of_a_del_and_without_it_one_is_invalid) {
  const auto text = [](auto& to) { to.text("a\x7f\x7f"); };
  EXPECT_EQ(written(text), "#a  .");
  EXPECT_EQ(written(text, {.safety = false}), "invalid");
}

TEST(SuphiWriter, a_key_with_a_del_is_invalid_because_two_keys_could_become_one) {
  EXPECT_EQ(
      written([](auto& to) { to.begin_map(1), to.key("a\x7f"), to.boolean(true), to.end_map(); }),
      "invalid");
}

TEST(SuphiWriter, a_text_that_is_no_utf8_is_invalid) {
  EXPECT_EQ(written([](auto& to) { to.text("\xff"); }), "invalid");
}

TEST(SuphiWriter, what_no_reader_would_follow_is_too_large) {
  for (const int level : {1, 2}) {
    const auto deep = [](auto& to) {
      for (int i = 0; i < 1000; ++i)
        to.begin_array(1);
      for (int i = 0; i < 1000; ++i)
        to.end_array();
    };
    EXPECT_EQ(written(deep, {.level = level}), "too_large");
  }
}

}  // namespace
