// builds: single nohana no-exceptions
#include <persist/codec/token_codec.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/schema/value.hpp>

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <codec/profile.hpp>

namespace {

using namespace persist;
using schema::NoPolicy;

struct Old {
  int coins = 1;
};
struct New {
  int coins = 1;
  std::vector<int> gems{1, 2};
};
struct Keeping {};  // a policy that drops nothing

template <class Codec>
class TokenCodec : public testing::Test {};
using Codecs = testing::Types<codec::Cbor, codec::Json, codec::Packed>;
TYPED_TEST_SUITE(TokenCodec, Codecs);

TYPED_TEST(TokenCodec, what_was_encoded_decodes_to_equal_data) {
  for (const auto& profile : {test::Profile{}, test::full_profile()}) {
    Buffer bytes;
    const auto encoded = TypeParam::template encode<NoPolicy>(profile, bytes);
    ASSERT_TRUE(encoded) << encoded.error();
    test::Profile back;
    UnknownFields unknown;
    const auto decoded = TypeParam::template decode<NoPolicy>(bytes, back, unknown);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(back, profile);
    EXPECT_TRUE(unknown.empty());
  }
}

TYPED_TEST(TokenCodec, equal_data_is_equal_bytes) {
  Buffer once, again;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(test::full_profile(), once));
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(test::full_profile(), again));
  EXPECT_EQ(once, again);
}

TYPED_TEST(TokenCodec, a_value_comes_back_equal) {
  const Value value = Value::map({{"list", Value::array({1, -1, 2.5, "x", nullptr, true})},
                                  {"deep", Value::map({{"a", Value::map()}})},
                                  {"big", (std::numeric_limits<std::uint64_t>::max)()}});
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(value, bytes));
  Value back;
  UnknownFields unknown;
  ASSERT_TRUE(TypeParam::template decode<NoPolicy>(bytes, back, unknown));
  EXPECT_EQ(back, value);
}

TYPED_TEST(TokenCodec, fields_this_build_does_not_know_are_written_back) {
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(New{5, {7, 8, 9}}, bytes));
  Old old;
  UnknownFields unknown;
  const auto decoded = TypeParam::template decode<Keeping>(bytes, old, unknown);
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_FALSE(unknown.empty());
  old.coins = 6;
  Buffer again;
  ASSERT_TRUE(TypeParam::template encode<Keeping>(old, unknown, again));
  New back;
  ASSERT_TRUE(TypeParam::template decode<NoPolicy>(again, back, unknown));
  EXPECT_EQ(back.coins, 6);
  EXPECT_EQ(back.gems, (std::vector<int>{7, 8, 9}));
}

TYPED_TEST(TokenCodec, a_failed_encode_leaves_the_buffer_as_it_was) {
  Buffer bytes(as_bytes("before"));
  EXPECT_TRUE(TypeParam::template encode<NoPolicy>(std::vector<std::string>{"ok", "\xff"}, bytes)
                  .is(Errc::invalid));
  UnknownFields unknown;
  EXPECT_TRUE(
      TypeParam::template encode<NoPolicy>(std::vector<std::string>{"ok", "\xff"}, unknown, bytes)
          .is(Errc::invalid));
  EXPECT_EQ(as_text(bytes), "before");
}

TYPED_TEST(TokenCodec, what_follows_the_value_is_corrupt) {
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(Old{}, bytes));
  bytes.push(std::byte{'0'});
  Old old;
  UnknownFields unknown;
  EXPECT_TRUE(TypeParam::template decode<NoPolicy>(bytes, old, unknown).is(Errc::corrupt));
}

TYPED_TEST(TokenCodec, limits_are_kept) {
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(std::vector<int>(100), bytes));
  std::vector<int> back;
  UnknownFields unknown;
  EXPECT_TRUE(TypeParam::template decode<NoPolicy>(bytes, back, unknown, {.elements = 99})
                  .is(Errc::too_large));
  EXPECT_TRUE(TypeParam::template decode<NoPolicy>(bytes, back, unknown, {.elements = 100}));
}

}  // namespace
