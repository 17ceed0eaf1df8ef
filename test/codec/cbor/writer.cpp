#include <persist/codec/cbor/writer.hpp>

#include <persist/codec/cbor/reader.hpp>
#include <persist/codec/json/reader.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <support/copy_item.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::CborWriter;

std::string written(const std::function<void(CborWriter&)>& write) {
  Buffer out;
  CborWriter writer(out);
  write(writer);
  return writer.ok() ? test::to_hex(out) : writer.take_error().message();
}
std::string from_json(std::string_view json) {
  Buffer out;
  const std::string error = test::converted<codec::JsonReader, CborWriter>(as_bytes(json), out);
  return error.empty() ? test::to_hex(out) : error;
}

// RFC 8949 appendix A: what of it is in the deterministic encoding.
TEST(CborWriter, the_examples_of_the_rfc_come_out) {
  constexpr std::string_view examples[][2] = {
      {"0", "00"},
      {"1", "01"},
      {"10", "0a"},
      {"23", "17"},
      {"24", "1818"},
      {"25", "1819"},
      {"100", "1864"},
      {"1000", "1903e8"},
      {"1000000", "1a000f4240"},
      {"1000000000000", "1b000000e8d4a51000"},
      {"18446744073709551615", "1bffffffffffffffff"},
      {"-1", "20"},
      {"-10", "29"},
      {"-100", "3863"},
      {"-1000", "3903e7"},
      {"0.0", "f90000"},
      {"-0.0", "f98000"},
      {"1.0", "f93c00"},
      {"1.1", "fb3ff199999999999a"},
      {"1.5", "f93e00"},
      {"65504.0", "f97bff"},
      {"100000.0", "fa47c35000"},
      {"3.4028234663852886e+38", "fa7f7fffff"},
      {"1.0e+300", "fb7e37e43c8800759c"},
      {"5.960464477539063e-8", "f90001"},
      {"0.00006103515625", "f90400"},
      {"-4.0", "f9c400"},
      {"-4.1", "fbc010666666666666"},
      {"false", "f4"},
      {"true", "f5"},
      {"null", "f6"},
      {R"("")", "60"},
      {R"("a")", "6161"},
      {R"("IETF")", "6449455446"},
      {R"("\"\\")", "62225c"},
      {R"("\u00fc")", "62c3bc"},
      {R"("\u6c34")", "63e6b0b4"},
      {R"("\ud800\udd51")", "64f0908591"},
      {"[]", "80"},
      {"[1,2,3]", "83010203"},
      {"[1,[2,3],[4,5]]", "8301820203820405"},
      {"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]",
       "98190102030405060708090a0b0c0d0e0f101112131415161718181819"},
      {"{}", "a0"},
      {R"({"a":1,"b":[2,3]})", "a26161016162820203"},
      {R"(["a",{"b":"c"}])", "826161a161626163"},
      {R"({"a":"A","b":"B","c":"C","d":"D","e":"E"})",
       "a56161614161626142616361436164614461656145"}};
  for (const auto& [json, hex] : examples)
    EXPECT_EQ(from_json(json), hex) << json;
  EXPECT_EQ(written([](auto& to) { to.bytes({}); }), "40");
  EXPECT_EQ(written([](auto& to) { to.bytes(test::from_hex("01020304")); }), "4401020304");
}

TEST(CborWriter, what_json_cannot_say_comes_out_too) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(written([](auto& to) { to.real(infinity); }), "f97c00");
  EXPECT_EQ(written([](auto& to) { to.real(-infinity); }), "f9fc00");
  EXPECT_EQ(written([](auto& to) { to.real(std::nan("")); }), "f97e00");
  EXPECT_EQ(written([](auto& to) { to.real(-std::nanf("7")); }), "f97e00");
  EXPECT_EQ(written([](auto& to) { to.integer((std::numeric_limits<std::int64_t>::min)()); }),
            "3b7fffffffffffffff");
}

TEST(CborWriter, a_number_has_one_encoding_whatever_its_width) {
  for (const float value : {0.0f, 1.5f, 0.1f, 1e30f, -65504.0f, 1e-40f, 16777216.0f}) {
    EXPECT_EQ(written([&](auto& to) { to.real(value); }),
              written([&](auto& to) { to.real(static_cast<double>(value)); }));
  }
  EXPECT_EQ(written([](auto& to) { to.real(0.1f); }), "fa3dcccccd");
}

TEST(CborWriter, every_half_is_written_as_that_half) {
  for (unsigned half = 0; half <= 0xffff; ++half) {
    const char bytes[] = {'\xf9', static_cast<char>(half >> 8), static_cast<char>(half & 0xff)};
    codec::CborReader reader(as_bytes(std::string_view(bytes, 3)));
    schema::Real real;
    ASSERT_TRUE(reader.real(real));
    const bool is_nan = (half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0;
    ASSERT_EQ(std::isnan(real.value), is_nan);
    const std::string expected =
        is_nan ? "f97e00" : test::to_hex(as_bytes(std::string_view(bytes, 3)));
    ASSERT_EQ(written([&](auto& to) { to.real(real.value); }), expected);
  }
}

TEST(CborWriter, what_is_next_to_a_half_is_no_half) {
  for (const double value :
       {65503.0, 65520.0, std::ldexp(1.0, -25), std::ldexp(3.0, -25), 2049.0, 1.0009765626}) {
    EXPECT_NE(written([&](auto& to) { to.real(value); }).substr(0, 2), "f9") << value;
  }
}

TEST(CborWriter, keys_are_ordered_by_length_and_then_by_bytes) {
  EXPECT_TRUE(CborWriter::key_less("z", "aa"));
  EXPECT_FALSE(CborWriter::key_less("aa", "z"));
  EXPECT_TRUE(CborWriter::key_less("ab", "ac"));
  EXPECT_TRUE(CborWriter::key_less("a\x7f", "a\x80")) << "bytes are compared without a sign";
  EXPECT_FALSE(CborWriter::key_less("a", "a"));
}

TEST(CborWriter, a_text_of_every_length_is_written_as_it_is) {
  for (std::size_t size = 0; size < 70; ++size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i)
      text += static_cast<char>('!' + i);
    const std::string head = size < 24 ? std::string(1, static_cast<char>(0x60 + size))
                                       : std::string{'\x78', static_cast<char>(size)};
    Buffer out;
    CborWriter writer(out);
    writer.text(text);
    EXPECT_EQ(as_text(out), head + text);
  }
}

TEST(CborWriter, a_text_that_is_no_utf8_is_invalid) {
  EXPECT_NE(written([](auto& to) {
              to.text("ab\xff");
            }).find("invalid: a text is no UTF-8 from its byte 2"),
            std::string::npos);
  EXPECT_NE(written([](auto& to) { to.begin_map(1), to.key("\xc0"); }).find("invalid"),
            std::string::npos);
}

TEST(CborWriter, what_is_too_deep_to_be_read_is_not_written) {
  const auto nested = [](int depth) {
    return written([depth](auto& to) {
      for (int i = 0; i < depth; ++i)
        to.begin_array(1);
      to.null();
      for (int i = 0; i < depth; ++i)
        to.end_array();
    });
  };
  EXPECT_TRUE(nested(128).starts_with("8181"));
  EXPECT_TRUE(nested(129).starts_with("too_large"));
}

}  // namespace
