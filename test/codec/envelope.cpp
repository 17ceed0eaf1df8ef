#include <persist/codec/envelope.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gtest/gtest.h>

#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::EnvelopeHeader;
using codec::EnvelopeLayout;
using codec::open_envelope;

constexpr EnvelopeHeader header{
    .codec = 1, .schema_version = 3, .lowest_reader = 2, .fingerprint = 0x0123456789abcdef};

Buffer sealed(std::string_view payload, const EnvelopeHeader& with = header) {
  Buffer out;
  const auto written = codec::write_envelope(out, with, [&](Buffer& to) -> Result<void> {
    to.append(payload);
    return success;
  });
  EXPECT_TRUE(written);
  return out;
}
/// Changes bytes and makes the checksum right again, as a newer build would have written it.
Buffer with(Buffer bytes, std::size_t at, std::uint8_t value) {
  bytes.data()[at] = static_cast<std::byte>(value);
  store_little(bytes.data() + EnvelopeLayout::checksum, codec::envelope::checksum(bytes));
  return bytes;
}
Error refused(ByteView bytes) {
  const auto opened = open_envelope(bytes);
  return opened ? Error(Errc::io, "it was opened") : opened.error();
}
bool says(const Error& error, std::string_view words) {
  return error.detail().find(words) != std::string_view::npos;
}

TEST(Envelope, gives_back_what_it_was_given) {
  const Buffer bytes = sealed("payload");
  const auto opened = open_envelope(bytes);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->codec, 1);
  EXPECT_EQ(opened->schema_version, 3u);
  EXPECT_EQ(opened->lowest_reader, 2u);
  EXPECT_EQ(opened->fingerprint, 0x0123456789abcdefu);
  EXPECT_EQ(as_text(opened->payload), "payload");
}

TEST(Envelope, has_every_field_in_its_place) {
  const EnvelopeHeader small{.codec = 1, .schema_version = 3, .lowest_reader = 1};
  EXPECT_EQ(test::to_hex(sealed("\xa1\x65"
                                "coins\x0a",
                                small)),
            "ff707374"
            "78965e44"
            "0100"
            "0100"
            "00000000"
            "03000000"
            "01000000"
            "0000000000000000"
            "08000000"
            "a165636f696e730a");
}

TEST(Envelope, holds_an_empty_payload) {
  const auto bytes = sealed("");
  EXPECT_EQ(bytes.size(), EnvelopeLayout::size);
  EXPECT_TRUE(open_envelope(bytes));
}

TEST(Envelope, is_appended_and_leaves_the_buffer_alone_when_the_payload_fails) {
  Buffer out(as_bytes("before"));
  EXPECT_TRUE(codec::write_envelope(out, header, [](Buffer&) -> Result<void> { return success; }));
  EXPECT_EQ(out.size(), 6 + EnvelopeLayout::size);
  EXPECT_TRUE(open_envelope(out.view().subspan(6)));
  const auto failed = codec::write_envelope(out, header, [](Buffer& to) -> Result<void> {
    to.append("half");
    return Error(Errc::invalid, "no");
  });
  EXPECT_TRUE(failed.is(Errc::invalid));
  EXPECT_EQ(out.size(), 6 + EnvelopeLayout::size);
}

TEST(Envelope, every_flipped_bit_is_corrupt) {
  const Buffer good = sealed("some payload of a record");
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Buffer bad = good;
      bad.data()[i] ^= static_cast<std::byte>(1 << bit);
      ASSERT_EQ(refused(bad), Errc::corrupt) << i << ' ' << bit;
      ASSERT_TRUE(says(refused(bad), "the bytes were left as they are"));
    }
  }
}

TEST(Envelope, every_prefix_is_corrupt) {
  const Buffer good = sealed("some payload of a record");
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(refused(good.view().first(size)), Errc::corrupt) << size;
  }
  EXPECT_TRUE(says(refused(good.view().first(20)), "cut short"));
  EXPECT_TRUE(says(refused(good.view().first(40)), "says 24 bytes of data, and 4 are there"));
}

TEST(Envelope, bytes_behind_the_end_are_corrupt) {
  Buffer bytes = sealed("some payload of a record");
  bytes.push(std::byte{0});
  EXPECT_EQ(refused(bytes), Errc::corrupt);
  EXPECT_TRUE(says(refused(bytes), "says 24 bytes of data, and 25 are there")) << refused(bytes);
}

TEST(Envelope, a_length_that_lies_is_corrupt_even_if_the_checksum_agrees) {
  const Buffer good = sealed("some payload of a record");
  for (const int length : {0, 23, 25, 255}) {
    EXPECT_EQ(refused(with(good, EnvelopeLayout::length, static_cast<std::uint8_t>(length))),
              Errc::corrupt);
  }
  EXPECT_TRUE(open_envelope(with(good, EnvelopeLayout::length, 24)));
}

TEST(Envelope, foreign_bytes_are_corrupt_and_called_foreign) {
  for (const std::string_view text :
       {"", "{}", "a longer text that is no record at all, of more than 36 bytes", "\xff", "PST"}) {
    EXPECT_EQ(refused(as_bytes(text)), Errc::corrupt) << text;
  }
  EXPECT_TRUE(says(refused(as_bytes("{}")), "no record of persist"));
}

TEST(Envelope, a_later_format_and_an_unknown_flag_are_too_new) {
  const Buffer good = sealed("x");
  const Error format = refused(with(good, EnvelopeLayout::format, 2));
  EXPECT_EQ(format, Errc::too_new);
  EXPECT_TRUE(says(format, "format version 2, and this build knows 1")) << format;
  EXPECT_TRUE(says(format, "the bytes were left as they are"));
  for (std::size_t bit = 0; bit < 32; ++bit) {
    const Buffer flagged =
        with(good, EnvelopeLayout::flags + bit / 8, static_cast<std::uint8_t>(1 << (bit % 8)));
    if ((EnvelopeLayout::known_flags & (1U << bit)) != 0)
      EXPECT_EQ(open_envelope(flagged)->flags, 1U << bit) << "for who undoes it";
    else
      EXPECT_EQ(refused(flagged), Errc::too_new) << bit;
  }
}

}  // namespace
