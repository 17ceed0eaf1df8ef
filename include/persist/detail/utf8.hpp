#pragma once

#include <persist/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace persist::inline PERSIST_ABI::detail {

/// Whether no byte of these eight is beyond ASCII; most text is, so it is asked first.
[[nodiscard]] inline bool is_ascii_word(const char* eight) noexcept {
  std::uint64_t word;
  std::memcpy(&word, eight, 8);
  return (word & 0x8080808080808080u) == 0;
}

[[nodiscard]] inline bool is_ascii(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() < 8) {
    unsigned all = 0;
    for (; at != end; ++at)
      all |= static_cast<unsigned char>(*at);
    return all < 0x80;
  }
  for (; end - at > 8; at += 8)
    if (!is_ascii_word(at)) return false;
  return is_ascii_word(end - 8);
}

/// The length of the well-formed UTF-8 character that begins there (`left` is not 0), or 0 if there
/// is none.
///
/// Table 3-7 of the Unicode standard: no overlong form, no surrogate, nothing beyond U+10FFFF.
[[nodiscard]] constexpr std::size_t utf8_character(const char* at, std::size_t left) noexcept {
  const auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) {
    return i < left && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return within(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = within(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf);
    return second && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = within(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf);
    return second && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/// How many bytes at the beginning of the text are well-formed UTF-8: all of them, or where the
/// first fault is.
[[nodiscard]] inline std::size_t utf8_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size() && is_ascii_word(text.data() + i)) {
      i += 8;
      continue;
    }
    if (static_cast<signed char>(text[i]) >= 0) {
      ++i;
      continue;
    }
    const std::size_t length = utf8_character(text.data() + i, text.size() - i);
    if (length == 0) break;
    i += length;
  }
  return i;
}

[[nodiscard]] inline bool is_utf8(std::string_view text) noexcept {
  return utf8_prefix(text) == text.size();
}

/// Writes a code point (not a surrogate, at most U+10FFFF) to at least 4 bytes; returns how many it
/// took.
inline std::size_t write_utf8(char* to, std::uint32_t code_point) noexcept {
  const auto tail = [code_point](int shift) {
    return static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) return to[0] = static_cast<char>(code_point), 1;
  if (code_point < 0x800)
    return to[0] = static_cast<char>(0xc0 | (code_point >> 6)), to[1] = tail(0), 2;
  if (code_point < 0x10000) {
    return to[0] = static_cast<char>(0xe0 | (code_point >> 12)), to[1] = tail(6), to[2] = tail(0),
           3;
  }
  return to[0] = static_cast<char>(0xf0 | (code_point >> 18)), to[1] = tail(12), to[2] = tail(6),
         to[3] = tail(0), 4;
}

}  // namespace persist::inline PERSIST_ABI::detail
