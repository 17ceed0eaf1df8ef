#pragma once

#include <persist/codec/any_of.hpp>
#include <persist/codec/compressed.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/wrapping.hpp>

#include <persistctl/words.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#if PERSISTCTL_HAS_LZ4
#include <persist/compress/lz4.hpp>
#endif
#if PERSISTCTL_HAS_ZSTD
#include <persist/compress/zstd.hpp>

#include <cstddef>
#include <span>
#include <vector>
#endif

// Records that are compressed, as far as this tool was built with what that takes. What is sealed
// stays shut: keys are the servers' own.

namespace persistctl {

#if PERSISTCTL_HAS_ZSTD
/// The dictionaries that the command line names.
struct Dictionaries {
  static inline std::vector<persist::compress::ZstdDictionary> known;
  [[nodiscard]] static std::span<const persist::compress::ZstdDictionary> list() noexcept {
    return known;
  }
};

/// As a game has it, but for a dictionary that is not there: here a command names it.
struct ZstdOfTool : persist::compress::ZstdDict<Dictionaries> {
  [[nodiscard]] static Result<void> decompress(ByteView from, std::span<std::byte> to) {
    auto done = ZstdDict::decompress(from, to);
    if (!done.is(Errc::wrong_codec)) return done;
    return Error(Errc::wrong_codec,
                 "the record was compressed with the zstd dictionary " +
                     std::to_string(ZSTD_getDictID_fromFrame(from.data(), from.size())) +
                     ": give it with --dictionary FILE");
  }
};
#endif

/// All that was done to a record, the last first. What was compressed and then sealed does not say
/// with what.
[[nodiscard]] inline std::string wrappings_of(const persist::codec::Envelope& record) {
  using L = persist::codec::EnvelopeLayout;
  const auto has = [&](std::uint32_t flag) { return (record.flags & flag) != 0; };
  if (record.flags == L::compressed) return persist::codec::wrapping::describe(record);
  std::string all;
  for (const auto& [flag, words] : {std::pair(L::in_pieces, "split into pieces"),
                                    {L::sealed, "sealed"},
                                    {L::compressed, "compressed"}})
    if (has(flag)) all += (all.empty() ? "" : ", ") + std::string(words);
  return all;
}

namespace detail {

/// For what this was built without: it undoes nothing.
template <int Nth>
struct Nothing : persist::codec::Packed {
  using payload_codec = persist::codec::Packed;
  [[nodiscard]] static Result<bool> unwrap(std::string_view, const persist::codec::Envelope&,
                                           std::size_t, Buffer&) {
    return false;
  }
};
#if PERSISTCTL_HAS_LZ4
using UnwrapsLz4 = persist::codec::Compressed<persist::codec::Packed, persist::compress::Lz4>;
#else
using UnwrapsLz4 = Nothing<0>;
#endif
#if PERSISTCTL_HAS_ZSTD
using UnwrapsZstd = persist::codec::Compressed<persist::codec::Packed, ZstdOfTool>;
#else
using UnwrapsZstd = Nothing<1>;
#endif

}  // namespace detail

/// The record as its codec made it, in `stored` or in `room`. `wrong_codec` for what this tool does
/// not undo; `too_large` above 64 MiB.
[[nodiscard]] inline Result<ByteView> unwrapped(std::string_view key, ByteView stored,
                                                Buffer& room) {
  using Undoes = persist::codec::AnyOf<detail::UnwrapsLz4, detail::UnwrapsZstd>;
  const std::size_t most = persist::schema::limits_of_record(stored.size()).bytes;
  const auto plain = persist::codec::plain_record<Undoes>(key, stored, most, room);
  if (!plain) return plain.error();
  const auto opened = persist::codec::open_envelope(*plain);
  if (!opened) return opened.error();
  if (opened->flags == 0) return *plain;
  return Error(Errc::wrong_codec, "the record is " + persist::codec::wrapping::describe(*opened) +
                                      ", and this tool cannot undo that");
}

}  // namespace persistctl
