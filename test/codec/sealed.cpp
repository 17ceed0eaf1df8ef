#include <persist/codec/sealed.hpp>

#include <gtest/gtest.h>

#include <persist/codec/any_of.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/codec/shared_schema.hpp>
#include <persist/schema/policy.hpp>

#include <support/run_length.hpp>

#include <vector>

namespace {

using namespace persist;
using codec::AnyOf;
using codec::Cbor;
using codec::EnvelopeLayout;
using codec::SealingKey;

struct Keys {
  static inline std::vector<SealingKey> known{{1, {1, 2, 3}}};
  static std::span<const SealingKey> list() { return known; }
};
using Closed = codec::Sealed<Cbor, Keys>;
using Squeezed = codec::Compressed<Cbor, test::RunLength>;
using Both = codec::Sealed<Squeezed, Keys>;
using Policy = DataPolicy<std::string>;

// Around a codec that seals its records there must be no other seal: they could not be opened.
static_assert(codec::seals_records<Closed> && codec::seals_records<AnyOf<Closed, Cbor>>);
static_assert(!codec::seals_records<AnyOf<Cbor, Closed>> && !codec::seals_records<Squeezed>);

struct SealedRecord : testing::Test {
  ~SealedRecord() override { Keys::known = {{1, {1, 2, 3}}}; }
};

Buffer plain(const std::string& text) {
  Buffer record;
  UnknownFields none;
  EXPECT_TRUE((codec::encode_record<Cbor, Policy>(text, none, {}, record)));
  return record;
}
template <class Codec = Closed>
Buffer sealed(const std::string& text, std::string_view key = "Player_7") {
  Buffer out;
  const auto wrapped = Codec::wrap(key, plain(text), out);
  EXPECT_TRUE(wrapped && *wrapped);
  return out;
}
template <class Codec = Closed>
Result<std::string> load(Buffer bytes, std::string_view key = "Player_7") {
  std::string text;
  UnknownFields none;
  Snapshot from;
  from.data = std::move(bytes);
  const auto info = codec::load_record<Codec, Policy>(key, from, 1 << 20, text, none);
  if (!info) {
    EXPECT_EQ(text, "") << "never a byte of it";
    return info.error();
  }
  return info->is_outdated ? text + " (outdated)" : text;
}
/// The record with another byte and the checksum of that.
Buffer forged(ByteView record, std::size_t at, std::byte value) {
  Buffer out(record);
  out.data()[at] = value;
  store_little(out.data() + EnvelopeLayout::checksum, codec::envelope::checksum(out));
  return out;
}
bool contains(ByteView bytes, std::string_view text) {
  return as_text(bytes).find(text) != std::string_view::npos;
}

TEST_F(SealedRecord, opens_under_its_own_key_and_shows_nothing) {
  const Buffer record = sealed("a secret of the player");
  EXPECT_FALSE(contains(record, "secret"));
  EXPECT_EQ(*load(record), "a secret of the player");
  EXPECT_EQ(record.size(), plain("a secret of the player").size() + 4 + 24 + 16);
  EXPECT_EQ(*load(sealed("")), "");
}

TEST_F(SealedRecord, is_sealed_anew_each_time) {
  EXPECT_NE(sealed("x"), sealed("x")) << "one nonce is never used twice";
}

TEST_F(SealedRecord, of_another_player_is_corrupt) {
  const auto moved = load(sealed("rich"), "Player_8");
  ASSERT_TRUE(moved.is(Errc::corrupt));
  EXPECT_TRUE(contains(as_bytes(moved.error().detail()), "another player's")) << moved.error();
}

TEST_F(SealedRecord, changed_in_any_bit_is_corrupt_though_its_checksum_is_right) {
  const Buffer record = sealed("secret");
  for (std::size_t at = 0; at < record.size(); ++at) {
    if (at >= EnvelopeLayout::checksum && at < EnvelopeLayout::format) continue;
    if (at >= EnvelopeLayout::length && at < EnvelopeLayout::size) continue;  // not believed
    for (int bit = 0; bit < 8; ++bit) {
      const auto value = record.data()[at] ^ static_cast<std::byte>(1 << bit);
      const auto read = load(forged(record, at, value));
      const bool is_split = at == EnvelopeLayout::flags && 1 << bit == EnvelopeLayout::in_pieces;
      EXPECT_TRUE(is_split ? read.is(Errc::wrong_codec)
                           : read.is(Errc::corrupt) || read.is(Errc::too_new))
          << at << ": " << read.error();
    }
  }
}

TEST_F(SealedRecord, in_pieces_is_refused_by_name_before_its_seal_is_looked_at) {
  Buffer stub;
  std::vector<Buffer> pieces;
  ASSERT_TRUE(codec::chunked::split(sealed(std::string(3000, 'x')), 1024, stub, pieces));
  const auto refused = load(stub);
  ASSERT_TRUE(refused.is(Errc::wrong_codec)) << refused.error();
  EXPECT_NE(refused.error().detail().find("split into pieces"), std::string_view::npos);
}

TEST_F(SealedRecord, cut_short_anywhere_is_corrupt) {
  const Buffer record = sealed("secret");
  for (std::size_t length = EnvelopeLayout::size; length < record.size(); ++length) {
    Buffer cut;
    const ByteView payload = record.view().subspan(EnvelopeLayout::size);
    ASSERT_TRUE(
        codec::write_envelope(cut, codec::header_of(record), [&](Buffer& to) -> Result<void> {
          to.append(payload.first(length - EnvelopeLayout::size));
          return success;
        }));
    EXPECT_TRUE(load(cut).is(Errc::corrupt)) << length;
  }
}

TEST_F(SealedRecord, with_another_key_of_its_number_or_one_nobody_has_is_corrupt) {
  const Buffer record = sealed("secret");
  Keys::known = {{1, {3, 2, 1}}};
  EXPECT_TRUE(load(record).is(Errc::corrupt));
  Keys::known = {{2, {1, 2, 3}}};
  const auto unknown = load(record);
  ASSERT_TRUE(unknown.is(Errc::corrupt));
  EXPECT_TRUE(contains(as_bytes(unknown.error().detail()), "the key number 1, which this server"))
      << unknown.error();
  EXPECT_TRUE(contains(as_bytes(unknown.error().detail()), "behind the newest")) << unknown.error();
}

TEST_F(SealedRecord, of_an_old_key_is_read_and_is_to_be_sealed_with_the_new_one) {
  const Buffer old = sealed("secret");
  Keys::known = {{2, {9}}, {1, {1, 2, 3}}};
  EXPECT_EQ(*load(old), "secret (outdated)");
  const Buffer anew = sealed("secret");
  EXPECT_EQ(*load(anew), "secret");
  Keys::known.pop_back();
  EXPECT_EQ(*load(anew), "secret");
  EXPECT_TRUE(load(old).is(Errc::corrupt));
}

TEST_F(SealedRecord, is_not_written_without_a_key) {
  Keys::known.clear();
  Buffer out(as_bytes("before"));
  EXPECT_TRUE(Closed::wrap("7", plain("secret"), out).is(Errc::invalid));
  EXPECT_EQ(as_text(out), "before");
}

TEST_F(SealedRecord, is_not_replaced_by_an_open_one_but_where_a_store_begins_to_seal) {
  const auto open = load(plain("rich"));
  ASSERT_TRUE(open.is(Errc::corrupt));
  EXPECT_TRUE(contains(as_bytes(open.error().detail()), "AnyOf<Sealed<C, Keys>, C>"));
  EXPECT_TRUE(load(Buffer(as_bytes("foreign"))).is(Errc::corrupt));
  using Beginning = AnyOf<Closed, Cbor>;
  EXPECT_EQ(*load<Beginning>(plain("old")), "old (outdated)");
  EXPECT_EQ(*load<Beginning>(sealed("new")), "new");
  EXPECT_TRUE(load<Cbor>(sealed("new")).is(Errc::wrong_codec));
}

TEST_F(SealedRecord, is_compressed_first) {
  const std::string text(1000, 'x');
  const Buffer record = sealed<Both>(text);
  EXPECT_LT(record.size(), 120U);
  EXPECT_EQ(codec::header_of(record).flags, EnvelopeLayout::sealed | EnvelopeLayout::compressed);
  EXPECT_EQ(*load<Both>(record), text);
  EXPECT_EQ(*load<Both>(sealed<Closed>("small")), "small");
  EXPECT_TRUE(load<Closed>(record).is(Errc::wrong_codec)) << "opened, and still compressed";
  EXPECT_EQ(*(load<AnyOf<Closed, Both>>(record)), text);
}

struct Save {
  std::int64_t coins = 10;
  std::string title_of_the_player = "none";
};
struct Newer {
  std::string title_of_the_player = "none";
  std::int64_t coins = 0;
};

TEST_F(SealedRecord, that_waits_for_its_schema_stays_sealed) {
  using Shared = codec::SharedPacked;
  using SealedShared = codec::Sealed<Shared, Keys>;
  Buffer record;
  UnknownFields none;
  ASSERT_TRUE((codec::encode_record<Shared, DataPolicy<Save>>(Save{7, "x"}, none, {}, record)));
  const Schema& schema =
      *Shared::schema_of<DataPolicy<Save>, Save>(record.view().subspan(EnvelopeLayout::size));
  Snapshot from;
  ASSERT_TRUE(SealedShared::wrap("7", record, from.data));
  const Buffer stored = from.data;

  Newer data;
  const auto read = [&] {
    return codec::load_record<SealedShared, DataPolicy<Newer>>("7", from, 1 << 20, data, none);
  };
  EXPECT_TRUE(read().is(Errc::unknown_schema));
  EXPECT_EQ(from.needed, schema.id);
  EXPECT_EQ(from.data, stored);
  from.schema = Buffer(schema.bytes);
  const auto info = read();
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(data.coins, 7);
}

}  // namespace
