#include <persist/codec/chunked.hpp>

#include <gtest/gtest.h>

#include <persist/codec/any_of.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <support/run_length.hpp>

#include <functional>

namespace {

using namespace persist;
using codec::AnyOf;
using codec::Cbor;
using codec::Chunked;
using codec::Compressed;
using codec::EnvelopeLayout;
using Policy = DataPolicy<std::string>;

static_assert(codec::splits_records<Chunked<Cbor>> && !codec::wraps_records<Chunked<Cbor>>);
static_assert(codec::wraps_records<Chunked<Compressed<Cbor, test::RunLength>>>);
static_assert(!codec::joins_records<Cbor>);
using Beginning = AnyOf<Cbor, Chunked<Cbor>>;  // all servers read it before the first one splits
static_assert(codec::joins_records<Beginning> && !codec::splits_records<Beginning>);
static_assert(codec::splits_records<AnyOf<Chunked<Cbor>, Cbor>>);

constexpr std::size_t limit = 1024;

/// A record of so many bytes.
Buffer record_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() + EnvelopeLayout::size < size; ++i)
    text += static_cast<char>('a' + (i * i + i / 7) % 26);
  Buffer record;
  const codec::EnvelopeHeader header{
      .codec = Cbor::id, .schema_version = 3, .lowest_reader = 2, .fingerprint = 77, .flags = 3};
  EXPECT_TRUE(codec::write_envelope(record, header, [&](Buffer& to) -> Result<void> {
    to.append(text);
    return success;
  }));
  return record;
}

struct Stored {
  Buffer stub;
  std::vector<Buffer> pieces;

  explicit Stored(const Buffer& record) {
    const auto done = codec::chunked::split(record, limit, stub, pieces);
    EXPECT_TRUE(done) << done.error();
  }
  [[nodiscard]] Result<Buffer> join() const {
    const auto said = codec::chunked::read_stub(stub);
    if (!said) return said.error();
    const std::vector<ByteView> views(pieces.begin(), pieces.end());
    Buffer whole;
    whole.append("before");
    const auto joined = codec::chunked::join(*said, views, whole);
    if (joined) return Buffer(whole.view().subspan(6));
    EXPECT_EQ(as_text(whole), "before") << "a failure leaves the buffer as it was";
    return joined.error();
  }
};

TEST(Chunked, what_is_split_fits_and_is_joined_to_the_same_bytes) {
  for (const std::size_t size : {1025UL, 2036UL, 2037UL, 2047UL, 2048UL, 2049UL, 10'000UL}) {
    const Buffer record = record_of(size);
    const Stored stored(record);
    EXPECT_EQ(stored.stub.size(), limit);
    for (const Buffer& piece : stored.pieces)
      EXPECT_TRUE(piece.size() == limit ||
                  (piece.size() < limit && &piece == &stored.pieces.back()));
    const auto header = codec::header_of(stored.stub);
    EXPECT_EQ(header.flags, 7U);
    EXPECT_EQ(header.codec, Cbor::id);
    EXPECT_EQ(header.schema_version, 3U);
    EXPECT_EQ(header.lowest_reader, 2U);
    EXPECT_EQ(header.fingerprint, 77U);
    EXPECT_EQ(stored.pieces.size(), (size + codec::chunked::prefix - 1) / limit);
    EXPECT_EQ(codec::chunked::stored_size(stored.stub), size + codec::chunked::prefix);
    EXPECT_EQ(codec::chunked::stored_size(record), size);
    const auto whole = stored.join();
    ASSERT_TRUE(whole) << whole.error();
    EXPECT_EQ(*whole, record);
  }
}

TEST(Chunked, pieces_that_are_not_its_own_are_damage) {
  const Buffer record = record_of(4000);
  const std::vector<std::function<void(std::vector<Buffer>&)>> damages{
      [](auto& pieces) { pieces.pop_back(); },
      [](auto& pieces) { pieces.back() = Buffer(); },
      [](auto& pieces) { pieces.emplace_back(); },
      [](auto& pieces) { pieces[1].data()[5] ^= std::byte{1}; },
      [](auto& pieces) { pieces[0].shrink(limit - 1); },
      [](auto& pieces) { pieces.back().push(std::byte{0}); },
      [](auto& pieces) { pieces[0].swap(pieces[1]); }};
  for (const auto& damage : damages) {
    Stored stored(record);
    damage(stored.pieces);
    EXPECT_TRUE(stored.join().is(Errc::corrupt)) << &damage - damages.data();
  }
}

/// What is left of a record in pieces when these numbers are in it.
Result<std::uint32_t> needed(std::uint32_t length, std::uint32_t pieces, std::size_t beginning,
                             std::uint32_t flags = EnvelopeLayout::in_pieces) {
  Buffer record;
  EXPECT_TRUE(codec::write_envelope(record, {.codec = Cbor::id, .flags = flags},
                                    [&](Buffer& to) -> Result<void> {
                                      append_little(to, length);
                                      append_little(to, std::uint32_t{0});
                                      append_little(to, pieces);
                                      to.append(std::string(beginning, 'x'));
                                      return success;
                                    }));
  return codec::chunked::needed_pieces(record, 1 << 20);
}

TEST(Chunked, a_record_cannot_promise_more_than_it_may_have) {
  EXPECT_EQ(*needed(3000, 3, 900), 3U);
  EXPECT_TRUE(needed(3000, 4, 900).is(Errc::corrupt));
  EXPECT_TRUE(needed(3000, 0, 900).is(Errc::corrupt));
  EXPECT_TRUE(needed(0xffffffff, 0xffffffff, 900).is(Errc::corrupt));
  EXPECT_TRUE(needed(900, 1, 900).is(Errc::corrupt));
  EXPECT_TRUE(needed(800, 1, 900).is(Errc::corrupt));
  EXPECT_TRUE(needed(3000, 3, 900, 0).is(Errc::corrupt));
  EXPECT_TRUE(needed(1 << 20, 900, 0));
  EXPECT_TRUE(needed((1 << 20) + 1000, 900, 0).is(Errc::too_large));
}

TEST(Chunked, a_backend_that_takes_next_to_nothing_takes_no_pieces) {
  Buffer stub;
  std::vector<Buffer> pieces;
  EXPECT_TRUE(codec::chunked::split(record_of(4000), 1023, stub, pieces).is(Errc::too_large));
  EXPECT_TRUE(stub.empty() && pieces.empty());
}

Snapshot split_text(std::size_t size) {
  Buffer record;
  UnknownFields none;
  EXPECT_TRUE((codec::encode_record<Cbor, Policy>(std::string(size, 'x'), none, {3, 1}, record)));
  Snapshot snapshot;
  snapshot.data = Stored(record).stub;
  return snapshot;
}

template <class Codec>
Errc error_of(Snapshot& from) {
  std::string text;
  UnknownFields none;
  const auto info = codec::load_record<Codec, Policy>("7", from, 1 << 20, text, none);
  EXPECT_FALSE(info);
  const bool names_it = info.error().detail().find("split into pieces") != std::string_view::npos;
  EXPECT_EQ(names_it, !codec::joins_records<Codec>) << info.error();
  return info.error().code();
}

TEST(Chunked, a_codec_that_joins_says_what_it_needs_and_others_refuse) {
  Snapshot from = split_text(3000);
  const Buffer before = from.data;
  EXPECT_EQ(error_of<Cbor>(from), Errc::wrong_codec);
  EXPECT_EQ((error_of<Compressed<Cbor, test::RunLength>>(from)), Errc::wrong_codec);
  EXPECT_EQ(from.needed_pieces, 0U);
  EXPECT_EQ(error_of<Chunked<Cbor>>(from), Errc::unavailable);
  EXPECT_EQ(from.needed_pieces, 2U);
  EXPECT_EQ(from.data, before);
  from.needed_pieces = 0;
  EXPECT_EQ(error_of<Beginning>(from), Errc::unavailable);
  EXPECT_EQ(from.needed_pieces, 2U);
}

}  // namespace
