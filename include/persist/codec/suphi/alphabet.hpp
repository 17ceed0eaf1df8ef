#pragma once

#include <persist/detail/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The letters of the text format of Suphi's DataStore Module, for its writer and its reader.
// Numbers have the base 83 and their least digit first.

namespace persist::inline PERSIST_ABI::codec::suphi {

/// Ends a text and a table, and so cannot stand in a text.
inline constexpr char end = '\x7f';

inline constexpr std::string_view digits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!$%&',./:;=?@[]^_`{}~";
inline constexpr std::uint64_t base = digits.size();

inline constexpr std::uint8_t no_digit = 255;
inline constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < digits.size(); ++i)
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  return values;
}();
/// What that character counts as a digit, or `no_digit`.
[[nodiscard]] constexpr std::uint8_t digit_value(char letter) noexcept {
  return digit_values[static_cast<unsigned char>(letter)];
}

/// The game's language has no integers but those that a double holds without a gap.
inline constexpr std::uint64_t greatest_whole = std::uint64_t{1} << 53;

/// With one more, one and a half would be no whole number below 2^53 any more.
inline constexpr int most_decimals = 15;

/// What a fraction is multiplied with. The powers of ten up to 10^22 are doubles.
[[nodiscard]] constexpr double scale_of(int decimals) noexcept {
  double scale = 1;
  for (int i = 0; i < decimals; ++i)
    scale *= 10;
  return scale;
}

}  // namespace persist::inline PERSIST_ABI::codec::suphi
