#pragma once

#include <persist/schema/token.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

// A stored number becomes a member's number if no information is lost, whatever the two types are.

namespace persist::inline PERSIST_ABI::schema::detail {

[[nodiscard]] inline std::string text_of(Integer number) {
  if (!number.negative) return std::to_string(number.magnitude);
  constexpr auto most = (std::numeric_limits<std::uint64_t>::max)();
  return number.magnitude == most ? "-18446744073709551616"
                                  : "-" + std::to_string(number.magnitude + 1);
}
[[nodiscard]] inline std::string text_of(Real number) {
  char text[32];
  const auto end = number.single
                       ? std::to_chars(text, text + sizeof text, static_cast<float>(number.value))
                       : std::to_chars(text, text + sizeof text, number.value);
  return {text, end.ptr};
}

template <class T>
  requires(std::integral<T> || std::same_as<T, std::byte>)
[[nodiscard]] bool convert(Integer from, T& into) noexcept {
  if constexpr (std::same_as<T, std::byte>) {
    if (from.negative || from.magnitude > 0xff) return false;
    into = static_cast<std::byte>(from.magnitude);
    return true;
  } else {
    constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<T>::max)());
    if (from.magnitude > most || (from.negative && std::is_unsigned_v<T>)) return false;
    const auto magnitude = static_cast<T>(from.magnitude);
    into = magnitude;
    if constexpr (std::is_signed_v<T>)
      if (from.negative) into = static_cast<T>(-1 - magnitude);
    return true;
  }
}

/// 1.0 is an integer, 1.5 is none, and what was rounded to become a double would be a wrong one.
[[nodiscard]] inline bool convert(Real from, Integer& into) noexcept {
  constexpr double limit = 18446744073709551616.0;  // 2^64
  const double size = std::fabs(from.value);
  if (from.rounded || !(size < limit) || std::trunc(size) != size) return false;
  const auto magnitude = static_cast<std::uint64_t>(size);
  into.negative = from.value < 0;
  into.magnitude = into.negative ? magnitude - 1 : magnitude;
  return true;
}

/// A double becomes a float if it is one, or if it is what the text of one reads as: a float member
/// that was written as text (0.1) comes back as a double (0.1) that no float equals. Both say the
/// same decimal number, so nothing is lost.
[[nodiscard]] inline bool convert(Real from, float& into) noexcept {
  // The shortest text of the greatest float reads as a double that is a little greater.
  constexpr double most = (std::numeric_limits<float>::max)();
  into = static_cast<float>(std::isfinite(from.value) ? std::clamp(from.value, -most, most)
                                                      : from.value);
  if (from.single || std::isnan(from.value) || static_cast<double>(into) == from.value) return true;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, into).ptr;
  double again = 0;
  return std::from_chars(text, end, again).ec == std::errc() && again == from.value;
}
[[nodiscard]] inline bool convert(Real from, double& into) noexcept {
  return into = from.value, true;
}

/// Only where the floating point number is exactly the integer.
template <std::floating_point T>
[[nodiscard]] bool convert(Integer from, T& into) noexcept {
  // Rounded once: 2^24 + 1 and then one more would not be the 2^24 + 2 that a float holds. Where
  // one more is no number of 64 bits, this makes 0, which is not equal.
  into = static_cast<T>(from.negative ? from.magnitude + 1 : from.magnitude);
  if (from.negative) into = -into;
  Integer again;
  return convert(Real{static_cast<double>(into), false}, again) &&
         again.negative == from.negative && again.magnitude == from.magnitude;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
