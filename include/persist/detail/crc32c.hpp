#pragma once

#include <persist/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

// The instruction is found at run time on x86-64 (a program is built for the oldest machine it runs
// on), at compile time on ARM; elsewhere, and on compilers without the attribute, the tables do it.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define PERSIST_CRC32C_X86 1
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#define PERSIST_CRC32C_ARM 1
#include <arm_acle.h>
#endif

namespace persist::inline PERSIST_ABI::detail {

/// Eight tables: `tables[n][b]` is what the byte b does to the sum n bytes after it. Polynomial
/// 0x1EDC6F41, reflected.
struct Crc32cTables {
  std::array<std::array<std::uint32_t, 256>, 8> of{};

  constexpr Crc32cTables() {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t sum = byte;
      for (int bit = 0; bit < 8; ++bit)
        sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82F63B78u : 0u);
      of[0][byte] = sum;
    }
    for (std::size_t n = 1; n < 8; ++n) {
      for (std::size_t byte = 0; byte < 256; ++byte) {
        of[n][byte] = (of[n - 1][byte] >> 8) ^ of[0][of[n - 1][byte] & 0xff];
      }
    }
  }
};
inline constexpr Crc32cTables crc32c_tables{};

/// What a sum becomes over 256 zeros: `tables[n][b]` is that of byte n of the sum being b.
struct Crc32cShift {
  static constexpr std::size_t bytes = 256;
  std::array<std::array<std::uint32_t, 256>, 4> of{};

  constexpr Crc32cShift() {
    for (std::size_t bit = 0; bit < 32; ++bit) {
      std::uint32_t sum = std::uint32_t{1} << bit;
      for (std::size_t i = 0; i < bytes; ++i)
        sum = (sum >> 8) ^ crc32c_tables.of[0][sum & 0xff];
      auto& table = of[bit / 8];  // sums of a sum are added by ^, so a bit is enough to know all
      const std::size_t mask = std::size_t{1} << (bit % 8);
      for (std::size_t low = 0; low < mask; ++low)
        table[mask | low] = table[low] ^ sum;
    }
  }
};
inline constexpr Crc32cShift crc32c_shifts{};
[[nodiscard]] inline std::uint32_t crc32c_shift(std::uint32_t sum) noexcept {
  const auto& table = crc32c_shifts.of;
  return table[0][sum & 0xff] ^ table[1][(sum >> 8) & 0xff] ^ table[2][(sum >> 16) & 0xff] ^
         table[3][sum >> 24];
}

/// The sum without any instruction for it, eight bytes at a time ("slicing by 8", Kounavis and
/// Berry).
[[nodiscard]] inline std::uint32_t crc32c_by_table(ByteView bytes,
                                                   std::uint32_t so_far = 0) noexcept {
  const auto& table = crc32c_tables.of;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t sum = ~so_far;
  for (; left >= 8; left -= 8, at += 8) {
    const auto word = load_little<std::uint64_t>(at) ^ sum;
    sum = 0;
    for (std::size_t i = 0; i < 8; ++i)
      sum ^= table[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; left != 0; --left, ++at)
    sum = (sum >> 8) ^ table[0][(sum ^ std::to_integer<std::uint32_t>(*at)) & 0xff];
  return ~sum;
}

#if defined(PERSIST_CRC32C_X86)

[[nodiscard]] inline bool has_crc32c_instruction() noexcept {
#if defined(__SSE4_2__)
  return true;
#else
  return __builtin_cpu_supports("sse4.2") != 0;
#endif
}

/// The same sum by the processor. Only where `has_crc32c_instruction()`.
///
/// One instruction waits three cycles for the one before, so three sums go side by side; what the
/// first two become over the bytes behind them is looked up.
[[nodiscard]] __attribute__((target("sse4.2"))) inline std::uint32_t crc32c_by_instruction(
    ByteView bytes, std::uint32_t so_far = 0) noexcept {
  constexpr std::size_t lane = Crc32cShift::bytes;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = static_cast<std::uint32_t>(~so_far);
  for (; left >= 3 * lane; left -= 3 * lane, at += 2 * lane) {
    std::uint64_t second = 0, third = 0;
    for (const std::byte* const end = at + lane; at != end; at += 8) {
      sum = __builtin_ia32_crc32di(sum, load_little<std::uint64_t>(at));
      second = __builtin_ia32_crc32di(second, load_little<std::uint64_t>(at + lane));
      third = __builtin_ia32_crc32di(third, load_little<std::uint64_t>(at + 2 * lane));
    }
    sum = crc32c_shift(static_cast<std::uint32_t>(sum)) ^ second;
    sum = crc32c_shift(static_cast<std::uint32_t>(sum)) ^ third;
  }
  for (; left >= 8; left -= 8, at += 8)
    sum = __builtin_ia32_crc32di(sum, load_little<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(sum);
  for (; left != 0; --left, ++at)
    narrow = __builtin_ia32_crc32qi(narrow, std::to_integer<unsigned char>(*at));
  return ~narrow;
}

#elif defined(PERSIST_CRC32C_ARM)

[[nodiscard]] inline bool has_crc32c_instruction() noexcept {
  return true;
}

/// The same sum by the processor.
[[nodiscard]] inline std::uint32_t crc32c_by_instruction(ByteView bytes,
                                                         std::uint32_t so_far = 0) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t sum = ~so_far;
  for (; left >= 8; left -= 8, at += 8)
    sum = __crc32cd(sum, load_little<std::uint64_t>(at));
  for (; left != 0; --left, ++at)
    sum = __crc32cb(sum, std::to_integer<unsigned char>(*at));
  return ~sum;
}

#else

[[nodiscard]] inline bool has_crc32c_instruction() noexcept {
  return false;
}
[[nodiscard]] inline std::uint32_t crc32c_by_instruction(ByteView bytes,
                                                         std::uint32_t so_far = 0) noexcept {
  return crc32c_by_table(bytes, so_far);
}

#endif

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4). Sums go on: `crc32c(b, crc32c(a))` is that of a
/// followed by b.
[[nodiscard]] inline std::uint32_t crc32c(ByteView bytes, std::uint32_t so_far = 0) noexcept {
  return has_crc32c_instruction() ? crc32c_by_instruction(bytes, so_far)
                                  : crc32c_by_table(bytes, so_far);
}

}  // namespace persist::inline PERSIST_ABI::detail
