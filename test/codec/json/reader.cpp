#include <persist/codec/json/reader.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <support/copy_item.hpp>

namespace {

using namespace persist;
using namespace std::string_view_literals;
using codec::JsonReader;
using schema::Token;

std::string again(std::string_view json) {
  Buffer out;
  const std::string error = test::converted<JsonReader, codec::JsonWriter>(as_bytes(json), out);
  return error.empty() ? std::string(as_text(out)) : error;
}
Error refused(std::string_view json, schema::Limits limits = {}) {
  JsonReader reader(as_bytes(json), limits);
  ByteView raw;
  reader.skip(raw);
  return reader.finish() ? Error(Errc::io, "it was accepted") : reader.take_error();
}

TEST(JsonReader, good_texts_are_read) {
  constexpr std::string_view examples[][2] = {
      {"null", "null"},
      {" true ", "true"},
      {"\t\r\n false\n", "false"},
      {"[]", "[]"},
      {"[ ]", "[]"},
      {"{ }", "{}"},
      {"[ 1 , 2 ]", "[1,2]"},
      {R"({ "a" : 1 , "b" : [ { } ] })", R"({"a":1,"b":[{}]})"},
      {R"({"":0})", R"({"":0})"},
      {R"({"a\u0000b":0})", R"({"a\u0000b":0})"},
      {R"("")", R"("")"},
      {R"("\"\\\/\b\f\n\r\t")", R"("\"\\/\b\f\n\r\t")"},
      {R"("\u0041\u00e9\u20AC")", "\"A\xc3\xa9\xe2\x82\xac\""},
      {R"("x\uD83d\uDE00y")", "\"x\xf0\x9f\x98\x80y\""},
      {R"("\u0000\u001F")", R"("\u0000\u001f")"},
      {R"("\uffff\uD7FF\uE000")", "\"\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80\""},
      {"\"\xf4\x8f\xbf\xbf\x7f\"", "\"\xf4\x8f\xbf\xbf\x7f\""},
      {"0", "0"},
      {"-0", "0"},
      {"-1", "-1"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "18446744073709551616.0"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"-9223372036854775809", "-9223372036854775808.0"},
      {"1.0", "1.0"},
      {"-0.0", "-0.0"},
      {"1e2", "100.0"},
      {"1E+2", "100.0"},
      {"25e-1", "2.5"},
      {"0e0", "0.0"},
      {"0.1e1", "1.0"},
      {"123456789012345678901234567890", "1.2345678901234568e+29"},
      {"4.9406564584124654e-324", "5e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"0.1000000000000000055511151231257827021181583404541015625", "0.1"}};
  for (const auto& [json, same] : examples)
    EXPECT_EQ(again(json), same) << json;
}

constexpr std::string_view bad_texts[] = {""sv,
                                          " "sv,
                                          "["sv,
                                          "]"sv,
                                          "{"sv,
                                          "}"sv,
                                          "[1"sv,
                                          "[1,"sv,
                                          "[1,]"sv,
                                          "[,]"sv,
                                          "[,1]"sv,
                                          "[1 2]"sv,
                                          "[1,,2]"sv,
                                          "[1}"sv,
                                          "[}"sv,
                                          "{]"sv,
                                          "[1]]"sv,
                                          "[]1"sv,
                                          "1 2"sv,
                                          "[1] x"sv,
                                          "{\"a\"}"sv,
                                          "{\"a\":}"sv,
                                          "{\"a\" 1}"sv,
                                          "{\"a\":1,}"sv,
                                          "{,}"sv,
                                          "{\"a\":1 \"b\":2}"sv,
                                          "{a:1}"sv,
                                          "{'a':1}"sv,
                                          "{1:1}"sv,
                                          "{null:1}"sv,
                                          "{\"a\":1,,\"b\":1}"sv,
                                          "{\"a\"::1}"sv,
                                          "{\"a\":1"sv,
                                          "{\"a\""sv,
                                          "{\"a\":"sv,
                                          "{[]:1}"sv,
                                          "[:]"sv,
                                          "nul"sv,
                                          "nulL"sv,
                                          "Null"sv,
                                          "tru"sv,
                                          "truer"sv,
                                          "fals"sv,
                                          "NaN"sv,
                                          "Infinity"sv,
                                          "-Infinity"sv,
                                          "undefined"sv,
                                          "+1"sv,
                                          "-"sv,
                                          "--1"sv,
                                          "01"sv,
                                          "-01"sv,
                                          "00"sv,
                                          "1."sv,
                                          ".1"sv,
                                          "-.1"sv,
                                          "1.e1"sv,
                                          "1e"sv,
                                          "1e+"sv,
                                          "1eE2"sv,
                                          "1.2.3"sv,
                                          "0x1"sv,
                                          "1a"sv,
                                          "1_000"sv,
                                          "1e400"sv,
                                          "-1e400"sv,
                                          "1e-400"sv,
                                          "- 1"sv,
                                          "1 000"sv,
                                          "\""sv,
                                          "\"a"sv,
                                          "'a'"sv,
                                          "\"\\"sv,
                                          "\"\\\""sv,
                                          "\"\\x41\""sv,
                                          "\"\\a\""sv,
                                          "\"\\'\""sv,
                                          "\"\\u\""sv,
                                          "\"\\u12\""sv,
                                          "\"\\u123\""sv,
                                          "\"\\u123g\""sv,
                                          "\"\\u-123\""sv,
                                          "\"\\u 123\""sv,
                                          "\"\\U0041\""sv,
                                          "\"\\ud800\""sv,
                                          "\"\\udc00\""sv,
                                          "\"\\ud800\\u0041\""sv,
                                          "\"\\ud800x\""sv,
                                          "\"\\ud800\\ud800\""sv,
                                          "\"\\udc00\\ud800\""sv,
                                          "\"\\ud800\\n\""sv,
                                          "\"\\ud800\\udc0\""sv,
                                          "\"a\nb\""sv,
                                          "\"a\tb\""sv,
                                          "\"\0\""sv,
                                          "\"\x1f\""sv,
                                          "\"\x80\""sv,
                                          "\"\xc0\x80\""sv,
                                          "\"\xed\xa0\x80\""sv,
                                          "\"\xf5\x80\x80\x80\""sv,
                                          "\"\xc3\""sv,
                                          "\"\xff\\n\""sv,
                                          "\xef\xbb\xbf[]"sv,
                                          "\xff\xfe[\0]\0"sv,
                                          "[1]//x"sv,
                                          "/*x*/1"sv,
                                          "[1]\0"sv,
                                          "\0"sv,
                                          "\f1"sv,
                                          "\xc2\xa0 1"sv,
                                          "#1"sv,
                                          "\\u0031"sv,
                                          "[\"a\"\"b\"]"sv,
                                          "[1]\x0b"sv};

TEST(JsonReader, bad_texts_are_refused) {
  for (const auto json : bad_texts) {
    EXPECT_EQ(refused(json), Errc::corrupt) << json << ": " << refused(json);
    EXPECT_NE(again(json).find("corrupt"), std::string::npos) << json;
  }
}

TEST(JsonReader, a_number_is_an_integer_where_64_bits_hold_it) {
  const auto kind = [](std::string_view json) { return JsonReader(as_bytes(json)).peek(); };
  for (const auto json : {"0", "-0", "18446744073709551615", "-9223372036854775808"}) {
    EXPECT_EQ(kind(json), Token::integer) << json;
  }
  for (const auto json : {"1.0", "1e0", "18446744073709551616", "-9223372036854775809"}) {
    EXPECT_EQ(kind(json), Token::real) << json;
  }
}

TEST(JsonReader, the_most_negative_integer_is_exact) {
  JsonReader reader(as_bytes("-9223372036854775808"));
  schema::Integer value;
  ASSERT_TRUE(reader.integer(value));
  EXPECT_TRUE(value.negative);
  EXPECT_EQ(value.magnitude, (std::uint64_t{1} << 63) - 1);
}

TEST(JsonReader, text_without_escapes_lies_in_the_input) {
  const std::string_view json = R"(["plain","esc\n"])";
  JsonReader reader(as_bytes(json));
  std::size_t count = 7;
  std::string_view text;
  ASSERT_TRUE(reader.begin_array(count) && reader.next_element() && reader.text(text));
  EXPECT_EQ(count, 0u);
  EXPECT_EQ(text.data(), json.data() + 2);
  ASSERT_TRUE(reader.next_element() && reader.text(text));
  EXPECT_EQ(text, "esc\n");
}

TEST(JsonReader, bytes_are_read_from_base64) {
  JsonReader good(as_bytes(R"("Zm9v\u0059g==")"));
  ByteView bytes;
  ASSERT_TRUE(good.bytes(bytes) && good.finish());
  EXPECT_EQ(as_text(bytes), "foob");
  for (const auto json : {R"("Zg")", R"("Zm9?")", R"("Zh==")"}) {
    JsonReader bad(as_bytes(json));
    EXPECT_FALSE(bad.bytes(bytes));
    EXPECT_EQ(bad.take_error(), Errc::corrupt) << json;
  }
}

TEST(JsonReader, a_value_passed_over_is_given_as_it_is) {
  JsonReader reader(as_bytes("[ {\"a\" : [1, 2]} ,3]"));
  std::size_t count = 0;
  ByteView raw;
  ASSERT_TRUE(reader.begin_array(count) && reader.next_element() && reader.skip(raw));
  EXPECT_EQ(as_text(raw), "{\"a\" : [1, 2]}");
  ASSERT_TRUE(reader.next_element() && reader.skip(raw) && !reader.next_element() &&
              reader.finish());
  EXPECT_EQ(as_text(raw), "3");
}

constexpr std::array<std::string_view, 2> names{"coins", "level"};

TEST(JsonReader, a_name_that_is_expected_is_taken_only_as_it_is_spelled) {
  const auto& expected = JsonReader::spelled<names>();
  JsonReader reader(as_bytes(R"({"coins":1,"level":2, "coins":3})"));
  std::size_t count = 0;
  std::int32_t value = 0;
  ASSERT_TRUE(reader.begin_map(count));
  EXPECT_FALSE(reader.next_key_is(expected[1]));
  ASSERT_TRUE(reader.next_key_is(expected[0]));
  ASSERT_EQ(reader.direct(value), schema::Direct::done);
  EXPECT_EQ(value, 1);
  EXPECT_FALSE(reader.next_key_is(expected[0]));
  ASSERT_TRUE(reader.next_key_is(expected[1]));
  ASSERT_EQ(reader.direct(value), schema::Direct::done);
  EXPECT_EQ(value, 2);
  EXPECT_FALSE(reader.next_key_is(expected[0])) << "a space before it";
  std::string_view key;
  ASSERT_TRUE(reader.next_key(key));
  EXPECT_EQ(key, "coins");
}

TEST(JsonReader, nothing_is_read_at_once_after_a_failure) {
  JsonReader number(as_bytes("7"), {.bytes = 0});
  std::int32_t value = 0;
  EXPECT_EQ(number.direct(value), schema::Direct::no);
  JsonReader map(as_bytes(R"({"coins":1})"));
  std::size_t count = 0;
  ASSERT_TRUE(map.begin_map(count));
  map.fail(Error(Errc::invalid, "something"));
  EXPECT_FALSE(map.next_key_is(JsonReader::spelled<names>()[0]));
}

TEST(JsonReader, what_is_not_spelled_as_most_is_not_read_at_once) {
  const auto refused_at_once = [](std::string_view json, auto into) {
    JsonReader reader(as_bytes(json));
    return reader.direct(into) == schema::Direct::no && reader.offset() == 0;
  };
  EXPECT_TRUE(refused_at_once(" true", false));
  EXPECT_TRUE(refused_at_once("tru", false));
  EXPECT_TRUE(refused_at_once("1", false));
  EXPECT_TRUE(refused_at_once("\"\\n\"", std::string()));
  EXPECT_TRUE(refused_at_once("\"\xc3\xbc\"", std::string()));
  EXPECT_TRUE(refused_at_once("\"a", std::string()));
  EXPECT_TRUE(refused_at_once("1", std::string()));
  EXPECT_TRUE(refused_at_once("", std::string()));
  EXPECT_TRUE(refused_at_once("[1]", std::vector<int>()));
}

TEST(JsonReader, another_token_than_asked_for_is_a_mismatch_that_names_both) {
  JsonReader reader(as_bytes("1.5"));
  schema::Integer value;
  EXPECT_FALSE(reader.integer(value));
  const Error error = reader.take_error();
  EXPECT_EQ(error, Errc::schema_mismatch);
  EXPECT_EQ(error.expected(), "an integer");
  EXPECT_EQ(error.found(), "a real");
}

TEST(JsonReader, a_comma_too_many_is_called_that) {
  for (const auto json : {"[1,]", "[1, ]", R"({"a":1,})"})
    EXPECT_NE(refused(json).detail().find("a comma that nothing follows"), std::string_view::npos)
        << refused(json);
}

TEST(JsonReader, the_position_is_named) {
  EXPECT_TRUE(refused("[1, x]").detail().starts_with("JSON at byte 4: ")) << refused("[1, x]");
}

TEST(JsonReader, limits_are_too_large) {
  EXPECT_EQ(refused("[1]", {.bytes = 2}), Errc::too_large);
  EXPECT_EQ(refused("[1,2,3]", {.elements = 2}), Errc::too_large);
  EXPECT_EQ(refused(R"({"a":1,"b":2})", {.elements = 1}), Errc::too_large);
  EXPECT_EQ(refused("[[[]]]", {.depth = 2}), Errc::too_large);
  EXPECT_EQ(refused("[[[]]]", {.depth = 3}), Errc::io);
}

}  // namespace
