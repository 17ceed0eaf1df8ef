#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/json/names.hpp>
#include <persist/codec/json/number.hpp>
#include <persist/codec/output.hpp>
#include <persist/detail/base64.hpp>
#include <persist/detail/utf8.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

class JsonReader;

/// How a JSON text is laid out: with a member or element per line, so many spaces further in than
/// what it is in; or, with no indent, on one line without a space.
struct JsonStyle {
  std::uint8_t indent = 0;

  static const JsonStyle compact;  ///< for machines
  static const JsonStyle pretty;   ///< for people: an indent of two
};
inline constexpr JsonStyle JsonStyle::compact{};
inline constexpr JsonStyle JsonStyle::pretty{2};

/// Appends a JSON text (RFC 8259) to a buffer.
///
/// Integers are written whole, whatever their size. A floating point number takes the shortest text
/// that reads back as the same number in its own width, and always has a fraction or an exponent,
/// so that it comes back as one. Byte strings become base64. Control characters are escaped,
/// everything else stays UTF-8.
///
/// The buffer is the writer's until `ok()` is asked, and holds all of the text then.
class JsonWriter : public Output {
 public:
  using reader = JsonReader;
  static constexpr bool sorts_keys = false;

  explicit JsonWriter(Buffer& out, JsonStyle style = JsonStyle::compact) noexcept
      : Output(out),
        indent_(style.indent),
        start_(out.size()),
        at_(reinterpret_cast<char*>(out.data()) + out.size()) {
    make_room(0);
  }

  [[nodiscard]] bool ok() noexcept {
    out_.end_at(reinterpret_cast<const std::byte*>(at_));
    if (depth() == 0 && out_.size() != start_) out_.shrink(out_.size() - 1);
    return Output::ok();
  }

  // What cannot be said fails the writer, which goes on: `ok()` tells at the end.
  void null() { word("null,"); }
  void boolean(bool value) { value ? word("true,") : word("false,"); }
  void integer(std::int64_t value) { number(value); }
  void unsigned_integer(std::uint64_t value) { number(value); }
  void real(double value) { floating(value); }
  void real(float value) { floating(value); }
  void text(std::string_view value) {
    begin_item();
    quoted(value);
    *at_++ = ',';
  }
  void bytes(ByteView value) {
    begin_item();
    need(detail::base64_size(value.size()));
    *at_++ = '"';
    at_ = detail::put_base64(at_, value);
    *at_++ = '"';
    *at_++ = ',';
  }

  void begin_array(std::size_t /*count*/) { begin('['); }
  void end_array() { end(']'); }
  void begin_map(std::size_t /*count*/) { begin('{'); }
  void key(std::string_view name) {
    begin_line();
    quoted(name);
    *at_++ = ':';
    if (is_pretty()) *at_++ = ' ';
  }
  /// The same for a name that was spelled before.
  void key(const json::Name& name) {
    if (is_pretty()) [[unlikely]]
      return key(name.plain);
    need(name.spelled.size());
    char* at = at_;
    json::copy_blocks(at, name.spelled);
    at_ = at + name.spelled.size();
  }
  void end_map() { end('}'); }
  /// The names of a struct's fields as `key` takes them.
  template <const auto& Names>
  [[nodiscard]] static constexpr const auto& spelled() noexcept {
    return json::spelled<Names>();
  }

  /// Appends one value that is JSON already.
  void raw(ByteView value) {
    begin_item();
    put(as_text(value));
    *at_++ = ',';
  }

  /// Keys stay in the order they come in. Only those of a map that has none are sorted.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return a < b;
  }

 private:
  // Each value is written with a comma behind it, which the end of its container writes over: so
  // nobody has to know whether something stood before.

  /// What is always left behind what was asked for: for a short value with its comma, or for the
  /// end of a block.
  static constexpr std::size_t spare = 64;
  static_assert(spare >= json::longest_number + 4 && spare >= json::block + 4);

  void need(std::size_t size) {
    if (last_ - at_ < static_cast<std::ptrdiff_t>(size)) [[unlikely]]
      make_room(size);
  }
  PERSIST_NOINLINE void make_room(std::size_t size) {
    out_.end_at(reinterpret_cast<const std::byte*>(at_));
    at_ = reinterpret_cast<char*>(out_.room(size + spare));
    last_ = at_ + (out_.capacity() - out_.size() - spare);
  }
  void put(std::string_view text) {
    need(text.size());
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  void begin_item() {
    if (is_pretty()) [[unlikely]]
      if (depth() != 0 && at_[-1] != ' ') new_line();  // only a key ends in a space
  }
  void begin_line() {
    if (is_pretty() && depth() != 0) [[unlikely]]
      new_line();
  }
  [[nodiscard]] bool is_pretty() const noexcept { return indent_ != 0; }
  void new_line();
  template <std::size_t Size>
  void word(const char (&text)[Size]) {
    begin_item();
    need(0);
    std::memcpy(at_, text, Size - 1);
    at_ += Size - 1;
  }
  void begin(char bracket) {
    begin_item();
    need(0);
    *at_++ = bracket;
    enter();
  }
  void end(char bracket) {
    leave();
    if (at_[-1] == ',') {
      --at_;
      if (is_pretty()) [[unlikely]]
        new_line();
    }
    need(0);
    char* at = at_;
    at[0] = bracket;
    at[1] = ',';
    at_ = at + 2;
  }
  template <class T>
  void number(T value) {
    begin_item();
    need(0);
    char* end = json::put_number(at_, value);
    *end = ',';
    at_ = end + 1;
  }
  template <std::floating_point T>
  void floating(T value) {
    if (!std::isfinite(value)) [[unlikely]]
      not_finite();
    number(value);
  }
  PERSIST_NOINLINE void not_finite() {
    fail({Errc::invalid,
          "JSON has no NaN and no infinity: make the number finite before it is saved, or store "
          "the record with codec::Cbor, which has them"});
  }
  void quoted(std::string_view text) {
    need(text.size());
    char* at = at_;
    *at++ = '"';
    if (!json::copy_plain(at, text.data(), text.size())) [[unlikely]]
      return escaped(text);
    at[text.size()] = '"';
    at_ = at + text.size() + 1;
  }
  void escaped(std::string_view text);
  void escape(char letter);

  std::uint8_t indent_;
  std::size_t start_;  ///< of the text in the buffer
  char* at_;
  char* last_;  ///< where there is still as much room as is always left
};

inline void JsonWriter::new_line() {
  put("\n");
  const std::size_t spaces = std::size_t{indent_} * depth();
  need(spaces);
  std::memset(at_, ' ', spaces);
  at_ += spaces;
}

/// Any text: runs that need no escape are copied whole.
inline void JsonWriter::escaped(std::string_view text) {
  const std::size_t good = detail::utf8_prefix(text);
  if (good != text.size()) [[unlikely]]
    not_utf8(good);
  *at_++ = '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (letter != '"' && letter != '\\' && static_cast<unsigned char>(letter) >= 0x20) [[likely]]
      continue;
    put(text.substr(plain, i - plain));
    escape(letter);
    plain = i + 1;
  }
  put(text.substr(plain));
  *at_++ = '"';
}

inline void JsonWriter::escape(char letter) {
  switch (letter) {
    case '"':
      return put("\\\"");
    case '\\':
      return put("\\\\");
    case '\b':
      return put("\\b");
    case '\f':
      return put("\\f");
    case '\n':
      return put("\\n");
    case '\r':
      return put("\\r");
    case '\t':
      return put("\\t");
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(letter);
  const char code[] = {
      '\\', 'u', '0', '0', static_cast<char>('0' + (byte >> 4)), "0123456789abcdef"[byte & 15]};
  put(std::string_view(code, sizeof code));
}

}  // namespace persist::inline PERSIST_ABI::codec
