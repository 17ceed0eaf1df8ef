#pragma once

#include <persist/bytes.hpp>

#include <bit>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

// Numbers as JSON has them. Most floating point numbers that a game keeps are short decimal ones
// (0.25, 12.5, 99.999), and those need none of the long arithmetic that the shortest text of any
// number takes.

namespace persist::inline PERSIST_ABI::codec::json {

/// The most letters a number takes.
inline constexpr std::size_t longest_number = 32;

/// A number with six decimal places.
struct Decimal {
  std::uint32_t whole = 0;
  std::uint32_t millionths = 0;
};

/// Whether the number, which is not negative, is the nearest of its type to a decimal with six
/// places and so few digits (15 for a double, 6 for a float) that no other such decimal has the
/// same nearest. Then that decimal without its last zeros is the shortest text, because a shorter
/// one would be another such decimal.
[[nodiscard]] inline bool is_short(double value, Decimal& as) noexcept {
  const bool is_in_range = value >= 1e-3 && value < 1e9;
  if (!is_in_range) return value == 0;
  const auto millionths = static_cast<std::uint64_t>(value * 1e6 + 0.5);  // NOLINT: see below
  // Both are exact, and a quotient is rounded once, so this is the nearest double; if the product
  // was rounded to another number, it is none here.
  if (static_cast<double>(millionths) / 1e6 != value) return false;
  as.whole = static_cast<std::uint32_t>(millionths / 1'000'000);
  as.millionths = static_cast<std::uint32_t>(millionths % 1'000'000);
  return true;
}
[[nodiscard]] inline bool is_short(float value, Decimal& as) noexcept {
  const bool is_in_range = value >= 1e-3f && value < 999.f;
  if (!is_in_range) return value == 0;
  const float scale = value < 1 ? 1e6f : 1e3f;
  const auto parts = static_cast<std::uint32_t>(value * scale + 0.5f);  // NOLINT: as above
  if (static_cast<float>(parts) / scale != value) return false;
  const std::uint32_t millionths = value < 1 ? parts : 1'000 * parts;
  as.whole = millionths / 1'000'000;
  as.millionths = millionths % 1'000'000;
  return true;
}

/// The eight digits of a number below 10^8, one a byte, the first in the lowest. Halves, quarters
/// and eighths of the word are divided at once; each factor is a reciprocal that is exact for as
/// many digits as are left.
[[nodiscard]] constexpr std::uint64_t eight_digits(std::uint32_t number) noexcept {
  std::uint64_t digits = number / 10'000 | std::uint64_t{number % 10'000} << 32;
  const std::uint64_t hundreds = (digits * 10'486 >> 20) & 0x0000'007f'0000'007f;
  digits = hundreds | (digits - 100 * hundreds) << 16;
  const std::uint64_t tens = (digits * 103 >> 10) & 0x000f'000f'000f'000f;
  return tens | (digits - 10 * tens) << 8;
}
inline constexpr std::uint64_t zeros = 0x3030'3030'3030'3030;  // eight letters 0

/// Writes eight letters, of which as many as the number has digits count, at least one.
[[nodiscard]] inline char* put_below_10_8(char* to, std::uint32_t number) noexcept {
  const std::uint64_t digits = eight_digits(number);
  const int leading = std::countr_zero(digits | std::uint64_t{1} << 56) / 8;
  store_little(reinterpret_cast<std::byte*>(to), (digits | zeros) >> 8 * leading);
  return to + 8 - leading;
}
[[nodiscard]] inline char* put_number(char* to, std::uint64_t number) noexcept {
  if (number < 10) return *to = static_cast<char>('0' + number), to + 1;
  constexpr std::uint64_t part = 100'000'000;
  if (number < part) return put_below_10_8(to, static_cast<std::uint32_t>(number));
  to = put_number(to, number / part);
  store_little(reinterpret_cast<std::byte*>(to),
               eight_digits(static_cast<std::uint32_t>(number % part)) | zeros);
  return to + 8;
}
[[nodiscard]] inline char* put_number(char* to, std::int64_t number) noexcept {
  const auto bits = static_cast<std::uint64_t>(number);
  *to = '-';
  return put_number(to + (number < 0), number < 0 ? ~bits + 1 : bits);
}

/// Any finite number.
template <std::floating_point T>
[[nodiscard]] PERSIST_NOINLINE char* put_long_number(char* to, T value) noexcept {
  char* const end = std::to_chars(to, to + longest_number, value).ptr;
  const std::string_view written(to, static_cast<std::size_t>(end - to));
  if (written.find_first_of(".e") != std::string_view::npos) return end;
  end[0] = '.';
  end[1] = '0';
  return end + 2;
}
/// Writes a finite number as the shortest text that reads back as the same number of its type, with
/// a fraction or an exponent. Returns where the text ends.
template <std::floating_point T>
[[nodiscard]] char* put_number(char* to, T value) noexcept {
  Decimal decimal;
  const bool negative = std::signbit(value);
  if (is_short(negative ? -value : value, decimal) &&
      (decimal.millionths != 0 || decimal.whole < 100'000)) {  // 1e+05 is shorter than 100000
    *to = '-';
    to = put_number(to + negative, std::uint64_t{decimal.whole});
    *to = '.';
    const std::uint64_t digits = eight_digits(decimal.millionths * 100);
    store_little(reinterpret_cast<std::byte*>(to + 1), digits | zeros);
    const int trailing = std::countl_zero(digits | 1) / 8;
    return to + 9 - trailing;
  }
  return put_long_number(to, value);
}

[[nodiscard]] constexpr bool is_digit(char letter) noexcept {
  return static_cast<unsigned char>(letter - '0') < 10;
}
/// The number that eight digits say, one a byte, the first in the lowest: pairs, quarters and the
/// whole are put together at once.
[[nodiscard]] constexpr std::uint64_t from_eight_digits(std::uint64_t digits) noexcept {
  constexpr std::uint64_t every_fourth = 0x0000'00ff'0000'00ff;
  digits = digits * 10 + (digits >> 8);
  return ((digits & every_fourth) * (100 + (std::uint64_t{1'000'000} << 32)) +
          (digits >> 16 & every_fourth) * (1 + (std::uint64_t{10'000} << 32))) >>
         32;
}
inline constexpr std::uint64_t whole_powers_of_ten[] = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

/// Appends the digits that are here to a number. What it becomes of more than 19 is of no use.
[[nodiscard]] inline const char* take_digits(const char* at, const char* end,
                                             std::uint64_t& number) noexcept {
  if (end - at >= 2 && is_digit(at[0]) && !is_digit(at[1])) {  // very many have one digit
    number = 10 * number + static_cast<std::uint64_t>(*at - '0');
    return at + 1;
  }
  while (end - at >= 8) {
    std::uint64_t digits =
        load_little<std::uint64_t>(reinterpret_cast<const std::byte*>(at)) ^ zeros;
    // Marks, each in its highest bit, bytes above 9; the lowest mark is a right one.
    const std::uint64_t others =
        ((digits + 0x7676'7676'7676'7676) | digits) & 0x8080'8080'8080'8080;
    const int count = others == 0 ? 8 : std::countr_zero(others) / 8;
    if (count == 0) return at;
    digits <<= 64 - 8 * count;
    number = number * whole_powers_of_ten[count] + from_eight_digits(digits);
    at += count;
    if (count != 8) return at;
  }
  for (; at != end && is_digit(*at); ++at)
    number = 10 * number + static_cast<std::uint64_t>(*at - '0');
  return at;
}
inline constexpr std::ptrdiff_t most_digits = 18;  // of which 64 bits hold any

/// Reads an integer of at most 18 digits. Returns where it ends, or null where another number or
/// none is there.
template <std::integral T>
[[nodiscard]] const char* take_number(const char* at, const char* end, T& into) noexcept {
  const bool negative = at != end && *at == '-';
  const char* const first = at + negative;
  std::uint64_t number = 0;
  at = take_digits(first, end, number);
  if (at == first || at - first > most_digits || (*first == '0' && at - first != 1)) return nullptr;
  if (at != end && (*at == '.' || *at == 'e' || *at == 'E')) return nullptr;
  const auto whole = static_cast<std::int64_t>(negative ? 0 - number : number);
  into = static_cast<T>(whole);
  return static_cast<std::int64_t>(into) == whole && (std::is_signed_v<T> || !negative) ? at
                                                                                        : nullptr;
}

inline constexpr double powers_of_ten[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/// Reads a number with a fraction and without an exponent, where so few digits are in it that one
/// division gives the nearest number of its type.
template <std::floating_point T>
[[nodiscard]] const char* take_number(const char* at, const char* end, T& into) noexcept {
  const bool negative = at != end && *at == '-';
  const char* const first = at + negative;
  std::uint64_t digits = 0;
  const char* const point = take_digits(first, end, digits);
  if (point == first || point == end || *point != '.' || (*first == '0' && point - first != 1))
    return nullptr;
  at = take_digits(point + 1, end, digits);
  const std::ptrdiff_t places = at - point - 1;
  // All up to 15 digits are exact in a double, up to 6 in a float.
  constexpr std::ptrdiff_t most = std::numeric_limits<T>::digits10;
  if (places == 0 || at - first - 1 > most + (*first == '0') ||
      (at != end && (*at == 'e' || *at == 'E')))
    return nullptr;
  const T number = static_cast<T>(digits) / static_cast<T>(powers_of_ten[places]);
  into = negative ? -number : number;
  return at;
}

}  // namespace persist::inline PERSIST_ABI::codec::json
