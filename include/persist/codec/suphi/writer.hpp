#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/output.hpp>
#include <persist/codec/suphi/alphabet.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/value/core.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// How Suphi's module is told to write, by the names it has there.
struct SuphiStyle {
  int level = 2;       ///< 1: every table is keys and values; 2: a list is its items
  int decimals = 3;    ///< how many digits of a fraction stay
  bool safety = true;  ///< a DEL in a text becomes a space; otherwise it is refused
};

/// Appends the text that Suphi's DataStore Module makes of the same data, byte for byte.
///
/// A number that is whole is an integer, whatever its type; one that is not is rounded to the
/// decimals. Lists and maps without an entry are one and the same. The format has no null, no byte
/// strings, no NaN, no infinity and no number of more than 53 bits: `invalid`. Keys are texts.
class SuphiOutput : public Output {
 public:
  static constexpr bool sorts_keys = true;

  explicit SuphiOutput(Buffer& out, SuphiStyle style = {}) noexcept
      : Output(out), scale_(suphi::scale_of(style.decimals)), style_(style) {}

  // What cannot be said fails the writer, which goes on: `ok()` tells at the end.
  void null() {
    fail({Errc::invalid,
          "Suphi's format has no null: leave out what is empty, or give the member a value that "
          "says so"});
  }
  void boolean(bool value) { item(), put(value ? '+' : '-'); }
  void integer(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    whole(value < 0, value < 0 ? 0 - bits : bits);
  }
  void unsigned_integer(std::uint64_t value) { whole(false, value); }
  void real(double value);
  /// As the number that its shortest text says, which is what a float is read back from.
  void real(float value);
  void text(std::string_view value) { item(), quoted(value, style_.safety); }
  void bytes(ByteView /*value*/) {
    fail({Errc::invalid,
          "Suphi's format has no byte strings: keep them as text, in base64 for instance"});
  }

  void begin_array(std::size_t count) {
    const bool is_list = style_.level == 2 && count != 0;
    begin(is_list ? '|' : '*', style_.level == 1 ? 1 : 0);
  }
  void end_array() { close(); }
  void begin_map(std::size_t /*count*/) { begin('*', 0); }
  /// A DEL is refused here whatever the safety: with a space in its place two keys could be one.
  void key(std::string_view name) { quoted(name, false); }
  void end_map() { close(); }

  /// Appends one value that is in this format already.
  void raw(ByteView value) { item(), out_.append(value); }

  /// The game's language has no order of keys, so this one is only for equal data to be equal
  /// bytes.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return canonical_less(a, b);
  }

 private:
  void put(char letter) { out_.push(static_cast<std::byte>(letter)); }
  /// What stands before a value: at level 1 an element has its index there.
  void item() {
    if (depth() == 0 || depth() > Input::deepest) return;
    if (std::uint64_t& index = indexes_[depth() - 1]; index != 0) put('>'), number(index++);
  }
  void begin(char tag, std::uint64_t first_index) {
    item(), put(tag), enter();
    if (depth() <= Input::deepest) indexes_[depth() - 1] = first_index;
  }
  void close() { put(suphi::end), leave(); }
  void whole(bool negative, std::uint64_t magnitude) {
    if (magnitude > suphi::greatest_whole) [[unlikely]]
      too_great();
    item(), put(negative ? '<' : '>'), number(magnitude);
  }
  void number(std::uint64_t value) {
    do
      put(suphi::digits[value % suphi::base]);
    while ((value /= suphi::base) != 0);
  }
  void quoted(std::string_view text, bool safety);
  void too_great() {
    fail({Errc::invalid,
          "Suphi's format holds numbers exactly up to 2^53, a fraction with its decimals taken "
          "along: store a greater one as text"});
  }

  double scale_;
  SuphiStyle style_;
  std::array<std::uint64_t, Input::deepest>
      indexes_{};  ///< of the next element; 0: none is written
};

inline void SuphiOutput::real(double value) {
  const double size = std::fabs(value);
  if (!std::isfinite(size)) [[unlikely]]
    return fail({Errc::invalid,
                 "Suphi's format has no NaN and no infinity: make the number finite before it is "
                 "saved"});
  const bool is_whole = std::trunc(size) == size;
  // Half away from zero, like the module's.
  const double scaled = is_whole ? size : std::round(size * scale_);
  if (scaled > static_cast<double>(suphi::greatest_whole)) [[unlikely]]
    return too_great();
  if (is_whole) return whole(value < 0, static_cast<std::uint64_t>(size));
  item(), put(value < 0 ? '(' : ')'), number(static_cast<std::uint64_t>(scaled));
}

inline void SuphiOutput::real(float value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  double same = static_cast<double>(value);
  if (std::isfinite(value)) (void)std::from_chars(text, end, same);
  real(same);
}

inline void SuphiOutput::quoted(std::string_view text, bool safety) {
  if (const std::size_t good = detail::utf8_prefix(text); good != text.size()) [[unlikely]]
    not_utf8(good);
  put('#');
  const std::size_t from = out_.size();
  out_.append(text);
  if (text.find(suphi::end) != std::string_view::npos) [[unlikely]] {
    if (!safety)
      fail({Errc::invalid, "in Suphi's format a text ends at its first DEL (U+007F): take it out"});
    for (std::size_t i = from; i < out_.size(); ++i)
      if (out_.data()[i] == std::byte{suphi::end}) out_.data()[i] = std::byte{' '};
  }
  put(suphi::end);
}

}  // namespace persist::inline PERSIST_ABI::codec
