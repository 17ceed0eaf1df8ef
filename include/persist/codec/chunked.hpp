#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/codec/wrapping.hpp>
#include <persist/detail/crc32c.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// Records that are larger than their backend takes. The record keeps its header and the beginning
// of its payload; the rest lies in pieces, which are records of a store of their own. That a codec
// says `Chunked` is all it does: the pieces are the store's work (store/pieces.hpp).

namespace persist::inline PERSIST_ABI::codec {

/// `C`, and a record over the limit of a transactional backend is stored in pieces, in the same
/// commit: all of it or nothing. A smaller one is stored as `C` stores it. Around everything else:
/// what was compressed and sealed is what is split. On a backend without a limit it is `C`, but for
/// reading what was split elsewhere.
///
/// The payload is then `length of the whole payload (4 bytes, little-endian), CRC-32C of it (4),
/// number of pieces (4), its beginning`; the pieces, one behind the other, are the rest.
template <class C>
struct Chunked : C {
  static_assert(!joins_records<C>, "persist: chunked once is chunked");
  using payload_codec = typename PayloadCodec<C>::type;
  static constexpr bool joins_pieces = true;
  static constexpr bool splits_into_pieces = true;
};

namespace chunked {

/// Of the payload of a record in pieces, before the beginning of its own.
inline constexpr std::size_t prefix = 12;
/// A backend that takes less takes no pieces: so a record cannot promise any number of them.
inline constexpr std::size_t smallest_piece = 1024;
/// What sealing adds to a record that was as large as it may be.
inline constexpr std::size_t grows_by = 256;

/// What a record says of its pieces.
struct Stub {
  EnvelopeHeader header;
  std::uint32_t length = 0;  ///< of the payload
  std::uint32_t crc = 0;     ///< of the payload
  std::uint32_t pieces = 0;
  ByteView beginning{};

  /// Bytes of the pieces.
  [[nodiscard]] std::size_t rest() const noexcept { return length - beginning.size(); }
};

[[nodiscard]] inline bool is_split(ByteView record) noexcept {
  return (wrapping::flags_of(record) & EnvelopeLayout::in_pieces) != 0;
}

/// What a record that is split says, which lies in `record`. `corrupt` where that cannot be.
[[nodiscard]] inline Result<Stub> read_stub(ByteView record) {
  const auto opened = open_envelope(record);
  if (!opened) return opened.error();
  const ByteView payload = opened->payload;
  Stub stub{.header = *opened};
  if ((opened->flags & EnvelopeLayout::in_pieces) == 0 || payload.size() < prefix)
    return envelope::damaged("the record does not say which pieces it has");
  stub.length = load_little<std::uint32_t>(payload.data());
  stub.crc = load_little<std::uint32_t>(payload.data() + 4);
  stub.pieces = load_little<std::uint32_t>(payload.data() + 8);
  stub.beginning = payload.subspan(prefix);
  if (stub.beginning.size() >= stub.length || stub.pieces == 0 ||
      stub.pieces > stub.rest() / smallest_piece + 1) {
    return envelope::damaged("the record says that its " + std::to_string(stub.length) +
                             " bytes lie in " + std::to_string(stub.pieces) + " pieces");
  }
  return stub;
}

/// Splits a whole record that is larger than `limit` into one of that many bytes and pieces of at
/// most as many, the last of which may be short. `too_large` where the backend takes too little.
[[nodiscard]] inline Result<void> split(ByteView record, std::size_t limit, Buffer& stub,
                                        std::vector<Buffer>& pieces) {
  if (limit < smallest_piece) {
    return Error(Errc::too_large, "the backend takes " + std::to_string(limit) +
                                      " bytes a record, and pieces have " +
                                      std::to_string(smallest_piece) + " at least");
  }
  const ByteView payload = record.subspan(EnvelopeLayout::size);
  const std::size_t kept = limit - EnvelopeLayout::size - prefix;
  for (std::size_t at = kept; at < payload.size(); at += limit)
    pieces.emplace_back(payload.subspan(at, (std::min)(limit, payload.size() - at)));
  EnvelopeHeader header = header_of(record);
  header.flags |= EnvelopeLayout::in_pieces;
  return write_envelope(stub, header, [&](Buffer& to) -> Result<void> {
    append_little(to, static_cast<std::uint32_t>(payload.size()));
    append_little(to, persist::detail::crc32c(payload));
    append_little(to, static_cast<std::uint32_t>(pieces.size()));
    to.append(payload.first(kept));
    return success;
  });
}

/// Appends the record as it was before it was split; `pieces` are all of them, in their order.
/// `corrupt` where they are not what it was split into: then `out` is as it was.
[[nodiscard]] inline Result<void> join(const Stub& stub, std::span<const ByteView> pieces,
                                       Buffer& out) {
  const auto not_its_own = [] {
    return envelope::damaged("the pieces of the record are not those that it was split into");
  };
  std::size_t found = stub.beginning.size();
  for (const ByteView piece : pieces)
    found += piece.size();
  if (pieces.size() != stub.pieces || found != stub.length) return not_its_own();
  EnvelopeHeader header = stub.header;
  header.flags &= ~EnvelopeLayout::in_pieces;
  out.reserve(out.size() + EnvelopeLayout::size + found);
  return write_envelope(out, header, [&](Buffer& to) -> Result<void> {
    const std::size_t begin = to.size();
    to.append(stub.beginning);
    for (const ByteView piece : pieces)
      to.append(piece);
    if (persist::detail::crc32c(to.view().subspan(begin)) != stub.crc) return not_its_own();
    return success;
  });
}

/// Bytes of a record in its store, and in its pieces where it has some.
[[nodiscard]] inline std::size_t stored_size(ByteView record) {
  if (!is_split(record)) return record.size();
  const auto stub = read_stub(record);
  return record.size() + (stub ? stub->rest() : 0);
}

/// How many pieces are to be read before the record can be. `too_large` where they would be more
/// than a record of `most` bytes may have; the errors of `read_stub`.
[[nodiscard]] inline Result<std::uint32_t> needed_pieces(ByteView record, std::size_t most) {
  const auto stub = read_stub(record);
  if (!stub) return stub.error();
  if (stub->length <= most + grows_by) return stub->pieces;
  return envelope::left_alone(
      Error(Errc::too_large, "the record has " + std::to_string(stub->length) +
                                 " bytes in pieces; the limit is " + std::to_string(most) +
                                 ": raise record_limit to read it"));
}

}  // namespace chunked

}  // namespace persist::inline PERSIST_ABI::codec
