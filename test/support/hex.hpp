#pragma once

#include <persist/bytes.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace test {

/// Bytes as a person writes them: "a1 6178 01", spaces anywhere between two bytes.
inline persist::Buffer from_hex(std::string_view text) {
  const auto value = [](char digit) { return std::string_view("0123456789abcdef").find(digit); };
  persist::Buffer bytes;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == ' ') continue;
    bytes.push(static_cast<std::byte>(value(text[i]) << 4 | value(text[i + 1])));
    ++i;
  }
  return bytes;
}

inline std::string to_hex(persist::ByteView bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
    text += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

}  // namespace test
