#pragma once

#include <persist/codec/json/text.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec::json {

/// The name of a field, and how it stands in a text, with its quotes and the colon: `"coins":`.
struct Name {
  std::string_view plain;
  std::string_view spelled;
};

/// Texts that are copied and compared in blocks of so many bytes have that many behind them.
inline constexpr std::size_t block = 16;

template <const auto& Names>
class SpelledNames {
  static constexpr std::size_t size = [] {
    std::size_t sum = block;
    for (const std::string_view name : Names)
      sum += name.size() + 3;
    return sum;
  }();
  static constexpr std::array<char, size> text = [] {
    std::array<char, size> all{};
    char* at = all.data();
    for (const std::string_view name : Names) {
      *at++ = '"';
      at = std::copy(name.begin(), name.end(), at);
      *at++ = '"';
      *at++ = ':';
    }
    return all;
  }();

 public:
  /// Whether each name is what stands in the text.
  static constexpr bool are_plain =
      std::all_of(Names.begin(), Names.end(), [](std::string_view name) {
        return !name.empty() &&
               std::all_of(name.begin(), name.end(), [](char letter) { return is_plain(letter); });
      });
  static constexpr std::array<Name, Names.size()> all = [] {
    std::array<Name, Names.size()> made{};
    const char* at = text.data();
    for (std::size_t i = 0; i < Names.size(); ++i) {
      const std::size_t length = Names[i].size() + 3;
      made[i] = {Names[i], {at, length}};
      at += length;
    }
    return made;
  }();
};

/// The names of a struct's fields, spelled before the program runs; or as they are, where one of
/// them is not what stands in the text.
template <const auto& Names>
[[nodiscard]] constexpr const auto& spelled() noexcept {
  if constexpr (SpelledNames<Names>::are_plain)
    return SpelledNames<Names>::all;
  else
    return Names;
}

/// Copies a spelled name; the bytes behind it are written too, up to `block` of them.
inline void copy_blocks(char* to, std::string_view name) noexcept {
  std::size_t at = 0;
  do {
    std::memcpy(to + at, name.data() + at, block);
    at += block;
  } while (at < name.size());
}

}  // namespace persist::inline PERSIST_ABI::codec::json
