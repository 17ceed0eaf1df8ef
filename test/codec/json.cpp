#include <persist/codec/json.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/schema/value.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <codec/profile.hpp>

namespace {

using namespace persist;
using schema::NoPolicy;

struct Save {
  std::int64_t coins = 10;
  std::string a = "x";
  double speed = 1.5;
};

template <class T>
std::string encoded(const T& data) {
  Buffer out;
  const auto result = codec::Json::encode<NoPolicy>(data, out);
  return result ? std::string(as_text(out)) : result.error().message();
}
template <class T>
Errc decoded(std::string_view json, T& into) {
  UnknownFields unknown;
  const auto result = codec::Json::decode<NoPolicy>(as_bytes(json), into, unknown);
  return result ? Errc{} : result.error().code();
}

TEST(Json, fields_are_written_as_they_are_declared) {
  EXPECT_EQ(encoded(Save{}), R"({"coins":10,"a":"x","speed":1.5})");
}

TEST(Json, people_get_a_member_per_line) {
  Buffer out;
  ASSERT_TRUE(codec::Json::encode_pretty<NoPolicy>(Save{}, out));
  EXPECT_EQ(as_text(out), "{\n  \"coins\": 10,\n  \"a\": \"x\",\n  \"speed\": 1.5\n}");
  Save back{0, "", 0};
  EXPECT_EQ(decoded(as_text(out), back), Errc{});
  EXPECT_EQ(back.coins, 10);
}

TEST(Json, any_data_becomes_a_text_for_people) {
  EXPECT_EQ(*to_json(Save{}, {.indent = 0}), encoded(Save{}));
  EXPECT_EQ(*to_json(Save{}), "{\n  \"coins\": 10,\n  \"a\": \"x\",\n  \"speed\": 1.5\n}");
  const Value value = Value::map({{"bag", Value::Array{1, Value::map({{"a b", Value()}})}},
                                  {"empty", Value::Array{}},
                                  {"none", Value::map({})}});
  const auto text = to_json(value, {.indent = 3});
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, R"({
   "bag": [
      1,
      {
         "a b": null
      }
   ],
   "none": {},
   "empty": []
})");
  Value back;
  EXPECT_EQ(decoded(*text, back), Errc{});
  EXPECT_EQ(back, value);
  EXPECT_EQ(*to_json(7), "7");
  EXPECT_TRUE(to_json(std::nan("")).is(Errc::invalid));
}

TEST(Json, a_text_for_people_of_every_kind_is_read_as_it_was) {
  const auto text = to_json(test::full_profile());
  ASSERT_TRUE(text);
  test::Profile back;
  ASSERT_EQ(decoded(*text, back), Errc{});
  EXPECT_EQ(back, test::full_profile());
}

TEST(Json, space_and_order_and_escapes_change_nothing) {
  for (const char* text :
       {R"({"coins":7,"a":"y","speed":2.5})", R"( { "coins" : 7 , "a" : "y" , "speed" : 2.5 } )",
        R"({"speed":2.5,"a":"y","coins":7})", "{\"coins\":\n7,\n\"a\":\t\"y\",\"speed\":2.5\r\n}",
        R"({"co\u0069ns":7,"\u0061":"\u0079","speed":25e-1})"}) {
    Save save;
    ASSERT_EQ(decoded(text, save), Errc{}) << text;
    EXPECT_EQ(save.coins, 7) << text;
    EXPECT_EQ(save.a, "y") << text;
    EXPECT_EQ(save.speed, 2.5) << text;
  }
}

TEST(Json, commas_and_colons_are_looked_for_before_names_that_are_expected) {
  for (const char* text :
       {R"({,"coins":7})", R"({"coins":7"a":"y"})", R"({"coins":7 "a":"y"})", R"({"coins":7,})",
        R"({"coins":7,,"a":"y"})", R"({"coins"7})", R"({"coins":7,"a":"y")", R"({"coins":)",
        R"({"coins":7,"a":"y"]})", R"({"coins":7x})", R"({"coins":07})", R"({"a":"y})",
        R"({"a":"y",)", R"({"speed":2.5.5})"}) {
    Save save;
    EXPECT_EQ(decoded(text, save), Errc::corrupt) << text;
  }
}

TEST(Json, expected_names_are_elements_of_the_budget) {
  Save save;
  UnknownFields unknown;
  const auto within = [&](std::size_t elements) {
    return codec::Json::decode<NoPolicy>(as_bytes(R"({"coins":7,"a":"y","speed":2.5})"), save,
                                         unknown, {.elements = elements});
  };
  EXPECT_TRUE(within(3));
  EXPECT_TRUE(within(2).is(Errc::too_large));
}

TEST(Json, a_member_takes_a_number_only_if_it_holds_exactly_that) {
  double real = 1;
  EXPECT_EQ(decoded("9007199254740992", real), Errc{});
  EXPECT_EQ(real, 9007199254740992.0);
  EXPECT_EQ(decoded("9007199254740993", real), Errc::schema_mismatch);
  EXPECT_EQ(decoded("0.1000000000000000055511151231257827", real), Errc{});
  EXPECT_EQ(real, 0.1);
  EXPECT_EQ(decoded("-0.0", real), Errc{});
  EXPECT_TRUE(std::signbit(real));
  for (const char* beyond : {"1e400", "-1e400", "1e-400", "1e99999999999999999999", "1E+999"})
    EXPECT_EQ(decoded(beyond, real), Errc::corrupt) << beyond;
  float single = 1;
  EXPECT_EQ(decoded("0.1", single), Errc{});
  EXPECT_EQ(single, 0.1f);
  EXPECT_EQ(decoded("0.100000001", single), Errc::schema_mismatch);
  EXPECT_EQ(decoded("1e39", single), Errc::schema_mismatch);
  EXPECT_EQ(decoded("16777217", single), Errc::schema_mismatch);
  std::int8_t small = 1;
  EXPECT_EQ(decoded("-0", small), Errc{});
  EXPECT_EQ(small, 0);
  EXPECT_EQ(decoded("-128", small), Errc{});
  EXPECT_EQ(small, -128);
  for (const char* other : {"128", "-129", "1.5", "1e3", "18446744073709551616"})
    EXPECT_EQ(decoded(other, small), Errc::schema_mismatch) << other;
  for (const char* bad : {"+1", "01", "1.", ".5", "1e", "0x1", "1 2", "--1", "-"})
    EXPECT_EQ(decoded(bad, small), Errc::corrupt) << bad;
}

TEST(Json, a_text_is_checked_to_its_last_byte) {
  std::string text;
  EXPECT_EQ(decoded("\"m\xc3\xbcnze \\ud83d\\ude00\"", text), Errc{});
  EXPECT_EQ(text, "m\xc3\xbcnze \xf0\x9f\x98\x80");
  EXPECT_EQ(decoded("\"longer than a word, \\\"quoted\\\"\"", text), Errc{});
  EXPECT_EQ(text, "longer than a word, \"quoted\"");
  for (const char* bad :
       {"\"abcdefgh\xc3\"", "\"abcdefgh\xff\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\\udc00x\"",
        "\"abcdefgh\n\"", "\"\x01\"", "\"abcdefgh", "\"a\\x\"", "\"a\"b", "\xef\xbb\xbf\"a\""})
    EXPECT_EQ(decoded(bad, text), Errc::corrupt) << bad;
}

TEST(Json, a_name_that_is_there_twice_is_corrupt) {
  Save save;
  EXPECT_EQ(decoded(R"({"a":"x","a":"x"})", save), Errc::corrupt);
  EXPECT_EQ(decoded(R"({"a":"x","\u0061":"x"})", save), Errc::corrupt);
  std::map<std::string, int> map;
  EXPECT_EQ(decoded(R"({"a":1,"a":1})", map), Errc::corrupt);
  Value value;
  EXPECT_EQ(decoded(R"([{"a":1,"b":1,"a":1}])", value), Errc::corrupt);
}

TEST(Json, numbers_that_the_member_cannot_hold_are_a_mismatch) {
  Save save;
  EXPECT_EQ(decoded(R"({"coins":1.5})", save), Errc::schema_mismatch);
  EXPECT_EQ(decoded(R"({"coins":18446744073709551615})", save), Errc::schema_mismatch);
  EXPECT_EQ(decoded(R"({"coins":2.0,"speed":3})", save), Errc{});
  EXPECT_EQ(save.coins, 2);
  EXPECT_EQ(save.speed, 3.0);
}

TEST(Json, the_greatest_and_the_least_numbers_come_back) {
  struct Edges {
    float most = (std::numeric_limits<float>::max)();
    float least = std::numeric_limits<float>::lowest();
    float tiny = std::numeric_limits<float>::denorm_min();
    double most_double = (std::numeric_limits<double>::max)();
    double tiny_double = std::numeric_limits<double>::denorm_min();
  };
  Buffer out;
  ASSERT_TRUE(codec::Json::encode<NoPolicy>(Edges{}, out));
  Edges back{0, 0, 0, 0, 0};
  UnknownFields unknown;
  const auto read = codec::Json::decode<NoPolicy>(out, back, unknown);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(back.most, Edges{}.most);
  EXPECT_EQ(back.least, Edges{}.least);
  EXPECT_EQ(back.tiny, Edges{}.tiny);
  EXPECT_EQ(back.most_double, Edges{}.most_double);
  EXPECT_EQ(back.tiny_double, Edges{}.tiny_double);
}

TEST(Json, nan_is_invalid_and_leaves_nothing) {
  Buffer out;
  EXPECT_TRUE(codec::Json::encode<NoPolicy>(Save{.speed = std::nan("")}, out).is(Errc::invalid));
  EXPECT_TRUE(
      codec::Json::encode_pretty<NoPolicy>(Save{.speed = std::nan("")}, out).is(Errc::invalid));
  EXPECT_TRUE(out.empty());
}

TEST(Json, is_turned_into_cbor_and_back_without_loss) {
  const std::string json = encoded(test::full_profile());
  Value value;
  ASSERT_EQ(decoded(json, value), Errc{});
  Buffer cbor;
  ASSERT_TRUE(codec::Cbor::encode<NoPolicy>(value, cbor));
  UnknownFields unknown;
  Value again;
  ASSERT_TRUE(codec::Cbor::decode<NoPolicy>(cbor, again, unknown));
  EXPECT_EQ(again, value);
  test::Profile profile;
  ASSERT_EQ(decoded(encoded(again), profile), Errc{});
  EXPECT_EQ(profile, test::full_profile());
}

TEST(Json, an_integer_beyond_64_bits_is_a_double_and_never_another_integer) {
  std::int64_t whole = 0;
  double real = 0;
  UnknownFields unknown;
  const ByteView below = as_bytes("-9223372036854775809");
  EXPECT_TRUE(
      (codec::Json::decode<schema::NoPolicy>(below, whole, unknown)).is(Errc::schema_mismatch));
  EXPECT_TRUE((codec::Json::decode<schema::NoPolicy>(below, real, unknown)));
  EXPECT_EQ(real, -9223372036854775808.0);
}

}  // namespace
