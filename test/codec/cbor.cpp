#include <persist/codec/cbor.hpp>

#include <persist/schema/value.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <support/hex.hpp>

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
  const auto result = codec::Cbor::encode<NoPolicy>(data, out);
  return result ? test::to_hex(out) : result.error().message();
}
template <class T>
Errc decoded(std::string_view hex, T& into) {
  const Buffer bytes = test::from_hex(hex);
  UnknownFields unknown;
  const auto result = codec::Cbor::decode<NoPolicy>(bytes, into, unknown);
  return result ? Errc{} : result.error().code();
}

TEST(Cbor, fields_are_written_in_the_order_of_their_encoding) {
  EXPECT_EQ(encoded(Save{}),
            "a361616178"
            "65636f696e730a"
            "657370656564f93e00");
}

TEST(Cbor, map_entries_are_written_in_the_order_of_their_encoding) {
  EXPECT_EQ(encoded(std::map<std::string, int>{{"aa", 1}, {"b", 2}}), "a261620262616101");
  EXPECT_EQ(encoded(std::map<int, int>{{-1, 1}, {10, 2}, {9, 3}}),
            "a3613903622d31016231"
            "3002");
  EXPECT_EQ(encoded(Value::map({{"aa", 1}, {"b", 2}})), "a261620262616101");
}

TEST(Cbor, fields_in_any_order_and_of_any_length_are_read) {
  Save save;
  ASSERT_EQ(decoded("bf 65636f696e73 1a00000007 657370656564 02 6161 7f6179617aff ff", save),
            Errc{});
  EXPECT_EQ(save.coins, 7);
  EXPECT_EQ(save.a, "yz");
  EXPECT_EQ(save.speed, 2.0);
}

TEST(Cbor, a_key_that_is_there_twice_is_corrupt) {
  Save save;
  EXPECT_EQ(decoded("a2 6161 6178 6161 6178", save), Errc::corrupt);
  std::map<std::string, int> map;
  EXPECT_EQ(decoded("a2 6161 01 6161 02", map), Errc::corrupt);
  Value value;
  EXPECT_EQ(decoded("a2 6161 01 6161 02", value), Errc::corrupt);
  EXPECT_EQ(decoded("a2 01 01 6131 02", value), Errc::corrupt) << "1 and \"1\" are one key here";
}

TEST(Cbor, a_float_keeps_its_number_through_a_value) {
  const Buffer bytes = test::from_hex(encoded(0.1f));
  Value value;
  float back = 0;
  ASSERT_EQ(decoded(test::to_hex(bytes), value), Errc{});
  EXPECT_EQ(value, Value(0.1f));
  EXPECT_EQ(encoded(value), test::to_hex(bytes));
  ASSERT_EQ(decoded(test::to_hex(bytes), back), Errc{});
  EXPECT_EQ(back, 0.1f);
}

}  // namespace
