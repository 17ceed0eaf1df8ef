// builds: single no-exceptions
#include <persist/codec/record.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::RecordVersion;

struct Save {
  std::int64_t coins = 0;
};
struct Unversioned {};
struct Third {
  static constexpr std::uint32_t schema_version = 3;
};

static_assert(codec::schema_version_of<Unversioned>() == 1 &&
              codec::schema_version_of<Third>() == 3);
static_assert(codec::version_of<Third>() == RecordVersion{3, 3});
static_assert(codec::version_after<Third>({5, 2}) == RecordVersion{5, 2},
              "not to be migrated twice");
static_assert(codec::version_after<Third>({3, 1}) == RecordVersion{3, 3});
static_assert(codec::version_after<Third>({1, 1}) == RecordVersion{3, 3});

template <class Codec, class Policy>
Buffer record(std::int64_t coins, RecordVersion version = codec::version_of<Policy>()) {
  Buffer out;
  UnknownFields unknown;
  EXPECT_TRUE((codec::encode_record<Codec, Policy>(Save{coins}, unknown, version, out)));
  return out;
}
template <class Codec, class Policy>
Error refused(ByteView bytes) {
  Save save;
  UnknownFields unknown;
  const auto read = codec::decode_record<Codec, Policy>(bytes, save, unknown);
  return read ? Error(Errc::io, "it was read") : read.error();
}
bool says(const Error& error, std::string_view words) {
  return error.detail().find(words) != std::string_view::npos;
}

TEST(Record, gives_back_data_and_versions) {
  const Buffer bytes = record<codec::Cbor, Third>(42, {3, 2});
  Save save;
  UnknownFields unknown;
  const auto read = codec::decode_record<codec::Cbor, Third>(bytes, save, unknown);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(save.coins, 42);
  EXPECT_EQ(read->schema_version, 3u);
  EXPECT_EQ(read->lowest_reader, 2u);
  EXPECT_EQ(read->fingerprint, (schema::fingerprint<Save, Third>));
}

TEST(Record, lies_in_bytes_as_the_format_document_shows) {
  EXPECT_EQ(test::to_hex(record<codec::Cbor, Third>(10, {3, 1})),
            "ff707374"
            "d7a563db"
            "0100"
            "0100"
            "00000000"
            "03000000"
            "01000000"
            "69f21db65c462086"
            "08000000"
            "a165636f696e730a");
}

TEST(Record, of_data_whose_shape_only_it_knows_has_no_fingerprint) {
  Buffer bytes;
  UnknownFields unknown;
  Value value = Value::map({{"coins", 5}});
  ASSERT_TRUE((codec::encode_record<codec::Cbor, Unversioned>(value, unknown, {}, bytes)));
  const auto envelope = codec::open_envelope(bytes);
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->fingerprint, 0u);
  Save save;
  EXPECT_TRUE((codec::decode_record<codec::Cbor, Third>(bytes, save, unknown)));
  EXPECT_EQ(save.coins, 5);
}

TEST(Record, of_another_codec_names_both) {
  const Error error = refused<codec::Cbor, Third>(record<codec::Json, Third>(1));
  EXPECT_EQ(error, Errc::wrong_codec);
  EXPECT_TRUE(says(error, "written by the codec json, and this store reads cbor")) << error;
  EXPECT_TRUE(says(error, "the bytes were left as they are"));
}

TEST(Record, of_an_unknown_codec_names_its_number) {
  Buffer bytes;
  ASSERT_TRUE(codec::write_envelope(bytes, {.codec = 777},
                                    [](Buffer&) -> Result<void> { return success; }));
  const Error error = refused<codec::Json, Third>(bytes);
  EXPECT_EQ(error, Errc::wrong_codec);
  EXPECT_TRUE(says(error, "codec number 777, and this store reads json")) << error;
}

TEST(Record, of_a_higher_lowest_reader_is_too_new) {
  const Error error = refused<codec::Cbor, Third>(record<codec::Cbor, Third>(1, {5, 4}));
  EXPECT_EQ(error, Errc::too_new);
  EXPECT_TRUE(
      says(error, "schema version 5 and may be read from version 4 on, and this build has 3"))
      << error;
  EXPECT_EQ((refused<codec::Cbor, Third>(record<codec::Cbor, Third>(1, {5, 3}))), Errc::io)
      << "its writer allows it";
}

TEST(Record, of_an_older_schema_is_read) {
  EXPECT_EQ((refused<codec::Cbor, Third>(record<codec::Cbor, Unversioned>(1))), Errc::io);
}

TEST(Record, whose_data_is_not_of_the_type_is_a_mismatch) {
  Buffer bytes;
  UnknownFields unknown;
  const Value wrong = Value::map({{"coins", "many"}});
  ASSERT_TRUE((
      codec::encode_record<codec::Cbor, Third>(wrong, unknown, codec::version_of<Third>(), bytes)));
  const Error error = refused<codec::Cbor, Third>(bytes);
  EXPECT_EQ(error, Errc::schema_mismatch);
  EXPECT_EQ(error.path(), "coins");
  EXPECT_FALSE(error.expected().empty() || error.found().empty());
  EXPECT_TRUE(says(error, "the bytes were left as they are")) << error;
}

TEST(Record, of_more_elements_than_an_input_may_have_is_read_as_it_was_written) {
  struct Bits {
    std::vector<std::uint16_t> all;
  };
  Bits bits;
  bits.all.resize(schema::Limits{}.elements + 1);
  Buffer out;
  UnknownFields unknown;
  ASSERT_TRUE((codec::encode_record<codec::Cbor, Unversioned>(bits, unknown, {}, out)));
  ASSERT_LT(out.size(), std::size_t{4} << 20) << "which a store takes unless told otherwise";
  Bits back;
  ASSERT_TRUE((codec::decode_record<codec::Cbor, Unversioned>(out, back, unknown)));
  EXPECT_EQ(back.all.size(), bits.all.size());
}

TEST(Record, that_cannot_be_encoded_leaves_the_buffer_as_it_was) {
  Buffer out(as_bytes("before"));
  UnknownFields unknown;
  EXPECT_TRUE((codec::encode_record<codec::Json, Third>(std::string("\xff"), unknown, {}, out))
                  .is(Errc::invalid));
  EXPECT_EQ(as_text(out), "before");
}

int imports = 0;
struct Importing {
  using data_type = Save;
  static constexpr std::uint32_t schema_version = 3;
  static Result<Save> import_legacy(ByteView bytes) {
    ++imports;
    if (as_text(bytes) != "coins=12") return Error(Errc::corrupt, "no old save either");
    return Save{12};
  }
};
using ImportingPolicy = DataPolicy<Importing>;

TEST(Record, that_is_foreign_is_given_to_the_policy) {
  Save save;
  UnknownFields unknown;
  imports = 0;
  const auto read =
      codec::decode_record<codec::Cbor, ImportingPolicy>(as_bytes("coins=12"), save, unknown);
  ASSERT_TRUE(read) << read.error();
  EXPECT_TRUE(read->is_outdated);
  EXPECT_EQ(*read, (RecordVersion{3, 3})) << "it is of this build";
  EXPECT_EQ(save.coins, 12);
  EXPECT_EQ(imports, 1);
  const auto again = codec::decode_record<codec::Cbor, ImportingPolicy>(
      record<codec::Cbor, Importing>(12), save, unknown);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->is_outdated);
  EXPECT_EQ(imports, 1) << "an envelope was not foreign";
}

TEST(Record, that_the_policy_does_not_know_either_keeps_its_error) {
  Save save;
  UnknownFields unknown;
  const auto read =
      codec::decode_record<codec::Cbor, ImportingPolicy>(as_bytes("else"), save, unknown);
  ASSERT_TRUE(read.is(Errc::corrupt));
  EXPECT_EQ(read.error().detail(), "no old save either; the bytes were left as they are");
}

TEST(Record, whose_first_bytes_are_damaged_is_not_foreign) {
  Buffer bytes = record<codec::Cbor, Importing>(1);
  bytes.data()[0] ^= std::byte{1};
  Save save;
  UnknownFields unknown;
  imports = 0;
  EXPECT_TRUE(
      (codec::decode_record<codec::Cbor, ImportingPolicy>(bytes, save, unknown)).is(Errc::corrupt));
  EXPECT_EQ(imports, 0);
}

}  // namespace
