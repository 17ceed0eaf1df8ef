#include <persist/codec/suphi/reader.hpp>

#include <persist/schema/value.hpp>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using codec::SuphiInput;

/// The text with a DEL for each space, which is no digit.
std::string with_del(std::string_view spaced) {
  std::string text(spaced);
  for (char& letter : text)
    if (letter == ' ') letter = '\x7f';
  return text;
}
Result<Value> read(std::string_view spaced, int decimals = 3, schema::Limits limits = {}) {
  const std::string text = with_del(spaced);
  SuphiInput in(as_bytes(text), limits, decimals);
  Value value;
  if (!schema::read_value(in, value) || !in.finish()) return in.take_error();
  return value;
}
Errc fault(std::string_view spaced) {
  const auto value = read(spaced);
  return value ? Errc{} : value.error().code();
}
std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i)
    text += part;
  return text;
}

TEST(SuphiReader, scalars) {
  EXPECT_EQ(*read("+"), Value(true));
  EXPECT_EQ(*read("-"), Value(false));
  EXPECT_EQ(*read(">01"), Value(83));
  EXPECT_EQ(*read("<01"), Value(-83));
  EXPECT_EQ(*read("<0"), Value(0));
  EXPECT_EQ(*read(")6i"), Value(1.5));
  EXPECT_EQ(*read("(6i"), Value(-1.5));
  EXPECT_EQ(*read(")6i", 2), Value(15.0));
  EXPECT_EQ(*read("#Hi "), Value("Hi"));
  EXPECT_EQ(*read("# "), Value(""));
}

TEST(SuphiReader, both_levels_of_a_list_are_a_list) {
  const Value list = Value::array({1, "a", Value::array({true})});
  EXPECT_EQ(*read("|>1#a |+  "), list);
  EXPECT_EQ(*read("*>1>1>2#a >3*>1+  "), list);
  EXPECT_EQ(*read("* "), Value::array());
  EXPECT_EQ(*read("| "), Value::array());
}

TEST(SuphiReader, a_list_counts_on_beyond_one_digit) {
  std::string text = "*";
  Value::Array expected;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    text += '>';
    for (std::uint64_t left = i; left != 0; left /= codec::suphi::base)
      text += codec::suphi::digits[left % codec::suphi::base];
    text += '+';
    expected.emplace_back(true);
  }
  EXPECT_EQ(*read(text + ' '), Value(expected));
}

TEST(SuphiReader, a_table_that_does_not_count_from_1_on_is_a_map) {
  EXPECT_EQ(*read("*#a >1 "), Value::map({{"a", 1}}));
  EXPECT_EQ(*read("*>2>1 "), Value::map({{"2", 1}}));
  EXPECT_EQ(*read("*>1+>3+ "), Value::map({{"1", true}, {"3", true}})) << "a gap";
  EXPECT_EQ(*read("*>1+#a + "), Value::map({{"1", true}, {"a", true}})) << "a mixed one";
  EXPECT_EQ(*read("*>11+ "), Value::map({{"84", true}}));
  EXPECT_EQ(*read("*<1+>0- "), Value::map({{"-1", true}, {"0", false}}));
}

TEST(SuphiReader, each_table_is_judged_by_its_own_keys) {
  EXPECT_EQ(*read("*>1*>1+#a + >2*>1*>1+ >2-  "),
            Value::array({Value::map({{"1", true}, {"a", true}}),
                          Value::array({Value::array({true}), false})}));
  EXPECT_EQ(*read("|*>1+ *#a + * *>1-  "),
            Value::array({Value::array({true}), Value::map({{"a", true}}), Value::array(),
                          Value::array({false})}));
}

TEST(SuphiReader, a_value_that_was_passed_over_does_not_confuse_what_follows) {
  const std::string text = with_del("|*>1*#a +  *>1-  ");
  SuphiInput in(as_bytes(text), {}, 3);
  std::size_t count = 0;
  ByteView raw;
  ASSERT_TRUE(in.begin_array(count) && in.next_element() && in.skip(raw));
  EXPECT_EQ(as_text(raw), with_del("*>1*#a +  "));
  Value rest;
  ASSERT_TRUE(in.next_element() && schema::read_value(in, rest));
  EXPECT_EQ(rest, Value::array({false}));
  EXPECT_TRUE(!in.next_element() && in.finish());
}

TEST(SuphiReader, a_key_that_is_there_twice_is_corrupt) {
  EXPECT_EQ(fault("*#a +#a + "), Errc::corrupt);
  EXPECT_EQ(fault("*>5+#5 + "), Errc::corrupt) << "they would be one";
}

TEST(SuphiReader, a_key_without_a_text_is_unsupported) {
  for (const char* text : {"*)1+ ", "*++ ", "** + ", "*|+ + ", "*>~~~~~~~~~~~~+ "})
    EXPECT_EQ(fault(text), Errc::unsupported) << text;
}

TEST(SuphiReader, what_the_format_does_not_have_is_corrupt) {
  for (const char* text : {"",    ">",    "<",     ")",      ">\"",  "x",    "\\",   "#a", "|",
                           "*",   "*#a ", "*#a  ", "*>1 ",   "|+",   "++",   ">1>",  "+ ", " ",
                           "*>1", "*>1+", "*>1+>", "#\xff ", "|+  ", "\t>1", "\"a\""})
    EXPECT_EQ(fault(text), Errc::corrupt) << text;
}

TEST(SuphiReader, a_whole_number_beyond_64_bits_is_a_real_that_is_no_other_integer) {
  EXPECT_EQ(*read(">" + repeated("0", 100'000)), Value(0)) << "no digit but zeros";
  // 83^10 is the greatest power that fits.
  EXPECT_EQ(*read(">00000000001"), Value(std::uint64_t{15516041187205853449U}));
  const auto beyond = read(">00000000002");
  ASSERT_TRUE(beyond);
  ASSERT_NE(beyond->get_if<double>(), nullptr);
  EXPECT_NEAR(*beyond->get_if<double>(), 2 * 15516041187205853449.0, 1e4);
  EXPECT_NEAR(*read(">000000000001")->get_if<double>(), 15516041187205853449.0 * 83, 1e6);
  const std::string text = with_del(">00000000002");
  SuphiInput in(as_bytes(text), {}, 3);
  schema::Real real;
  ASSERT_TRUE(in.real(real));
  EXPECT_TRUE(real.rounded);
}

TEST(SuphiReader, a_number_beyond_the_range_of_double_is_corrupt) {
  EXPECT_EQ(fault(">" + repeated("~", 1000)), Errc::corrupt);
  EXPECT_EQ(fault("(" + repeated("~", 100'000)), Errc::corrupt);
}

TEST(SuphiReader, a_list_behind_a_table_that_was_read_twice_is_a_list) {
  const std::string text = with_del("|*>1*>1>5  *>1>7>2>8  ");
  SuphiInput in(as_bytes(text), {}, 3);
  std::size_t count = 0;
  ASSERT_TRUE(in.begin_array(count) && in.next_element());
  Value read;
  const auto start = in.mark();
  ASSERT_TRUE(schema::read_value(in, read));
  in.rewind(start);
  ASSERT_TRUE(schema::read_value(in, read));
  ASSERT_TRUE(in.next_element() && schema::read_value(in, read));
  EXPECT_EQ(read, Value::array({7, 8}));
}

TEST(SuphiReader, another_kind_of_value_is_a_mismatch) {
  SuphiInput in(as_bytes("+"), {}, 3);
  std::string_view text;
  EXPECT_FALSE(in.text(text));
  EXPECT_EQ(in.take_error().code(), Errc::schema_mismatch);
  SuphiInput none(as_bytes("+"), {}, 3);
  EXPECT_FALSE(none.null());
  EXPECT_EQ(none.take_error().code(), Errc::schema_mismatch);
}

TEST(SuphiReader, a_hundred_thousand_levels_are_too_large) {
  for (const char* level : {"|", "*#a ", "*>1", "*>1|", "**", "*>1+>2"}) {
    const auto value = read(repeated(level, 100'000));
    ASSERT_FALSE(value);
    EXPECT_TRUE(value.is(level == std::string_view("**") ? Errc::unsupported : Errc::too_large))
        << level << ": " << value.error();
  }
}

TEST(SuphiReader, limits_hold) {
  EXPECT_TRUE(read("|+++ ", 3, {.elements = 3}));
  EXPECT_TRUE(read("|+++ ", 3, {.elements = 2}).is(Errc::too_large));
  EXPECT_TRUE(read("*>1+>2+>3+ ", 3, {.elements = 2}).is(Errc::too_large));
  EXPECT_TRUE(read("*#a +#b + ", 3, {.elements = 1}).is(Errc::too_large));
  EXPECT_TRUE(read("||+  ", 3, {.depth = 1}).is(Errc::too_large));
  EXPECT_TRUE(read("*>1*>1+  ", 3, {.depth = 1}).is(Errc::too_large));
  EXPECT_TRUE(read("|+ ", 3, {.bytes = 2}).is(Errc::too_large));
}

}  // namespace
