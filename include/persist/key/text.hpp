#pragma once

#include <persist/key/buffer.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::key {

/// A text, spelled as it is. No two texts collide. Nothing is folded: "Ann" and "ann" are two keys.
struct Text {
  using value_type = std::string;

  static void spell(std::string_view value, KeyBuffer& out) noexcept { out.append(value); }
  [[nodiscard]] static std::optional<std::string> read(std::string_view spelling) {
    return std::string(spelling);
  }
};

}  // namespace persist::inline PERSIST_ABI::key
