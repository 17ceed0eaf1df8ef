#pragma once

#include <persist/codec/cbor/reader.hpp>
#include <persist/codec/cbor/writer.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/token_codec.hpp>

#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// CBOR (RFC 8949) in its core deterministic encoding: compact, self-describing, equal data is
/// equal bytes. Has every data kind. Floating point numbers are kept by value, not by width.
struct Cbor : TokenCodec<CborWriter, CborReader> {
  static constexpr std::uint16_t id = cbor_id;
  static constexpr std::string_view name = "cbor";
};

}  // namespace persist::inline PERSIST_ABI::codec
