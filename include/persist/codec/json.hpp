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
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

/// JSON (RFC 8259): for data that people and other programs look at. Has every data kind but NaN
/// and infinity, which are `invalid`; byte strings are base64.
struct Json : TokenCodec<JsonWriter, JsonReader> {
  static constexpr std::uint16_t id = json_id;
  static constexpr std::string_view name = "json";

  /// Appends the data laid out for people to read. It decodes like the other.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_pretty(const T& data, Buffer& out,
                                                  JsonStyle style = JsonStyle::pretty) {
    const std::size_t before = out.size();
    JsonWriter writer(out, style);
    auto written = schema::write<Policy>(writer, data);
    if (!written) out.shrink(before);
    return written;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI {

/// The data, or a `Value`, as a JSON text for people: a log line, a bug report, a page of an
/// administrator. `to_json(data, {.indent = 4})`; with an indent of 0 it is all on one line. `Json`
/// reads what it makes. `invalid` and `too_large` as `Json::encode`. What a record holds that this
/// build does not know is not in it, because it is not in the data.
template <class Policy = schema::NoPolicy, class T>
[[nodiscard]] Result<std::string> to_json(const T& data,
                                          codec::JsonStyle style = codec::JsonStyle::pretty) {
  Buffer text;
  if (auto written = codec::Json::encode_pretty<Policy>(data, text, style); !written)
    return std::move(written).error();
  return std::string(as_text(text));
}

}  // namespace persist::inline PERSIST_ABI
