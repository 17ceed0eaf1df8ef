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

/// What became of the offer to read an item without looking at its tokens, which a reader makes
/// that knows the type of what was written.
enum class Direct : std::uint8_t { no, done, failed };

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

/// For what was stored as one record, whose own limit held when it was written: it is read again
/// whatever its size, and no item is smaller than a byte.
[[nodiscard]] constexpr Limits limits_of_record(std::size_t bytes) noexcept {
  Limits limits;
  if (bytes > limits.bytes) limits.bytes = bytes;
  if (bytes > limits.elements) limits.elements = bytes;
  return limits;
}

}  // namespace persist::inline PERSIST_ABI::schema
