#pragma once

#include <persist/bytes.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

// Integers in as many bytes as they need, one to nine. The number of bytes is in the low bits of
// the first (a one behind as many zeros as bytes follow), so it is known before the rest is read
// and no loop looks at each byte, as LEB128 needs. `doc/format.md` says why.

namespace persist::inline PERSIST_ABI::codec::packed {

/// The most bytes a number takes.
inline constexpr std::size_t longest_number = 9;

/// Writes the number; there must be room for `longest_number` bytes, all of which may be written.
/// Returns where it ends.
[[nodiscard]] inline std::byte* put_number(std::byte* at, std::uint64_t number) noexcept {
  if (number < 0x80) [[likely]] {
    *at = static_cast<std::byte>(number << 1 | 1);
    return at + 1;
  }
  const auto bits = static_cast<unsigned>(std::bit_width(number));
  if (bits > 56) {
    *at = std::byte{0};
    store_little(at + 1, number);
    return at + longest_number;
  }
  const unsigned size = (bits + 6) / 7;
  store_little(at, (number << 1 | 1) << (size - 1));
  return at + size;
}

/// Reads a number. Null where the bytes end in the middle of it. Longer forms of a number than the
/// shortest are read too.
[[nodiscard]] inline const std::byte* get_number(const std::byte* at, const std::byte* end,
                                                 std::uint64_t& number) noexcept {
  if (at == end) return nullptr;
  const auto first = std::to_integer<unsigned>(*at);
  if ((first & 1) != 0) [[likely]] {
    number = first >> 1;
    return at + 1;
  }
  const std::size_t size =
      first == 0 ? longest_number : static_cast<std::size_t>(std::countr_zero(first)) + 1;
  if (static_cast<std::size_t>(end - at) < size) return nullptr;
  if (size == longest_number) {
    number = load_little<std::uint64_t>(at + 1);
    return at + size;
  }
  std::uint64_t bytes = 0;
  if (end - at >= 8) [[likely]] {
    bytes = load_little<std::uint64_t>(at) << (64 - 8 * size) >> (64 - 8 * size);
  } else {
    for (std::size_t i = 0; i < size; ++i)
      bytes |= std::to_integer<std::uint64_t>(at[i]) << (8 * i);
  }
  number = bytes >> size;
  return at + size;
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 are 0, 1, 2, 3.
template <std::integral T>
[[nodiscard]] constexpr std::uint64_t to_unsigned(T number) noexcept {
  if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<std::int64_t>(number);
    return static_cast<std::uint64_t>(wide) << 1 ^ static_cast<std::uint64_t>(wide >> 63);
  } else {
    return number;
  }
}
/// False where the number does not fit.
template <std::integral T>
[[nodiscard]] constexpr bool from_unsigned(std::uint64_t number, T& into) noexcept {
  if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<std::int64_t>(number >> 1 ^ (~(number & 1) + 1));
    into = static_cast<T>(wide);
    return into == wide;
  } else {
    into = static_cast<T>(number);
    return into == number;
  }
}

}  // namespace persist::inline PERSIST_ABI::codec::packed
