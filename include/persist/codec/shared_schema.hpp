#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/record/schema.hpp>
#include <persist/result.hpp>

#include <concepts>
#include <cstddef>
#include <optional>

// Records of Packed whose description lies beside them. Their payload is
// `number(0), id of the description (16 bytes), value`.

namespace persist::inline PERSIST_ABI::codec {

/// `schema_of<Policy, T>(payload)`: what a payload that was just encoded needs beside it; null if
/// nothing.
template <class C, class Policy, class T>
concept shares_schemas = requires(ByteView payload) {
  { C::template schema_of<Policy, T>(payload) } -> std::same_as<const Schema*>;
};

namespace packed {

/// A description of length 0.
inline constexpr std::byte described_elsewhere{1};
inline constexpr std::size_t shared_prefix_size = 1 + 16;

inline void put_shared_prefix(std::byte* to, const Hash128& id) noexcept {
  to[0] = described_elsewhere;
  store_little(to + 1, id.low);
  store_little(to + 9, id.high);
}
[[nodiscard]] inline bool is_described_elsewhere(ByteView payload) noexcept {
  return !payload.empty() && payload[0] == described_elsewhere;
}
/// What the description is called; nothing where the payload ends before it said.
[[nodiscard]] inline std::optional<Hash128> described_by(ByteView payload) noexcept {
  if (!is_described_elsewhere(payload) || payload.size() < shared_prefix_size) return std::nullopt;
  return Hash128{load_little<std::uint64_t>(payload.data() + 1),
                 load_little<std::uint64_t>(payload.data() + 9)};
}

}  // namespace packed

/// The schema that a record names, which is to be fetched when `decode_record` does not know it.
[[nodiscard]] inline std::optional<Hash128> needed_schema(ByteView record) noexcept {
  using L = EnvelopeLayout;
  if (record.size() < L::size || header_of(record).codec != packed_id) return std::nullopt;
  return packed::described_by(record.subspan(L::size));
}

/// Appends the record as it would be with its description inside. `corrupt` where `schema` is not
/// the one that it names.
[[nodiscard]] inline Result<void> inline_schema(ByteView record, ByteView schema, Buffer& out) {
  const auto opened = open_envelope(record);
  if (!opened) return opened.error();
  const auto wanted = packed::described_by(opened->payload);
  if (!wanted || schema_id(schema) != *wanted)
    return Error(Errc::corrupt, "the schema of the record is not the one that it names");
  return write_envelope(out, *opened, [&](Buffer& to) -> Result<void> {
    std::byte* at = to.grow(packed::longest_number);
    to.shrink(static_cast<std::size_t>(packed::put_number(at, schema.size()) - to.data()));
    to.append(schema);
    to.append(opened->payload.subspan(packed::shared_prefix_size));
    return success;
  });
}

}  // namespace persist::inline PERSIST_ABI::codec
