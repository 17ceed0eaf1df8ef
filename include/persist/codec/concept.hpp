#pragma once

#include <persist/bytes.hpp>
#include <persist/result.hpp>
#include <persist/schema/attributes.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/unknown.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

// The Codec axis: how data becomes bytes.
//
// A codec is a struct of static members:
//
// * `id -> std::uint16_t`: what a record says wrote it. Unique, never renumbered; 1 to 1023 are the
//   library's.
// * `name -> std::string_view`: for people.
// * `encode<Policy>(const T&, UnknownFields&, Buffer&) -> Result<void>`: appends the data, and what
//   is kept of fields that this build does not know.
// * `decode<Policy>(ByteView, T&, UnknownFields&, schema::Limits) -> Result<void>`: fills a fresh
//   value. What it has no member for goes to the unknown fields.
//
// Laws. What was encoded decodes to equal data. Equal data is equal bytes. A failed encode leaves
// the buffer as it was; a failed decode leaves a scratch value that is thrown away. Bytes are
// hostile: no input crashes, hangs, or takes memory out of proportion to its size. What a codec
// cannot keep it refuses (`invalid`), at the latest when it encodes.
//
// Models: codec::Packed, codec::Cbor, codec::Json, codec::Suphi, codec::AnyOf.

namespace persist::inline PERSIST_ABI {

/// The codec can be named in a record, and to a person.
template <class C>
concept names_itself = requires {
  { C::id } -> std::convertible_to<std::uint16_t>;
  { C::name } -> std::convertible_to<std::string_view>;
};

template <class C, class T, class Policy = schema::NoPolicy>
concept encodes = requires(const T& data, UnknownFields& unknown, Buffer& out) {
  { C::template encode<Policy>(data, unknown, out) } -> std::same_as<Result<void>>;
};

template <class C, class T, class Policy = schema::NoPolicy>
concept decodes =
    requires(ByteView bytes, T& scratch, UnknownFields& unknown, schema::Limits limits) {
      { C::template decode<Policy>(bytes, scratch, unknown, limits) } -> std::same_as<Result<void>>;
    };

/// As in `template <codec_for<PlayerData> Codec>`.
template <class C, class T, class Policy = schema::NoPolicy>
concept codec_for = names_itself<C> && encodes<C, T, Policy> && decodes<C, T, Policy>;

/// It reads what others wrote too, as `codec::AnyOf`: `reads(id)` says whose, `names()` says it to
/// a person, and `decode_from` is `decode` with the id in front.
template <class C>
concept reads_others = requires {
  { C::reads(C::id) } -> std::same_as<bool>;
  { C::names() } -> std::convertible_to<std::string>;
};

namespace codec {

/// The ids of the library's codecs. They are in every record: never renumber.
inline constexpr std::uint16_t cbor_id = 1;
inline constexpr std::uint16_t json_id = 2;
inline constexpr std::uint16_t packed_id = 3;
inline constexpr std::uint16_t suphi_id = 4;         ///< with its 3 decimals
inline constexpr std::uint16_t suphi_first_id = 32;  ///< to 47: with as many decimals, from 0 on

/// The id of `Suphi` with so many decimals.
[[nodiscard]] constexpr std::uint16_t suphi_id_of(int decimals) noexcept {
  return decimals == 3 ? suphi_id : static_cast<std::uint16_t>(suphi_first_id + decimals);
}

/// The decimals of a `Suphi` of that id, or -1 where it is another codec's.
[[nodiscard]] constexpr int suphi_decimals_of(std::uint16_t id) noexcept {
  if (id == suphi_id) return 3;
  return id >= suphi_first_id && id < suphi_first_id + 16 ? id - suphi_first_id : -1;
}

/// What a person calls the codec of that id: its name where it is one of the library's, else its
/// number.
[[nodiscard]] inline std::string name_of(std::uint16_t id) {
  switch (id) {
    case cbor_id:
      return "cbor";
    case json_id:
      return "json";
    case packed_id:
      return "packed";
    case suphi_id:
      return "suphi";
    default:
      break;
  }
  if (const int decimals = suphi_decimals_of(id); decimals >= 0)
    return "suphi with " + std::to_string(decimals) + " decimals";
  return "number " + std::to_string(id);
}

}  // namespace codec

}  // namespace persist::inline PERSIST_ABI
