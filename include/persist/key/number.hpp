#pragma once

#include <persist/key/buffer.hpp>
#include <persist/key/concept.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace persist::inline PERSIST_ABI::key {

/// A number, spelled in decimal: 42 is "42", -7 is "-7".
///
/// No two numbers collide: each has one decimal form without leading zeros. So the type may be
/// widened later without moving a record.
template <plain_integer T = std::uint64_t>
struct Number {
  using value_type = T;

  /// Takes every integer type, so that a number the key type cannot hold (-1 where it is unsigned)
  /// is refused and not turned into the key of somebody else.
  template <plain_integer V>
  static void spell(V value, KeyBuffer& out) noexcept {
    if (!std::in_range<T>(value))
      out.refuse("the number is outside of the range of the key's type");
    out.append_number(value);
  }
  [[nodiscard]] static std::optional<T> read(std::string_view spelling) noexcept {
    T value{};
    const char* const end = spelling.data() + spelling.size();
    const auto [at, wrong] = std::from_chars(spelling.data(), end, value);
    if (wrong != std::errc{} || at != end) return std::nullopt;
    return value;
  }
};

}  // namespace persist::inline PERSIST_ABI::key
