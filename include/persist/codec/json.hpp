#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/json/reader.hpp>
#include <persist/codec/json/writer.hpp>
#include <persist/codec/token_codec.hpp>
#include <persist/result.hpp>
#include <persist/schema/write.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// JSON (RFC 8259): for data that people and other programs look at. Has every data kind but NaN
/// and infinity, which are `invalid`; byte strings are base64.
struct Json : TokenCodec<JsonWriter, JsonReader> {
  static constexpr std::uint16_t id = json_id;
  static constexpr std::string_view name = "json";

  /// Appends the data for people to read: a member per line, indented. It decodes like the other.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_pretty(const T& data, Buffer& out) {
    const std::size_t before = out.size();
    JsonWriter writer(out, JsonStyle::pretty);
    auto written = schema::write<Policy>(writer, data);
    if (!written) out.shrink(before);
    return written;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
