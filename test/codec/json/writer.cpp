#include <persist/codec/json/writer.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <support/hex.hpp>

namespace {

using namespace persist;
using namespace std::string_view_literals;
using codec::JsonStyle;
using codec::JsonWriter;

std::string written(const std::function<void(JsonWriter&)>& write,
                    JsonStyle style = JsonStyle::compact) {
  Buffer out;
  JsonWriter writer(out, style);
  write(writer);
  return writer.ok() ? std::string(as_text(out)) : writer.take_error().message();
}
void profile(JsonWriter& to) {
  to.begin_map(3);
  to.key("coins"), to.integer(-5);
  to.key("bag"), to.begin_array(2), to.text("axe"), to.begin_map(0), to.end_map(), to.end_array();
  to.key("none"), to.begin_array(0), to.end_array();
  to.end_map();
}

TEST(JsonWriter, commas_and_colons_stand_where_they_belong) {
  EXPECT_EQ(written(profile), R"({"coins":-5,"bag":["axe",{}],"none":[]})");
  EXPECT_EQ(written([](auto& to) {
              to.begin_array(3), to.null(), to.boolean(true), to.boolean(false), to.end_array();
            }),
            "[null,true,false]");
}

TEST(JsonWriter, people_get_lines_and_indentation) {
  EXPECT_EQ(written(profile, JsonStyle::pretty),
            "{\n  \"coins\": -5,\n  \"bag\": [\n    \"axe\",\n    {}\n  ],\n  \"none\": []\n}");
}

TEST(JsonWriter, integers_are_whole) {
  EXPECT_EQ(
      written([](auto& to) { to.unsigned_integer((std::numeric_limits<std::uint64_t>::max)()); }),
      "18446744073709551615");
  EXPECT_EQ(written([](auto& to) { to.integer((std::numeric_limits<std::int64_t>::min)()); }),
            "-9223372036854775808");
}

TEST(JsonWriter, a_floating_number_has_the_shortest_text_of_its_width) {
  EXPECT_EQ(written([](auto& to) { to.real(0.1); }), "0.1");
  EXPECT_EQ(written([](auto& to) { to.real(0.1f); }), "0.1");
  EXPECT_EQ(written([](auto& to) { to.real(static_cast<double>(0.1f)); }), "0.10000000149011612");
  EXPECT_EQ(written([](auto& to) { to.real(1e300); }), "1e+300");
  EXPECT_EQ(written([](auto& to) { to.real(-1.7976931348623157e308); }),
            "-1.7976931348623157e+308");
}

TEST(JsonWriter, a_whole_floating_number_stays_one) {
  EXPECT_EQ(written([](auto& to) { to.real(3.0); }), "3.0");
  EXPECT_EQ(written([](auto& to) { to.real(-0.0f); }), "-0.0");
  EXPECT_EQ(written([](auto& to) { to.real(123456.0f); }), "123456.0");
}

TEST(JsonWriter, nan_and_infinity_are_invalid_and_the_error_says_what_to_do) {
  for (const double value :
       {std::nan(""), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
    const auto message = written([value](auto& to) { to.real(value); });
    EXPECT_TRUE(message.starts_with("invalid: JSON has no NaN")) << message;
    EXPECT_NE(message.find("codec::Cbor"), std::string::npos);
  }
}

TEST(JsonWriter, control_characters_quotes_and_backslashes_are_escaped) {
  EXPECT_EQ(written([](auto& to) { to.text("a\"b\\c/\b\f\n\r\t\0\x1f\x7f\xc3\xbc"sv); }),
            "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xc3\xbc\"");
  EXPECT_EQ(written([](auto& to) { to.begin_map(1), to.key("\n"), to.null(), to.end_map(); }),
            R"({"\n":null})");
}

TEST(JsonWriter, bytes_are_base64) {
  EXPECT_EQ(written([](auto& to) { to.bytes(as_bytes("foob")); }), R"("Zm9vYg==")");
}

TEST(JsonWriter, what_is_json_already_is_put_in_its_place) {
  EXPECT_EQ(written([](auto& to) {
              to.begin_array(2), to.raw(as_bytes("1")), to.raw(as_bytes("{}")), to.end_array();
            }),
            "[1,{}]");
}

TEST(JsonWriter, a_text_that_is_no_utf8_is_invalid) {
  EXPECT_TRUE(written([](auto& to) {
                to.text("\xed\xa0\x80");
              }).starts_with("invalid: a text is no UTF-8"));
  EXPECT_TRUE(written([](auto& to) { to.begin_map(1), to.key("\xff"); }).starts_with("invalid"));
}

TEST(JsonWriter, what_is_too_deep_to_be_read_is_not_written) {
  const auto nested = [](int depth) {
    return written([depth](auto& to) {
      for (int i = 0; i < depth; ++i)
        to.begin_array(1);
    });
  };
  EXPECT_TRUE(nested(128).starts_with("[["));
  EXPECT_TRUE(nested(129).starts_with("too_large"));
}

}  // namespace
