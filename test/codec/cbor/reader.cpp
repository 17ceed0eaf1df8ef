#include <persist/codec/cbor/reader.hpp>

#include <persist/codec/json/writer.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <support/copy_item.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::CborReader;
using schema::Token;

std::string as_json(std::string_view hex) {
  Buffer out;
  const std::string error =
      test::converted<CborReader, codec::JsonWriter>(test::from_hex(hex), out);
  return error.empty() ? std::string(as_text(out)) : error;
}
Error refused(std::string_view hex) {
  const Buffer bytes = test::from_hex(hex);
  CborReader reader(bytes);
  ByteView raw;
  reader.skip(raw);
  return reader.finish() ? Error(Errc::io, "it was accepted") : reader.take_error();
}
double real(std::string_view hex) {
  const Buffer bytes = test::from_hex(hex);
  CborReader reader(bytes);
  schema::Real value;
  EXPECT_TRUE(reader.real(value) && reader.finish());
  EXPECT_FALSE(value.single);
  return value.value;
}

// RFC 8949 appendix A, where the data model has it; the deterministic half of it is in the writer's
// test.
TEST(CborReader, the_examples_of_the_rfc_are_read) {
  constexpr std::string_view examples[][2] = {
      {"00", "0"},
      {"17", "23"},
      {"1818", "24"},
      {"1864", "100"},
      {"1903e8", "1000"},
      {"1a000f4240", "1000000"},
      {"1b000000e8d4a51000", "1000000000000"},
      {"1bffffffffffffffff", "18446744073709551615"},
      {"20", "-1"},
      {"3903e7", "-1000"},
      {"f90000", "0.0"},
      {"f98000", "-0.0"},
      {"f93c00", "1.0"},
      {"fb3ff199999999999a", "1.1"},
      {"f97bff", "65504.0"},
      {"fa47c35000", "1e+05"},
      {"fa7f7fffff", "3.4028234663852886e+38"},
      {"fb7e37e43c8800759c", "1e+300"},
      {"f90001", "5.960464477539063e-08"},
      {"f90400", "6.103515625e-05"},
      {"f9c400", "-4.0"},
      {"fbc010666666666666", "-4.1"},
      {"f4", "false"},
      {"f5", "true"},
      {"f6", "null"},
      {"40", R"("")"},
      {"4401020304", R"("AQIDBA==")"},
      {"60", R"("")"},
      {"6161", R"("a")"},
      {"62225c", R"("\"\\")"},
      {"62c3bc", "\"\xc3\xbc\""},
      {"64f0908591", "\"\xf0\x90\x85\x91\""},
      {"80", "[]"},
      {"8301820203820405", "[1,[2,3],[4,5]]"},
      {"a0", "{}"},
      {"a201020304", R"({"1":2,"3":4})"},
      {"a26161016162820203", R"({"a":1,"b":[2,3]})"},
      {"826161a161626163", R"(["a",{"b":"c"}])"},
      {"5f42010243030405ff", R"("AQIDBAU=")"},
      {"7f657374726561646d696e67ff", R"("streaming")"},
      {"9fff", "[]"},
      {"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
      {"9f01820203820405ff", "[1,[2,3],[4,5]]"},
      {"83018202039f0405ff", "[1,[2,3],[4,5]]"},
      {"83019f0203ff820405", "[1,[2,3],[4,5]]"},
      {"bf61610161629f0203ffff", R"({"a":1,"b":[2,3]})"},
      {"826161bf61626163ff", R"(["a",{"b":"c"}])"},
      {"bf6346756ef563416d7421ff", R"({"Fun":true,"Amt":-2})"}};
  for (const auto& [hex, json] : examples)
    EXPECT_EQ(as_json(hex), json) << hex;
}

TEST(CborReader, infinities_and_nan_are_read_in_every_width) {
  for (const auto* hex : {"f97c00", "fa7f800000", "fb7ff0000000000000"})
    EXPECT_EQ(real(hex), INFINITY);
  for (const auto* hex : {"f9fc00", "faff800000", "fbfff0000000000000"})
    EXPECT_EQ(real(hex), -INFINITY);
  for (const auto* hex : {"f97e00", "fa7fc00000", "fb7ff8000000000000"})
    EXPECT_TRUE(std::isnan(real(hex)));
}

TEST(CborReader, integers_of_every_width_are_read) {
  const Buffer bytes = test::from_hex("84 1801 1b0000000000000001 3bffffffffffffffff 390000");
  CborReader reader(bytes);
  std::size_t count = 0;
  ASSERT_TRUE(reader.begin_array(count));
  EXPECT_EQ(count, 4u);
  const schema::Integer expected[] = {{false, 1}, {false, 1}, {true, ~std::uint64_t{0}}, {true, 0}};
  for (const auto& each : expected) {
    schema::Integer value;
    ASSERT_TRUE(reader.next_element() && reader.integer(value));
    EXPECT_EQ(value.negative, each.negative);
    EXPECT_EQ(value.magnitude, each.magnitude);
  }
  EXPECT_FALSE(reader.next_element());
  EXPECT_TRUE(reader.finish());
}

TEST(CborReader, integer_keys_are_given_in_decimal) {
  EXPECT_EQ(as_json("a4 00 f5 20 f5 1bffffffffffffffff f5 3bffffffffffffffff f5"),
            R"({"0":true,"-1":true,"18446744073709551615":true,"-18446744073709551616":true})");
}

TEST(CborReader, other_keys_are_refused_in_words) {
  for (const auto* hex :
       {"a1f500", "a1f600", "a1f93c0000", "a1410000", "a18000", "a1a000", "bf8000ff"}) {
    EXPECT_EQ(refused(hex), Errc::corrupt) << hex;
    EXPECT_NE(refused(hex).detail().find("keys are text or integers"), std::string_view::npos)
        << hex;
  }
}

TEST(CborReader, the_mark_of_cbor_in_front_is_passed_over) {
  EXPECT_EQ(as_json("d9d9f7 8101"), "[1]");
  EXPECT_EQ(refused("d9d9f7"), Errc::corrupt);
}

TEST(CborReader, what_would_be_lost_when_written_back_is_refused) {
  for (const auto* hex : {"c074323031332d30332d32315432303a30343a30305a", "c11a514b67b0",
                          "c249010000000000000000", "d74401020304", "d818456449455446",
                          "81d9d9f700", "f7", "f0", "f820", "f8ff", "81c000", "e0"}) {
    EXPECT_EQ(refused(hex), Errc::corrupt) << hex;
  }
  EXPECT_NE(refused("c11a514b67b0").detail().find("a tag"), std::string_view::npos);
}

// RFC 8949 appendix F, and more of its kind.
constexpr std::string_view ill_formed[] = {"",
                                           "1c",
                                           "1d",
                                           "1e",
                                           "3c",
                                           "5d",
                                           "7e",
                                           "9c",
                                           "bd",
                                           "dc",
                                           "fc",
                                           "fe",
                                           "f800",
                                           "f818",
                                           "18",
                                           "19",
                                           "1a",
                                           "1b",
                                           "1901",
                                           "1a010203",
                                           "1b01020304050607",
                                           "38",
                                           "58",
                                           "78",
                                           "98",
                                           "b8",
                                           "d8",
                                           "f8",
                                           "f900",
                                           "fa0000",
                                           "fb000000",
                                           "41",
                                           "61",
                                           "4201",
                                           "6261",
                                           "5affffffff00",
                                           "5bffffffffffffffff010203",
                                           "7affffffff00",
                                           "7b7fffffffffffffff010203",
                                           "81",
                                           "818181818181818181",
                                           "8200",
                                           "a1",
                                           "a20102",
                                           "a100",
                                           "a2000000",
                                           "c0",
                                           "5f4100",
                                           "7f6100",
                                           "9f",
                                           "9f0102",
                                           "bf",
                                           "bf01020102",
                                           "819f",
                                           "9f8000",
                                           "9f9f9f9f9fffffffff",
                                           "9f819f819f9fffffff",
                                           "ff",
                                           "81ff",
                                           "8200ff",
                                           "a1ff",
                                           "a1ff00",
                                           "a100ff",
                                           "a20000ff",
                                           "9f81ff",
                                           "9f829f819f9fffffffff",
                                           "bf00ff",
                                           "bf000000ff",
                                           "5f00ff",
                                           "5f21ff",
                                           "5f6100ff",
                                           "5f80ff",
                                           "5fa0ff",
                                           "5fc000ff",
                                           "5fe0ff",
                                           "7f4100ff",
                                           "5f5f4100ffff",
                                           "5f5fff",
                                           "7f7fff",
                                           "7f7f6100ffff",
                                           "1f",
                                           "3f",
                                           "df",
                                           "0000",
                                           "9fff00",
                                           "61ff",
                                           "62c080",
                                           "63eda080",
                                           "7f61c361bcff"};

TEST(CborReader, what_is_not_well_formed_is_refused) {
  for (const auto hex : ill_formed) {
    EXPECT_EQ(refused(hex), Errc::corrupt) << hex << ": " << refused(hex);
  }
}

TEST(CborReader, a_length_beyond_the_input_is_found_before_anything_is_kept) {
  for (const auto* hex : {"9b8000000000000000", "bb8000000000000000", "9a00ffffff00",
                          "ba0000000201020304", "5b8000000000000000", "7b8000000000000000ff"}) {
    EXPECT_EQ(refused(std::string(hex).append("00")), Errc::corrupt) << hex;
  }
}

TEST(CborReader, the_position_is_named) {
  EXPECT_TRUE(refused("820161ff").detail().starts_with("CBOR at byte 3: ")) << refused("820161ff");
}

TEST(CborReader, another_token_than_asked_for_is_a_mismatch_that_names_both) {
  const Buffer bytes = test::from_hex("6161");
  CborReader reader(bytes);
  schema::Integer value;
  EXPECT_FALSE(reader.integer(value));
  const Error error = reader.take_error();
  EXPECT_EQ(error, Errc::schema_mismatch);
  EXPECT_EQ(error.expected(), "an integer");
  EXPECT_EQ(error.found(), "a text");
}

TEST(CborReader, a_failure_stays) {
  const Buffer bytes = test::from_hex("01");
  CborReader reader(bytes);
  std::string_view text;
  schema::Integer value;
  EXPECT_FALSE(reader.text(text));
  EXPECT_FALSE(reader.integer(value));
  EXPECT_EQ(reader.peek(), Token::bad);
  EXPECT_FALSE(reader.finish());
  EXPECT_EQ(reader.take_error(), Errc::schema_mismatch);
}

TEST(CborReader, an_item_passed_over_is_given_as_it_is) {
  const Buffer bytes = test::from_hex("83 bf6161 9f01ff ff 19 0001 05");
  CborReader reader(bytes);
  std::size_t count = 0;
  ByteView raw;
  ASSERT_TRUE(reader.begin_array(count) && reader.next_element() && reader.skip(raw));
  EXPECT_EQ(test::to_hex(raw), "bf61619f01ffff");
  ASSERT_TRUE(reader.next_element() && reader.skip(raw));
  EXPECT_EQ(test::to_hex(raw), "190001");
  ASSERT_TRUE(reader.next_element() && reader.skip(raw) && !reader.next_element());
  EXPECT_TRUE(reader.finish());
}

TEST(CborReader, limits_are_too_large_and_name_the_limit) {
  const auto error = [](std::string_view hex, schema::Limits limits) {
    const Buffer bytes = test::from_hex(hex);
    CborReader reader(bytes, limits);
    ByteView raw;
    reader.skip(raw);
    return reader.finish() ? Error(Errc::io) : reader.take_error();
  };
  EXPECT_EQ(error("8101", {.bytes = 1}), Errc::too_large);
  EXPECT_EQ(error("8101", {.bytes = 2}), Errc::io);
  EXPECT_EQ(error("83010203", {.elements = 2}), Errc::too_large);
  EXPECT_EQ(error("9f010203ff", {.elements = 2}), Errc::too_large);
  EXPECT_EQ(error("bf616101616202ff", {.elements = 1}), Errc::too_large);
  EXPECT_EQ(error("8281018102", {.elements = 3}), Errc::too_large)
      << "one budget for the whole input";
  EXPECT_EQ(error("818180", {.depth = 2}), Errc::too_large);
  EXPECT_EQ(error("818180", {.depth = 3}), Errc::io);
  EXPECT_NE(error("818180", {.depth = 2}).detail().find("nested deeper than 2"),
            std::string_view::npos);
}

}  // namespace
