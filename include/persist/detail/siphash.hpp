#pragma once

#include <persist/bytes.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace persist::inline PERSIST_ABI::detail {

/// The key of a SipHash: 16 bytes read as two little-endian numbers.
struct SipKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  [[nodiscard]] static SipKey from(const std::array<std::byte, 16>& bytes) noexcept {
    return {load_little<std::uint64_t>(bytes.data()), load_little<std::uint64_t>(bytes.data() + 8)};
  }
};

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein; the reference's `siphash.c` with an
/// outlen of 16).
///
/// Who does not know the key can neither find two inputs of one hash nor foresee a hash. Takes its
/// input in pieces of any size; `finish` may be called once.
class SipHash {
 public:
  using Digest = std::array<std::byte, 16>;

  explicit SipHash(SipKey key) noexcept
      : v0_(key.low ^ 0x736f6d6570736575u),
        v1_(key.high ^ 0x646f72616e646f6du ^ 0xee),  // 0xee marks the long output
        v2_(key.low ^ 0x6c7967656e657261u),
        v3_(key.high ^ 0x7465646279746573u) {}

  SipHash& add(ByteView bytes) noexcept {
    total_ += bytes.size();
    for (const std::byte byte : bytes) {
      word_ |= std::to_integer<std::uint64_t>(byte) << (8 * filled_);
      if (++filled_ == 8) {
        mix(word_);
        word_ = 0, filled_ = 0;
      }
    }
    return *this;
  }

  [[nodiscard]] Digest finish() noexcept {
    mix(word_ | (static_cast<std::uint64_t>(total_ & 0xff) << 56));
    Digest digest;
    v2_ ^= 0xee;
    rounds(4);
    store_little(digest.data(), v0_ ^ v1_ ^ v2_ ^ v3_);
    v1_ ^= 0xdd;
    rounds(4);
    store_little(digest.data() + 8, v0_ ^ v1_ ^ v2_ ^ v3_);
    return digest;
  }

 private:
  void mix(std::uint64_t word) noexcept {
    v3_ ^= word;
    rounds(2);
    v0_ ^= word;
  }
  void rounds(int count) noexcept {
    for (; count != 0; --count) {
      v0_ += v1_, v1_ = std::rotl(v1_, 13) ^ v0_, v0_ = std::rotl(v0_, 32);
      v2_ += v3_, v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ += v3_, v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ += v1_, v1_ = std::rotl(v1_, 17) ^ v2_, v2_ = std::rotl(v2_, 32);
    }
  }

  std::uint64_t v0_, v1_, v2_, v3_;
  std::uint64_t word_ = 0;
  unsigned filled_ = 0;
  std::size_t total_ = 0;
};

/// The hash of one piece.
[[nodiscard]] inline SipHash::Digest siphash128(SipKey key, ByteView bytes) noexcept {
  return SipHash(key).add(bytes).finish();
}

}  // namespace persist::inline PERSIST_ABI::detail
