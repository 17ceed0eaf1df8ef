#pragma once

#include <persist/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::schema {

/// What a reader stands before. Types are walked in these words, so that a format knows no type and
/// a type knows no format.
enum class Token : std::uint8_t {
  null,
  boolean,
  integer,
  real,
  text,
  bytes,
  array,
  map,
  end,  ///< nothing is left
  bad   ///< the next bytes are no item; reading it says why
};

/// The word for it in a message.
[[nodiscard]] constexpr std::string_view name(Token token) noexcept {
  constexpr std::string_view names[] = {
      "null",  "a boolean", "an integer", "a real",           "a text",
      "bytes", "an array",  "a map",      "the end of input", "no item"};
  return names[static_cast<std::uint8_t>(token)];
}

/// An integer as wide as a format can hold: the value, or -1 - magnitude.
struct Integer {
  bool negative = false;
  std::uint64_t magnitude = 0;
};

/// A floating point number, and whether it was stored in 32 bits or fewer.
struct Real {
  double value = 0;
  bool single = false;
  /// It stands for an integer that no integer of the format holds, so its digits are not exact.
  bool rounded = false;
};

/// What one input may cost; checked before anything is allocated, `too_large` beyond.
struct Limits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t elements = 4'000'000;
  std::uint32_t depth = 128;
};

}  // namespace persist::inline PERSIST_ABI::schema
