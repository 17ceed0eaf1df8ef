#include <persist/codec/concept.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/suphi.hpp>

#include <string>

#include <gtest/gtest.h>

#include <codec/profile.hpp>

namespace {

using namespace persist;

struct Nameless {
  static constexpr std::uint16_t id = 2000;
};
struct WriteOnly {
  static constexpr std::uint16_t id = 2001;
  static constexpr std::string_view name = "write-only";
  template <class Policy, class T>
  static Result<void> encode(const T&, UnknownFields&, Buffer&) {
    return success;
  }
};

static_assert(codec_for<codec::Cbor, test::Profile> && codec_for<codec::Json, test::Profile>);
static_assert(codec_for<codec::Cbor, Value> && codec_for<codec::Json, int>);
static_assert(!names_itself<Nameless> && !names_itself<int> && !codec_for<Nameless, int>);
static_assert(encodes<WriteOnly, int> && !decodes<WriteOnly, int> && !codec_for<WriteOnly, int>);

TEST(CodecConcept, a_known_id_is_called_by_its_name_and_another_by_its_number) {
  EXPECT_EQ(codec::name_of(codec::Cbor::id), codec::Cbor::name);
  EXPECT_EQ(codec::name_of(codec::Json::id), codec::Json::name);
  EXPECT_EQ(codec::name_of(codec::Suphi<>::id), codec::Suphi<>::name);
  EXPECT_EQ(codec::name_of(codec::Suphi<2, 0>::id), "suphi with 0 decimals");
  EXPECT_EQ(codec::name_of(codec::Suphi<2, 15>::id), "suphi with 15 decimals");
  EXPECT_EQ(codec::name_of(48), "number 48");
  EXPECT_EQ(codec::name_of(999), "number 999");
}

TEST(CodecConcept, ids_are_what_records_hold) {
  EXPECT_EQ(codec::Cbor::id, 1);
  EXPECT_EQ(codec::Json::id, 2);
  EXPECT_EQ(codec::Suphi<>::id, 4);
  EXPECT_EQ((codec::Suphi<2, 0>::id), 32);
  EXPECT_EQ((codec::Suphi<1, 15, false>::id), 47);
}

}  // namespace
