#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/output.hpp>
#include <persist/detail/utf8.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

class CborReader;

/// The kinds of item, as the three high bits of their first byte (RFC 8949 section 3.1).
enum class CborMajor : std::uint8_t {
  unsigned_integer = 0,
  negative_integer = 1,
  bytes = 2,
  text = 3,
  array = 4,
  map = 5,
  tag = 6,
  simple = 7
};

/// Appends items to a buffer in the core deterministic encoding (RFC 8949 section 4.2.1): equal
/// data are equal bytes.
///
/// Lengths and integers take their shortest form, and so do floating point numbers, by value: 1.5
/// takes three bytes whether it came from a float or a double, so the width is not kept. Every NaN
/// becomes the one NaN of two bytes. The caller brings map keys in the order of `key_less`.
class CborWriter : public Output {
 public:
  using reader = CborReader;
  static constexpr bool sorts_keys = true;

  explicit CborWriter(Buffer& out) noexcept : Output(out) {}

  void null() { out_.push(std::byte{0xf6}); }
  void boolean(bool value) { out_.push(value ? std::byte{0xf5} : std::byte{0xf4}); }
  void integer(std::int64_t value) {
    if (value < 0) {
      head(CborMajor::negative_integer, ~static_cast<std::uint64_t>(value));
    } else {
      head(CborMajor::unsigned_integer, static_cast<std::uint64_t>(value));
    }
  }
  void unsigned_integer(std::uint64_t value) { head(CborMajor::unsigned_integer, value); }
  void real(double value) {
    // NaN equals nothing, itself included, and has a form of its own.
    const auto narrow = static_cast<float>(value);
    if (value != value || static_cast<double>(narrow) == value) return real(narrow);
    fixed(0xfb, std::bit_cast<std::uint64_t>(value));
  }
  void real(float value) {
    std::uint16_t half = 0x7e00;
    if (value != value || fits_half(value, half)) return fixed(0xf9, half);
    fixed(0xfa, std::bit_cast<std::uint32_t>(value));
  }
  void text(std::string_view value) {
    if (!detail::is_ascii(value)) [[unlikely]]
      check_utf8(value);
    if (value.size() >= 24) {
      head(CborMajor::text, value.size());
      return out_.append(value);
    }
    std::byte* at = out_.grow(1 + value.size());
    *at = static_cast<std::byte>(0x60 | value.size());
    copy_short(at + 1, as_bytes(value));
  }
  void bytes(ByteView value) {
    head(CborMajor::bytes, value.size());
    out_.append(value);
  }

  void begin_array(std::size_t count) { enter(), head(CborMajor::array, count); }
  void end_array() noexcept { leave(); }
  void begin_map(std::size_t count) { enter(), head(CborMajor::map, count); }
  void key(std::string_view name) { text(name); }
  void end_map() noexcept { leave(); }

  /// Appends one item that is CBOR already.
  void raw(ByteView item) { out_.append(item); }

  /// The order of map keys: bytewise by encoding, and a longer text begins with a higher byte.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  }

 private:
  void check_utf8(std::string_view value) {
    if (const std::size_t good = detail::utf8_prefix(value); good != value.size()) not_utf8(good);
  }
  void head(CborMajor major, std::uint64_t argument) {
    const auto kind = static_cast<std::uint8_t>(static_cast<unsigned>(major) << 5);
    if (argument < 24) [[likely]]
      return out_.push(static_cast<std::byte>(kind | argument));
    long_head(kind, argument);
  }
  void long_head(std::uint8_t kind, std::uint64_t argument) {
    if (argument <= 0xff) return fixed(kind | 24, static_cast<std::uint8_t>(argument));
    if (argument <= 0xffff) return fixed(kind | 25, static_cast<std::uint16_t>(argument));
    if (argument <= 0xffffffff) return fixed(kind | 26, static_cast<std::uint32_t>(argument));
    fixed(kind | 27, argument);
  }
  /// A first byte and the bytes of a number behind it, highest first.
  template <class T>
  void fixed(int first, T number) {
    std::byte* at = out_.grow(1 + sizeof(T));
    *at = static_cast<std::byte>(first);
    for (std::size_t i = 0; i < sizeof(T); ++i)
      at[sizeof(T) - i] = static_cast<std::byte>((number >> (8 * i)) & 0xff);
  }

  /// Whether 16 bits hold exactly this number (which is no NaN), and which 16.
  [[nodiscard]] static bool fits_half(float value, std::uint16_t& half) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000;
    const std::uint32_t fraction = bits & 0x7fffff;
    const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127;
    std::uint32_t rest;
    if (exponent == 128 || (bits << 1) == 0) {  // infinity, zero
      rest = exponent == 128 ? 0x7c00 : 0;
    } else if (exponent >= -14 && exponent <= 15 && (fraction & 0x1fff) == 0) {
      rest = static_cast<std::uint32_t>(exponent + 15) << 10 | fraction >> 13;
    } else if (exponent >= -24 && exponent < -14) {  // below the normal halves: a multiple of 2^-24
      const std::uint32_t whole = fraction | 0x800000;
      const int shift = -exponent - 1;
      if ((whole & ((1u << shift) - 1)) != 0) return false;
      rest = whole >> shift;
    } else {
      return false;
    }
    half = static_cast<std::uint16_t>(sign | rest);
    return true;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
