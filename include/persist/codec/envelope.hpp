#pragma once

#include <persist/bytes.hpp>
#include <persist/detail/crc32c.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

/// What a record says of itself, before its payload.
struct EnvelopeHeader {
  std::uint16_t codec = 0;           ///< the id of the codec that wrote the payload
  std::uint32_t schema_version = 1;  ///< of the build that shaped the data
  std::uint32_t lowest_reader = 1;   ///< the lowest schema version that may read it
  std::uint64_t fingerprint = 0;     ///< of the schema; 0: not known
  std::uint32_t flags = 0;           ///< what was done to the payload: EnvelopeLayout
};

struct Envelope : EnvelopeHeader {
  ByteView payload;
};

/// Where each field of an envelope lies: numbers on disk, never renumber. All are little-endian.
/// `doc/format.md` has the grammar and an example.
///
/// Magic, checksum and format version stay where they are in every later format, so that a build
/// can tell bytes that are damaged from bytes that are too new for it.
struct EnvelopeLayout {
  static constexpr std::size_t magic = 0;     // 4 bytes
  static constexpr std::size_t checksum = 4;  // 4: CRC-32C of all other bytes, payload included
  static constexpr std::size_t format = 8;    // 2
  static constexpr std::size_t codec = 10;    // 2
  static constexpr std::size_t flags = 12;    // 4
  static constexpr std::size_t schema_version = 16;  // 4
  static constexpr std::size_t lowest_reader = 20;   // 4
  static constexpr std::size_t fingerprint = 24;     // 8
  static constexpr std::size_t length = 32;          // 4: of the payload
  static constexpr std::size_t size = 36;

  /// FF begins neither UTF-8 nor CBOR, so text and bare payloads are not taken for an envelope.
  static constexpr std::array<std::byte, 4> magic_bytes{std::byte{0xff}, std::byte{'p'},
                                                        std::byte{'s'}, std::byte{'t'}};
  static constexpr std::uint16_t format_version = 1;

  // Flags. Each says what was done to the payload behind the codec's back (wrapping.hpp); where
  // there are two, the one of the higher bit came last. One that a build does not know changes how
  // the payload is to be read.
  static constexpr std::uint32_t compressed = 1;
  static constexpr std::uint32_t sealed = 2;
  static constexpr std::uint32_t in_pieces = 4;
  static constexpr std::uint32_t known_flags = compressed | sealed | in_pieces;
};

namespace envelope {

[[nodiscard]] inline std::uint32_t checksum(ByteView bytes) noexcept {
  const auto before = bytes.first(EnvelopeLayout::checksum);
  return detail::crc32c(bytes.subspan(EnvelopeLayout::format), detail::crc32c(before));
}

/// `corrupt` and `too_new` are read by a person who must not lose the record over it.
[[nodiscard]] inline Error refusal(Errc code, std::string what, std::string_view advice) {
  return {code, std::move(what) + "; the bytes were left as they are: " + std::string(advice)};
}
[[nodiscard]] inline Error damaged(std::string what) {
  return refusal(Errc::corrupt, std::move(what),
                 "restore the record from a backup or an older version");
}
[[nodiscard]] inline Error from_the_future(std::string what) {
  return refusal(Errc::too_new, std::move(what), "read it with the newer build that wrote it");
}

/// The same words for what is wrong inside the payload.
[[nodiscard]] inline Error left_alone(const Error& error) {
  const auto detail = std::string(error.detail()) + (error.detail().empty() ? "" : "; ");
  return Error(error.code(), detail + "the bytes were left as they are")
      .at(std::string(error.path()), std::string(error.expected()), std::string(error.found()));
}

[[nodiscard]] inline std::string hexadecimal(std::uint32_t number) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, 16).ptr;
  return {digits, end};
}

[[nodiscard]] inline Error wrong_length(std::size_t said, std::size_t there) {
  return damaged("the header of the record says " + std::to_string(said) + " bytes of data, and " +
                 std::to_string(there) + " are there");
}

/// What is wrong with bytes whose checksum does not match: their length, or their content.
[[nodiscard]] inline Error mismatch(ByteView bytes, std::uint32_t stored, std::uint32_t found) {
  const std::size_t length = load_little<std::uint32_t>(bytes.data() + EnvelopeLayout::length);
  const std::size_t there = bytes.size() - EnvelopeLayout::size;
  if (length > there) return wrong_length(length, there);
  if (checksum(bytes.first(EnvelopeLayout::size + length)) == stored)
    return wrong_length(length, there);
  return damaged("the checksum of the record is " + hexadecimal(stored) +
                 ", and that of its bytes is " + hexadecimal(found));
}

}  // namespace envelope

/// What an envelope says of itself, believed as it is: for one that was made or opened here. At
/// least a header long.
[[nodiscard]] inline EnvelopeHeader header_of(ByteView envelope) noexcept {
  using L = EnvelopeLayout;
  const std::byte* at = envelope.data();
  return {.codec = load_little<std::uint16_t>(at + L::codec),
          .schema_version = load_little<std::uint32_t>(at + L::schema_version),
          .lowest_reader = load_little<std::uint32_t>(at + L::lowest_reader),
          .fingerprint = load_little<std::uint64_t>(at + L::fingerprint),
          .flags = load_little<std::uint32_t>(at + L::flags)};
}

/// Appends an envelope. `payload` is called with the buffer and appends what goes inside, which is
/// not copied again.
///
/// On failure (`payload`'s own, or `too_large` at 4 GiB) the buffer is as it was before.
template <class Payload>
[[nodiscard]] Result<void> write_envelope(Buffer& out, const EnvelopeHeader& header,
                                          Payload&& payload) {
  using L = EnvelopeLayout;
  const std::size_t begin = out.size();
  (void)out.grow(L::size);
  Result<void> written = payload(out);
  const std::size_t length = out.size() - begin - L::size;
  if (written && length > (std::numeric_limits<std::uint32_t>::max)()) {
    written = Error(Errc::too_large,
                    "a record of " + std::to_string(length) + " bytes: an envelope holds 4 GiB");
  }
  if (!written) {
    out.shrink(begin);
    return written;
  }
  std::byte* at = out.data() + begin;
  std::copy(L::magic_bytes.begin(), L::magic_bytes.end(), at + L::magic);
  store_little(at + L::format, L::format_version);
  store_little(at + L::codec, header.codec);
  store_little(at + L::flags, header.flags);
  store_little(at + L::schema_version, header.schema_version);
  store_little(at + L::lowest_reader, header.lowest_reader);
  store_little(at + L::fingerprint, header.fingerprint);
  store_little(at + L::length, static_cast<std::uint32_t>(length));
  store_little(at + L::checksum, envelope::checksum(out.view().subspan(begin)));
  return success;
}

/// Whether these bytes were written by something else. A record of ours whose magic alone was
/// damaged still has its checksum, which is over the right magic.
[[nodiscard]] inline bool is_foreign(ByteView bytes) noexcept {
  using L = EnvelopeLayout;
  const ByteView magic(L::magic_bytes);
  const std::size_t shown = (std::min)(bytes.size(), magic.size());
  if (bytes.empty() || same_bytes(bytes.first(shown), magic.first(shown))) return false;
  if (bytes.size() < L::size) return true;
  const auto stored = load_little<std::uint32_t>(bytes.data() + L::checksum);
  return detail::crc32c(bytes.subspan(L::format), detail::crc32c(magic)) != stored;
}

/// Reads what is around the payload, which lies in `bytes`. Nothing is believed before the checksum
/// matched.
///
/// `corrupt`: no envelope at all, cut short, followed by more, or any bit flipped. `too_new`: a
/// later format, or a flag this build does not know. Allocates only to say what is wrong.
[[nodiscard]] inline Result<Envelope> open_envelope(ByteView bytes) {
  using L = EnvelopeLayout;
  const auto has_magic = [bytes](std::size_t size) {
    return same_bytes(bytes.first(size), ByteView(L::magic_bytes).first(size));
  };
  if (bytes.empty() || !has_magic((std::min)(bytes.size(), L::magic_bytes.size()))) {
    return envelope::refusal(
        Errc::corrupt, "these " + std::to_string(bytes.size()) + " bytes are no record of persist",
        "move them away if they belong to something else");
  }
  if (bytes.size() < L::size) {
    return envelope::damaged("the record is cut short: " + std::to_string(bytes.size()) +
                             " bytes do not hold the header of " + std::to_string(L::size));
  }
  const std::byte* at = bytes.data();
  const auto stored = load_little<std::uint32_t>(at + L::checksum);
  const auto found = envelope::checksum(bytes);
  if (stored != found) return envelope::mismatch(bytes, stored, found);
  if (const auto format = load_little<std::uint16_t>(at + L::format); format != L::format_version) {
    return envelope::from_the_future("the record has format version " + std::to_string(format) +
                                     ", and this build knows " + std::to_string(L::format_version));
  }
  if (const auto flags = load_little<std::uint32_t>(at + L::flags);
      (flags & ~L::known_flags) != 0) {
    return envelope::from_the_future("the record has the flags " + envelope::hexadecimal(flags) +
                                     ", which this build does not know");
  }
  const Envelope opened{header_of(bytes), bytes.subspan(L::size)};
  if (const auto length = load_little<std::uint32_t>(at + L::length);
      length != opened.payload.size()) {
    return envelope::wrong_length(length, opened.payload.size());
  }
  return opened;
}

}  // namespace persist::inline PERSIST_ABI::codec
