#include <persist/codec/compressed.hpp>

#include <gtest/gtest.h>

#include <support/run_length.hpp>
#include <support/text_records.hpp>

namespace {

using namespace persist;
using codec::Cbor;
using codec::Compressed;
using codec::EnvelopeLayout;
using test::load_text;
using test::long_text;
using test::RunLength;
using test::stored;
using test::text_record;
using Squeezed = Compressed<Cbor, RunLength>;

/// The wrapped record with another payload, as whoever can write to a database may make one.
Buffer forged(ByteView record, ByteView payload) {
  Buffer out;
  EXPECT_TRUE(codec::write_envelope(out, codec::header_of(record), [&](Buffer& to) -> Result<void> {
    to.append(payload);
    return success;
  }));
  return out;
}

TEST(CompressedRecord, what_is_wrapped_is_smaller_says_so_and_is_the_same_again) {
  const Buffer record = text_record(long_text);
  const Buffer wrapped = stored<Squeezed>(long_text);
  EXPECT_LT(wrapped.size(), 60U);
  const auto header = codec::header_of(wrapped);
  EXPECT_EQ(header.flags, EnvelopeLayout::compressed);
  EXPECT_EQ(header.codec, Cbor::id);
  EXPECT_EQ(header.schema_version, 3U);
  EXPECT_EQ(header.fingerprint, codec::header_of(record).fingerprint);
  Buffer room;
  const auto plain = codec::plain_record<Squeezed>("7", wrapped, 1 << 20, room);
  ASSERT_TRUE(plain) << plain.error();
  EXPECT_TRUE(same_bytes(*plain, record));
  EXPECT_EQ(*load_text<Squeezed>(wrapped), long_text);
}

TEST(CompressedRecord, what_does_not_get_smaller_stays_as_it_is) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += static_cast<char>('0' + i % 64);
  const Buffer record = text_record(text);
  Buffer out(as_bytes("before"));
  EXPECT_FALSE(*Squeezed::wrap("7", record, out));
  EXPECT_EQ(as_text(out), "before");
  EXPECT_FALSE(*Squeezed::wrap("7", text_record(""), out));
  EXPECT_EQ(as_text(out), "before");
}

TEST(CompressedRecord, what_would_be_too_large_is_refused_before_it_is_made) {
  const Buffer wrapped = stored<Squeezed>(long_text);
  const int before = RunLength::decompressed;
  const auto read = load_text<Squeezed>(wrapped, 1000);
  ASSERT_TRUE(read.is(Errc::too_large)) << read.error();
  EXPECT_NE(read.error().detail().find("1039 bytes when decompressed; the limit is 1000"),
            std::string_view::npos)
      << read.error();
  EXPECT_EQ(RunLength::decompressed, before);
  EXPECT_EQ(*load_text<Squeezed>(wrapped, 1039), long_text) << "the limit itself";
}

TEST(CompressedRecord, a_length_that_lies_and_a_payload_cut_short_are_corrupt) {
  const Buffer wrapped = stored<Squeezed>(long_text);
  Buffer payload(wrapped.view().subspan(EnvelopeLayout::size));
  store_little(payload.data() + 1, std::uint32_t{2000});
  EXPECT_TRUE(load_text<Squeezed>(forged(wrapped, payload)).is(Errc::corrupt));
  for (std::size_t length = 1; length + 1 < payload.size(); ++length) {
    const auto read = load_text<Squeezed>(forged(wrapped, payload.view().first(length)));
    EXPECT_TRUE(read.is(Errc::corrupt)) << length;
  }
  EXPECT_TRUE(load_text<Squeezed>(forged(wrapped, {})).is(Errc::wrong_codec))
      << "no algorithm at all";
}

TEST(CompressedRecord, every_flipped_bit_is_corrupt) {
  const Buffer wrapped = stored<Squeezed>(long_text);
  for (std::size_t bit = 0; bit < 8 * wrapped.size(); ++bit) {
    Buffer flipped = wrapped;
    flipped.data()[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_TRUE(load_text<Squeezed>(flipped).is(Errc::corrupt)) << bit;
  }
}

}  // namespace
