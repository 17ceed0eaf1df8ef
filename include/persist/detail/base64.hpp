#pragma once

#include <persist/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::detail {

inline constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}

/// Writes the bytes as base64 text with padding (RFC 4648 section 4), which takes `base64_size`.
/// Returns where it ends.
inline char* put_base64(char* out, ByteView bytes) noexcept {
  const auto put = [&out](std::uint32_t three, int letters) {
    for (int i = 0; i < 4; ++i)
      *out++ = i < letters ? base64_alphabet[(three >> (18 - 6 * i)) & 63] : '=';
  };
  const auto at = [bytes](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3)
    put(at(i) << 16 | at(i + 1) << 8 | at(i + 2), 4);
  if (bytes.size() - i == 2) put(at(i) << 16 | at(i + 1) << 8, 3);
  if (bytes.size() - i == 1) put(at(i) << 16, 2);
  return out;
}
/// Appends the same.
inline void append_base64(Buffer& to, ByteView bytes) {
  put_base64(reinterpret_cast<char*>(to.grow(base64_size(bytes.size()))), bytes);
}

/// What each letter stands for; 64 for what is no letter.
inline constexpr std::array<std::uint8_t, 256> base64_values = [] {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values)
    value = 64;
  for (std::size_t i = 0; i < 64; ++i)
    values[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

/// Appends the bytes that a text stands for. Strict, so that bytes have one text: padding is
/// demanded, and unused bits must be zero. On false, `to` is as it was.
[[nodiscard]] inline bool append_from_base64(Buffer& to, std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const std::size_t before = to.size();
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
    ++padding;
  std::byte* out = to.grow(text.size() / 4 * 3);
  std::uint32_t wrong = 0;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t letters = i + 4 == text.size() ? 4 - padding : 4;
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::uint32_t value =
          j < letters ? base64_values[static_cast<unsigned char>(text[i + j])] : 0u;
      wrong |= value & 64;
      word = word << 6 | (value & 63);
    }
    if (letters < 4) wrong |= word & (letters == 3 ? 0xffu : 0xffffu);
    for (int j = 2; j >= 0; --j)
      *out++ = static_cast<std::byte>((word >> (8 * j)) & 0xff);
  }
  to.shrink(wrong != 0 ? before : to.size() - padding);
  return wrong == 0;
}

}  // namespace persist::inline PERSIST_ABI::detail
