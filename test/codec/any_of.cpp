#include <persist/codec/any_of.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/value.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using codec::AnyOf, codec::Cbor, codec::Json, codec::Packed;
struct Keeping {};  // a policy that drops nothing

static_assert(codec_for<AnyOf<Packed, Cbor>, int> && reads_others<AnyOf<Packed, Cbor>>);
static_assert(!reads_others<Packed> && AnyOf<Json, Packed>::id == Json::id);
static_assert(AnyOf<Cbor, Json>::reads(Json::id) && !AnyOf<Cbor, Json>::reads(Packed::id));

struct Save {
  int coins = 1;
  std::vector<std::string> bag;
};
struct NewerSave {
  int coins = 1;
  std::vector<std::string> bag;
  int gems = 0;
};

template <class Codec, class T>
Buffer record_of(const T& from, UnknownFields& unknown) {
  Buffer record;
  const auto done = codec::encode_record<Codec, Keeping>(from, unknown, {}, record);
  EXPECT_TRUE(done) << done.error();
  return record;
}
/// Loads a record as a build with that codec does, adds a coin, and writes it again.
template <class Codec, class T>
void play(Buffer& record) {
  T save;
  UnknownFields unknown;
  const auto read = codec::decode_record<Codec, Keeping>(record, save, unknown);
  ASSERT_TRUE(read) << read.error();
  ++save.coins;
  record = record_of<Codec>(save, unknown);
}
std::uint16_t codec_of(const Buffer& record) {
  return codec::open_envelope(record)->codec;
}

TEST(AnyOf, reads_what_each_of_its_codecs_wrote_and_writes_its_first) {
  UnknownFields none;
  for (Buffer record :
       {record_of<Packed>(Save{5, {"a"}}, none), record_of<Cbor>(Save{5, {"a"}}, none),
        record_of<Json>(Save{5, {"a"}}, none)}) {
    play<AnyOf<Cbor, Json, Packed>, Save>(record);
    EXPECT_EQ(codec_of(record), Cbor::id);
    Save save;
    ASSERT_TRUE((codec::decode_record<Cbor, Keeping>(record, save, none)));
    EXPECT_EQ(save.coins, 6);
    EXPECT_EQ(save.bag, std::vector<std::string>{"a"});
  }
}

TEST(AnyOf, any_other_codec_is_named_with_all_that_are_read) {
  UnknownFields none;
  const Buffer record = record_of<Packed>(Save{}, none);
  Save save;
  const auto read = codec::decode_record<AnyOf<Cbor, Json>, Keeping>(record, save, none);
  ASSERT_TRUE(read.is(Errc::wrong_codec));
  EXPECT_NE(read.error().message().find("packed"), std::string::npos) << read.error();
  EXPECT_NE(read.error().message().find("cbor or json"), std::string::npos) << read.error();
}

// The builds of the two deployments of a move, and one from before a field was added, take turns.
TEST(AnyOf, a_move_in_two_deployments_loses_nothing_whichever_build_has_the_record) {
  UnknownFields none;
  Buffer record = record_of<Json>(NewerSave{0, {"hat"}, 7}, none);
  int plays = 0;
  const auto turn = [&]<class Codec, class T>(const Codec*, const T*) {
    play<Codec, T>(record);
    ++plays;
  };
  const Save* const older = nullptr;
  const NewerSave* const newer = nullptr;
  for (int round = 0; round < 5; ++round) {  // the first deployment: all write what all can read
    turn(static_cast<const Json*>(nullptr), older);
    turn(static_cast<const AnyOf<Json, Cbor>*>(nullptr), newer);
    EXPECT_EQ(codec_of(record), Json::id);
  }
  for (int round = 0; round < 5; ++round) {  // the second
    turn(static_cast<const AnyOf<Cbor, Json>*>(nullptr), older);
    EXPECT_EQ(codec_of(record), Cbor::id);
    turn(static_cast<const AnyOf<Json, Cbor>*>(nullptr), newer);
    EXPECT_EQ(codec_of(record), Json::id);
  }
  for (int round = 0; round < 5; ++round) {  // and on to the next codec
    turn(static_cast<const AnyOf<Cbor, Packed, Json>*>(nullptr), newer);
    turn(static_cast<const AnyOf<Packed, Cbor>*>(nullptr), older);
    EXPECT_EQ(codec_of(record), Packed::id);
  }
  NewerSave last;
  ASSERT_TRUE((codec::decode_record<Packed, Keeping>(record, last, none)));
  EXPECT_EQ(last.coins, plays);
  EXPECT_EQ(last.gems, 7) << "which half of the builds do not know";
  EXPECT_EQ(last.bag, std::vector<std::string>{"hat"});
}

// What is kept unread is not looked at for equal keys, so it must not be read on the way either.
TEST(AnyOf, an_unknown_field_with_equal_keys_moves_to_packed_and_can_be_read_again) {
  Buffer record;
  // {"bag": [], "pets": {"a": 1, "a": 2}}
  constexpr std::string_view payload =
      "\xa2\x63"
      "bag\x80\x64pets\xa2\x61"
      "a\1\x61"
      "a\2";
  ASSERT_TRUE(codec::write_envelope(record, {.codec = Cbor::id}, [&](Buffer& to) -> Result<void> {
    return to.append(payload), success;
  }));
  for (int round = 0; round < 3; ++round)
    ASSERT_NO_FATAL_FAILURE((play<AnyOf<Packed, Cbor>, Save>(record))) << round;
  EXPECT_EQ(codec_of(record), Packed::id);
  EXPECT_NE(as_text(record).find("pets\xa2\x61"
                                 "a\1\x61"
                                 "a\2"),
            std::string_view::npos);
}

}  // namespace
