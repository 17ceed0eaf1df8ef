#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/output.hpp>
#include <persist/detail/base64.hpp>
#include <persist/detail/utf8.hpp>

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

class JsonReader;

/// How a JSON text is laid out: for machines on one line without a space, for people indented by
/// two.
enum class JsonStyle : std::uint8_t { compact, pretty };

/// Appends a JSON text (RFC 8259) to a buffer.
///
/// Integers are written whole, whatever their size. A floating point number takes the shortest text
/// that reads back as the same number in its own width, and always has a fraction or an exponent,
/// so that it comes back as one. Byte strings become base64. Control characters are escaped,
/// everything else stays UTF-8.
class JsonWriter : public Output {
 public:
  using reader = JsonReader;
  static constexpr bool sorts_keys = false;

  explicit JsonWriter(Buffer& out, JsonStyle style = JsonStyle::compact) noexcept
      : Output(out), pretty_(style == JsonStyle::pretty) {}

  // What cannot be said fails the writer, which goes on: `ok()` tells at the end.
  void null() { item(), out_.append("null"); }
  void boolean(bool value) { item(), out_.append(value ? "true" : "false"); }
  void integer(std::int64_t value) { item(), digits(value); }
  void unsigned_integer(std::uint64_t value) { item(), digits(value); }
  void real(double value) { floating(value); }
  void real(float value) { floating(value); }
  void text(std::string_view value) { item(), quoted(value); }
  void bytes(ByteView value) {
    item(), out_.append("\"");
    detail::append_base64(out_, value);
    out_.append("\"");
  }

  void begin_array(std::size_t /*count*/) { begin('['); }
  void end_array() { end(']'); }
  void begin_map(std::size_t /*count*/) { begin('{'); }
  void key(std::string_view name) {
    separate(), quoted(name);
    out_.append(pretty_ ? ": " : ":");
    after_key_ = true;
  }
  void end_map() { end('}'); }

  /// Appends one value that is JSON already.
  void raw(ByteView value) { item(), out_.append(value); }

  /// Keys stay in the order they come in. Only those of a map that has none are sorted.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return a < b;
  }

 private:
  void put(char letter) { out_.push(static_cast<std::byte>(letter)); }
  /// What stands before a value.
  void item() {
    if (!after_key_) separate();
    after_key_ = false;
    comma_ = true;
  }
  void separate() {
    if (comma_) put(',');
    if (pretty_ && depth() != 0) new_line();
  }
  void new_line() {
    put('\n');
    for (std::uint32_t i = 0; i < depth(); ++i)
      out_.append("  ");
  }
  void begin(char bracket) {
    item(), put(bracket), enter();
    comma_ = false;
  }
  void end(char bracket) {
    leave();
    if (pretty_ && comma_) new_line();
    put(bracket);
    comma_ = true;
  }
  template <class T>
  void digits(T value) {
    constexpr std::size_t most = 32;  // of any number in its shortest form
    auto* begin = reinterpret_cast<char*>(out_.grow(most));
    const char* end = std::to_chars(begin, begin + most, value).ptr;
    out_.shrink(out_.size() - most + static_cast<std::size_t>(end - begin));
    if constexpr (std::floating_point<T>) {
      const std::string_view written(begin, static_cast<std::size_t>(end - begin));
      if (written.find_first_of(".e") == std::string_view::npos) out_.append(".0");
    }
  }
  template <std::floating_point T>
  void floating(T value) {
    if (!std::isfinite(value)) [[unlikely]] {
      fail({Errc::invalid,
            "JSON has no NaN and no infinity: make the number finite before it is saved, or store "
            "the record with codec::Cbor, which has them"});
    }
    item(), digits(value);
  }
  void quoted(std::string_view text);
  void escaped(char letter);

  bool pretty_;
  bool comma_ = false;      ///< whether a value stands before this place in the same container
  bool after_key_ = false;  ///< whether the key of the next value stands before this place
};

inline void JsonWriter::quoted(std::string_view text) {
  const std::size_t good = detail::utf8_prefix(text);
  if (good != text.size()) [[unlikely]]
    not_utf8(good);
  put('"');
  std::size_t plain = 0;  // where the run begins that needs no escape; runs are copied whole
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (letter != '"' && letter != '\\' && static_cast<unsigned char>(letter) >= 0x20) [[likely]]
      continue;
    out_.append(text.substr(plain, i - plain));
    escaped(letter);
    plain = i + 1;
  }
  out_.append(text.substr(plain));
  put('"');
}

inline void JsonWriter::escaped(char letter) {
  switch (letter) {
    case '"':
      return out_.append("\\\"");
    case '\\':
      return out_.append("\\\\");
    case '\b':
      return out_.append("\\b");
    case '\f':
      return out_.append("\\f");
    case '\n':
      return out_.append("\\n");
    case '\r':
      return out_.append("\\r");
    case '\t':
      return out_.append("\\t");
    default:
      break;
  }
  out_.append("\\u00");
  put(static_cast<char>('0' + (static_cast<unsigned char>(letter) >> 4)));
  put("0123456789abcdef"[static_cast<unsigned char>(letter) & 15]);
}

}  // namespace persist::inline PERSIST_ABI::codec
