#pragma once

#include <persist/detail/config.hpp>

#include <array>
#include <cstddef>
#include <string_view>

// The only names of members, enumerators and types that C++20 gives are those a compiler puts into
// the text of a function's own name. This is what it takes to read that text; g++ and clang spell
// it differently, and both spellings are handled by the same rules.

namespace persist::inline PERSIST_ABI::schema::detail {

/// A letter of an identifier; bytes above 127 are letters of one that is not English.
[[nodiscard]] constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

[[nodiscard]] constexpr int nesting(char c) noexcept {
  if (c == '(' || c == '[' || c == '{' || c == '<') return 1;
  return c == ')' || c == ']' || c == '}' || c == '>' ? -1 : 0;
}

/// The last identifier in `text`: `value.S::coins))}` gives `coins`.
[[nodiscard]] constexpr std::string_view last_identifier(std::string_view text) noexcept {
  while (!text.empty() && !is_letter(text.back()))
    text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin != 0 && is_letter(text[begin - 1]))
    --begin;
  return text.substr(begin);
}

/// What stands for the template argument named `Pretty` in a function's name, to the closing
/// bracket.
[[nodiscard]] constexpr std::string_view pretty_argument(std::string_view function) noexcept {
  constexpr std::string_view mark = "Pretty = ";
  std::string_view text = function.substr(function.find(mark) + mark.size());
  text.remove_suffix(1);
  return text;
}

/// The parts of a pretty argument that is a pack of `Count`: both compilers put it in one pair of
/// brackets with commas between.
template <std::size_t Count>
[[nodiscard]] constexpr std::array<std::string_view, Count> split_pack(
    std::string_view text) noexcept {
  std::array<std::string_view, Count> parts{};
  text.remove_prefix(1);
  std::size_t begin = 0;
  std::size_t part = 0;
  int depth = 0;
  for (std::size_t at = 0; at < text.size() && part < Count; ++at) {
    const int step = nesting(text[at]);
    if ((depth == 0 && text[at] == ',') || depth + step < 0) {
      parts[part++] = text.substr(begin, at - begin);
      begin = at + 1;
      while (begin < text.size() && text[begin] == ' ')
        ++begin;
    }
    depth += step;
  }
  return parts;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
