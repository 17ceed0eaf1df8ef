// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <lz4.h>
#include <span>
#include <string_view>

namespace persist::inline PERSIST_ABI::compress {

/// LZ4 (its block format): the fastest, and the larger. Link `persist::lz4`.
struct Lz4 {
  static constexpr std::uint8_t id = codec::lz4_id;
  static constexpr std::string_view name = "lz4";

  [[nodiscard]] static std::size_t compress(ByteView from, std::span<std::byte> to) {
    if (from.size() > LZ4_MAX_INPUT_SIZE) return 0;
    const int made = LZ4_compress_default(text(from.data()), text(to.data()), size(from.size()),
                                          size(to.size()));
    return made > 0 ? static_cast<std::size_t>(made) : 0;
  }
  [[nodiscard]] static Result<void> decompress(ByteView from, std::span<std::byte> to) {
    const bool fits = from.size() <= LZ4_MAX_INPUT_SIZE && to.size() <= LZ4_MAX_INPUT_SIZE;
    const int made = fits ? LZ4_decompress_safe(text(from.data()), text(to.data()),
                                                size(from.size()), size(to.size()))
                          : -1;
    if (made >= 0 && static_cast<std::size_t>(made) == to.size()) return success;
    return Error(Errc::corrupt, "what LZ4 compressed is damaged, or not of the length it says");
  }

 private:
  static int size(std::size_t bytes) noexcept { return static_cast<int>(bytes); }
  static const char* text(const std::byte* bytes) noexcept {
    return reinterpret_cast<const char*>(bytes);
  }
  static char* text(std::byte* bytes) noexcept { return reinterpret_cast<char*>(bytes); }
};

}  // namespace persist::inline PERSIST_ABI::compress
