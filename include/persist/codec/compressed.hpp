#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/codec/wrapping.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// What compresses, as `compress::Lz4` and `compress::Zstd`. Called on any thread, several at once.
///
/// * `id`, `name`: what a record says, and a person reads.
/// * `compress(from, to)`: bytes written to the front of `to`, 0 where they have no room there.
/// * `decompress(from, to)`: fills `to` to the last byte or fails, whatever the bytes are.
template <class A>
concept compressor = requires(ByteView from, std::span<std::byte> to) {
  { A::id } -> std::convertible_to<std::uint8_t>;
  { A::name } -> std::convertible_to<std::string_view>;
  { A::compress(from, to) } -> std::same_as<std::size_t>;
  { A::decompress(from, to) } -> std::same_as<Result<void>>;
};

/// `C`, and what it makes is compressed by `A` where that makes it smaller by a sixteenth at least.
/// Reads what `C` wrote without it, too, so a store may begin to compress, or end it, at any time;
/// servers of a build that does not compress yet must have been replaced by then by such as can
/// read it (`AnyOf<C, Compressed<C, A>>`).
///
/// The payload is then `number of A (1 byte), length of the plain payload (4, little-endian),
/// what A made`.
template <class C, compressor A>
struct Compressed : C {
  static_assert(!wraps_records<C>,
                "persist: compress first: what is sealed or compressed gets no smaller");
  using payload_codec = typename PayloadCodec<C>::type;

  [[nodiscard]] static Result<bool> wrap(std::string_view, ByteView record, Buffer& out) {
    const ByteView plain = record.subspan(EnvelopeLayout::size);
    const std::size_t room = plain.size() - plain.size() / 16;
    if (room <= prefix || plain.size() > (std::numeric_limits<std::uint32_t>::max)()) return false;
    EnvelopeHeader header = header_of(record);
    header.flags |= EnvelopeLayout::compressed;
    bool pays = false;
    const std::size_t begin = out.size();
    out.reserve(begin + EnvelopeLayout::size + room);
    const auto written = write_envelope(out, header, [&](Buffer& to) -> Result<void> {
      std::byte* at = to.grow(room);
      at[0] = std::byte{A::id};
      store_little(at + 1, static_cast<std::uint32_t>(plain.size()));
      const std::size_t made = A::compress(plain, {at + prefix, room - prefix});
      pays = made != 0;
      to.shrink(to.size() - room + prefix + made);
      return success;
    });
    if (!written) return written.error();
    if (!pays) out.shrink(begin);
    return pays;
  }

  [[nodiscard]] static Result<bool> unwrap(std::string_view, const Envelope& wrapped,
                                           std::size_t most, Buffer& out) {
    if (wrapped.flags != EnvelopeLayout::compressed) return false;
    const ByteView bytes = wrapped.payload;
    if (bytes.empty() || bytes[0] != std::byte{A::id}) return false;
    if (bytes.size() < prefix)
      return Error(Errc::corrupt, "the compressed record ends before it says its length");
    const std::size_t length = load_little<std::uint32_t>(bytes.data() + 1);
    if (length + EnvelopeLayout::size > most) {
      return Error(Errc::too_large, "the record has " +
                                        std::to_string(length + EnvelopeLayout::size) +
                                        " bytes when decompressed; the limit is " +
                                        std::to_string(most) + ": raise record_limit to read it");
    }
    EnvelopeHeader header = wrapped;
    header.flags = 0;
    out.reserve(out.size() + EnvelopeLayout::size + length);
    const auto written = write_envelope(out, header, [&](Buffer& to) {
      std::byte* at = to.grow(length);
      return A::decompress(bytes.subspan(prefix), {at, length});
    });
    if (!written) return written.error();
    return true;
  }

 private:
  static constexpr std::size_t prefix = 5;
};

}  // namespace persist::inline PERSIST_ABI::codec
