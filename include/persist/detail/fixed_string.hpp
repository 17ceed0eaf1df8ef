#pragma once

#include <persist/detail/config.hpp>

#include <cstddef>
#include <string_view>

namespace persist::inline PERSIST_ABI::detail {

/// A text that can be a template argument: `key::Prefixed<"Player_", …>`. Its members are public
/// because the language asks that of such a type.
template <std::size_t Size>
struct FixedString {
  char text[Size]{};

  constexpr FixedString(
      const char (&literal)[Size]) noexcept {  // NOLINT: a literal is the only thing it can be
    for (std::size_t i = 0; i < Size; ++i)
      text[i] = literal[i];
  }
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text, Size - 1}; }
};

}  // namespace persist::inline PERSIST_ABI::detail
