#pragma once

#include <persist/detail/config.hpp>

#include <functional>
#include <string_view>

namespace persist::inline PERSIST_ABI::detail {

/// Lets an unordered map of strings be searched with a view, without making a string.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail
