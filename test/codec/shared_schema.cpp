#include <persist/codec/shared_schema.hpp>

#include <gtest/gtest.h>

#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

namespace {

using namespace persist;
using codec::EnvelopeLayout;
using codec::Packed;
using codec::SharedPacked;

struct Save {
  std::int64_t coins = 10;
  std::string title_of_the_player = "none";
};
struct Newer {
  int level = 1;
  std::string title_of_the_player = "none";
  std::int64_t coins = 0;
};
struct Alike {  // each value of a Save is one of these, too
  std::int64_t gems = 10;
  std::string title_of_the_player = "none";
};
struct Tiny {
  int a = 0;
};

template <class Codec, class T>
Buffer record_of(const T& data) {
  Buffer record;
  UnknownFields none;
  EXPECT_TRUE((codec::encode_record<Codec, DataPolicy<T>>(data, none, {}, record)));
  return record;
}
template <class Codec, class T>
Result<T> load(ByteView record, ByteView schema = {}) {
  T data{};
  UnknownFields none;
  Snapshot from;
  from.data = Buffer(record);
  from.schema = Buffer(schema);
  const auto info = codec::load_record<Codec, DataPolicy<T>>("k", from, 1 << 20, data, none);
  EXPECT_EQ(from.data, Buffer(record)) << "the record is as it was stored";
  if (!info) {
    if (info.is(Errc::unknown_schema)) {
      EXPECT_EQ(from.needed, codec::needed_schema(record));
    }
    return info.error();
  }
  return data;
}
template <class T>
const Schema& schema_of() {
  const Buffer record = record_of<SharedPacked>(T{});
  return *SharedPacked::schema_of<DataPolicy<T>, T>(record.view().subspan(EnvelopeLayout::size));
}

TEST(SharedSchema, leaves_the_description_out_of_the_record) {
  const Buffer inside = record_of<Packed>(Save{7, "x"});
  const Buffer shared = record_of<SharedPacked>(Save{7, "x"});
  const ByteView description = schema_of<Save>().bytes;
  EXPECT_EQ(inside.size() - shared.size(), description.size() + 1 - 17);
  EXPECT_EQ(codec::needed_schema(shared), schema_id(description));
  EXPECT_EQ(codec::needed_schema(inside), std::nullopt);
  EXPECT_EQ((load<SharedPacked, Save>(shared)->coins), 7);
  EXPECT_EQ((load<SharedPacked, Save>(inside)->coins), 7);
  EXPECT_EQ((load<Packed, Save>(shared)->coins), 7) << "the store may go back";
}

TEST(SharedSchema, another_type_asks_for_the_description_and_reads_by_name) {
  const Buffer shared = record_of<SharedPacked>(Save{7, "x"});
  for (int i = 0; i < 2; ++i) {
    const auto without = i == 0 ? load<SharedPacked, Newer>(shared) : load<Packed, Newer>(shared);
    EXPECT_TRUE(without.is(Errc::unknown_schema)) << without.error();
  }
  const auto with = load<SharedPacked, Newer>(shared, schema_of<Save>().bytes);
  ASSERT_TRUE(with) << with.error();
  EXPECT_EQ(with->coins, 7);
  EXPECT_EQ(with->title_of_the_player, "x");
}

TEST(SharedSchema, a_description_that_is_not_the_one_named_is_corrupt) {
  const Buffer shared = record_of<SharedPacked>(Save{7, "x"});
  EXPECT_TRUE((load<SharedPacked, Newer>(shared, schema_of<Newer>().bytes).is(Errc::corrupt)));
  EXPECT_TRUE((load<SharedPacked, Newer>(shared, schema_of<Alike>().bytes).is(Errc::corrupt)));
  EXPECT_TRUE((load<SharedPacked, Newer>(shared, as_bytes("x")).is(Errc::corrupt)));
}

TEST(SharedSchema, a_name_or_values_cut_short_are_corrupt) {
  const Buffer shared = record_of<SharedPacked>(Save{7, "x"});
  const ByteView payload = shared.view().subspan(EnvelopeLayout::size);
  for (std::size_t length = 0; length < payload.size(); ++length) {
    Save data;
    UnknownFields none;
    EXPECT_TRUE(
        (Packed::decode<DataPolicy<Save>>(payload.first(length), data, none, {}).is(Errc::corrupt)))
        << length;
  }
}

TEST(SharedSchema, what_is_shorter_than_a_name_stays_inside) {
  const Buffer record = record_of<SharedPacked>(Tiny{});
  EXPECT_EQ(record, record_of<Packed>(Tiny{}));
  EXPECT_EQ((SharedPacked::schema_of<DataPolicy<Tiny>, Tiny>(
                record.view().subspan(EnvelopeLayout::size))),
            nullptr);
}

TEST(SharedSchema, a_record_with_unknown_fields_describes_itself) {
  Save data;
  UnknownFields unknown;
  Snapshot from;
  from.data = record_of<Packed>(Newer{});
  ASSERT_TRUE((codec::load_record<Packed, DataPolicy<Save>>("k", from, 1 << 20, data, unknown)));
  ASSERT_FALSE(unknown.empty());
  Buffer record;
  ASSERT_TRUE((codec::encode_record<SharedPacked, DataPolicy<Save>>(data, unknown, {}, record)));
  EXPECT_EQ(codec::needed_schema(record), std::nullopt);
  EXPECT_EQ((load<SharedPacked, Newer>(record)->level), 1);
}

}  // namespace
