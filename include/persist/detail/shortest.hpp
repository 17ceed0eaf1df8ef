#pragma once

#include <persist/detail/config.hpp>

#include <charconv>
#include <cmath>

namespace persist::inline PERSIST_ABI::detail {

/// Whether a double read from text may have been written from a float: the float nearest to it, written in the
/// shortest way a float has, reads as this double. So 0.1 is text of a float although no float is 0.1 exactly.
[[nodiscard]] inline bool is_float_text(double value) noexcept {
  const auto nearest = static_cast<float>(value);
  if (!std::isfinite(nearest)) return false;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, nearest).ptr;
  double read = 0;
  return std::from_chars(text, end, read).ptr == end && read == value;
}

}  // namespace persist::inline PERSIST_ABI::detail
