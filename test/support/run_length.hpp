#pragma once

#include <persist/codec/compressed.hpp>

#include <stdexcept>

namespace test {

/// A compressor that anybody can follow: pairs of a count and a byte. It counts its calls, and
/// throws over a large record when told to.
struct RunLength {
  static constexpr std::uint8_t id = 200;
  static constexpr std::string_view name = "run length";
  static inline int compressed = 0;
  static inline int decompressed = 0;
  static inline bool is_broken = false;

  static std::size_t compress(persist::ByteView from, std::span<std::byte> to) {
    ++compressed;
    if (is_broken && from.size() > 500) throw std::runtime_error("out of order");
    std::size_t made = 0;
    for (std::size_t at = 0; at < from.size();) {
      std::size_t run = 1;
      while (run < 255 && at + run < from.size() && from[at + run] == from[at])
        ++run;
      if (made + 2 > to.size()) return 0;
      to[made++] = static_cast<std::byte>(run);
      to[made++] = from[at];
      at += run;
    }
    return made;
  }
  static persist::Result<void> decompress(persist::ByteView from, std::span<std::byte> to) {
    ++decompressed;
    std::size_t made = 0;
    for (std::size_t at = 0; at + 1 < from.size(); at += 2)
      for (int left = std::to_integer<int>(from[at]); left > 0 && made < to.size(); --left)
        to[made++] = from[at + 1];
    if (made == to.size()) return persist::success;
    return persist::Error(persist::Errc::corrupt, "the runs are too short");
  }
};

}  // namespace test
