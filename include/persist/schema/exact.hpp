#pragma once

#include <persist/detail/config.hpp>

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace persist::inline PERSIST_ABI::schema::detail {

/// Any number that is written in a program, as a template argument: compilers that do not take a
/// double there take this. It is exactly the number. Members are public because the language asks
/// that of such a type.
struct Exact {
  bool negative = false;
  std::uint64_t magnitude = 0;  ///< odd, or 0
  int exponent = 0;             ///< of two

  constexpr Exact() noexcept = default;
  template <std::integral T>
  constexpr Exact(T number) noexcept  // NOLINT(google-explicit-constructor): a number is what it is
      : negative(number < T{}), magnitude(size_of(number)) {
    strip();
  }
  constexpr Exact(double number) noexcept : negative(number < 0) {  // NOLINT: the same
    const auto bits = std::bit_cast<std::uint64_t>(number);
    const int field = static_cast<int>(bits >> 52 & 0x7ff);
    magnitude = bits & 0xfffffffffffff;
    if (field != 0) magnitude |= std::uint64_t{1} << 52;
    exponent = (field == 0 ? 1 : field) - 1075;
    strip();
  }

  friend constexpr bool operator<(const Exact& a, const Exact& b) noexcept {
    if (a.negative != b.negative) return a.negative;
    return a.negative ? is_nearer_zero(b, a) : is_nearer_zero(a, b);
  }

  [[nodiscard]] constexpr bool is_whole() const noexcept { return exponent >= 0; }
  /// Whether it is a T, without loss.
  template <class T>
  [[nodiscard]] constexpr bool fits() const noexcept {
    if constexpr (std::floating_point<T>) {
      return (magnitude >> std::numeric_limits<T>::digits) == 0;
    } else {
      if (magnitude == 0) return true;
      if (!is_whole() || exponent + static_cast<int>(std::bit_width(magnitude)) > 64) return false;
      const std::uint64_t size = magnitude << exponent;
      const auto most = static_cast<std::uint64_t>((std::numeric_limits<T>::max)());
      if (!negative) return size <= most;
      return std::is_signed_v<T> && size <= most + 1;
    }
  }
  /// The number as the T that it fits, or the nearest to it of floating point.
  template <class T>
  [[nodiscard]] constexpr T as() const noexcept {
    if constexpr (std::floating_point<T>) {
      double value = static_cast<double>(magnitude);
      for (int i = exponent; i < 0; ++i)
        value /= 2;
      for (int i = 0; i < exponent; ++i)
        value *= 2;
      return static_cast<T>(negative ? -value : value);
    } else {
      const std::uint64_t size = magnitude == 0 ? 0 : magnitude << exponent;
      return static_cast<T>(negative ? 0 - size : size);
    }
  }

 private:
  static constexpr bool is_nearer_zero(const Exact& a, const Exact& b) noexcept {
    if (a.magnitude == 0 || b.magnitude == 0) return a.magnitude < b.magnitude;
    const int top_a = a.exponent + static_cast<int>(std::bit_width(a.magnitude));
    const int top_b = b.exponent + static_cast<int>(std::bit_width(b.magnitude));
    if (top_a != top_b) return top_a < top_b;
    return a.magnitude << std::countl_zero(a.magnitude) < b.magnitude
                                                              << std::countl_zero(b.magnitude);
  }
  template <class T>
  static constexpr std::uint64_t size_of(T number) noexcept {
    const auto bits = static_cast<std::uint64_t>(number);
    return number < T{} ? 0 - bits : bits;
  }
  constexpr void strip() noexcept {
    if (magnitude == 0) {
      exponent = 0;
      negative = false;
      return;
    }
    exponent += std::countr_zero(magnitude);
    magnitude >>= std::countr_zero(magnitude);
  }
};

}  // namespace persist::inline PERSIST_ABI::schema::detail
