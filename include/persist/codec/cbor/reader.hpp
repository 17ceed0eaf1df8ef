#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/cbor/writer.hpp>
#include <persist/codec/input.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/token.hpp>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// Reads CBOR (RFC 8949) as others write it: any length of an argument, indefinite lengths, keys in
/// any order.
///
/// Refused as `corrupt`, because writing the value back would lose it: tags (but the mark 55799 in
/// front of all, which says no more than "this is CBOR"), undefined and other simple values, keys
/// that are neither text nor integer. Also what is not well-formed, and text that is no UTF-8.
/// Equal keys are for the caller to find, who remembers them.
class CborReader : public Input {
 public:
  static constexpr bool bytes_as_text = false;
  /// Whether keys are expected in the order of the writer's `key_less`; any order is read.
  static constexpr bool sorts_keys = true;

  /// The bytes must outlive the reader and the texts it gives out. More of them than the limit is
  /// `too_large`, as the first call says.
  explicit CborReader(ByteView bytes, schema::Limits limits = {}) : Input("CBOR", bytes, limits) {
    if (view(0, size_).starts_with("\xd9\xd9\xf7")) at_ = 3;
  }

  /// What the next byte begins. `end` where there is none, or where it is the break of an
  /// indefinite length. Reads nothing; a byte that begins no item that is kept fails as `corrupt`.
  [[nodiscard]] schema::Token peek();

  // Each reads one item and returns whether it did. Another kind of item is `schema_mismatch`, and
  // what is broken or cut short is `corrupt`; then the value is as it was or holds anything.
  bool null();
  bool boolean(bool& value);
  /// All 65 bits of it: from -2^64 to 2^64 - 1.
  bool integer(schema::Integer& value);
  /// Never `single`: a deterministic encoder writes a double that a float holds as that float, so
  /// the width on disk says nothing about the member it came from.
  bool real(schema::Real& value);
  /// The text lies in the input, or in the reader until its next call where it came in pieces.
  bool text(std::string_view& value) { return string(CborMajor::text, "a text", value); }
  /// The same for bytes.
  bool bytes(ByteView& value);

  /// `count` is exact, or 0 for an indefinite length, and never more than the bytes that are left
  /// could hold.
  bool begin_array(std::size_t& count) { return begin(CborMajor::array, "an array", count); }
  /// Whether an element follows, which is then the next item; if none does, the array is left. Also
  /// false after a failure: `ok()` tells.
  bool next_element();
  bool begin_map(std::size_t& count) { return begin(CborMajor::map, "a map", count); }
  /// The same for a pair, whose key is given as text and whose value is the next item. The key
  /// lies where a text does.
  bool next_key(std::string_view& key);

  /// Passes over one item, with the same checks as reading it but for keys that are there twice.
  /// `raw` is its bytes, in the input.
  bool skip(ByteView& raw);
  /// Fails when a byte follows.
  bool finish() {
    if (ok() && !at_end()) corrupt(std::to_string(left()) + " bytes follow the end of the value");
    return ok();
  }

 private:
  /// In a frame: the elements go on until a break.
  static constexpr std::uint64_t until_break = (std::numeric_limits<std::uint64_t>::max)();

  struct Head {
    CborMajor major{};
    unsigned info = 0;  ///< the five low bits
    std::uint64_t argument = 0;
    [[nodiscard]] bool indefinite() const noexcept { return info == 31; }
  };

  [[nodiscard]] unsigned next_byte() const noexcept { return static_cast<unsigned char>(next()); }
  bool head(Head& head);
  bool begin(CborMajor major, std::string_view expected, std::size_t& count);
  bool string(CborMajor major, std::string_view expected, std::string_view& value);
  bool piece(const Head& head, std::string_view& value);
  bool pieces(CborMajor major, std::string_view& value);
  /// In a container: whether another element follows; at its end, leaves it.
  bool another();

  std::string joined_;
};

inline schema::Token CborReader::peek() {
  using schema::Token;
  if (!ok()) return Token::bad;
  if (at_end()) return Token::end;
  constexpr Token of_major[] = {Token::integer, Token::integer, Token::bytes, Token::text,
                                Token::array,   Token::map,     Token::bad,   Token::bad};
  const unsigned first = next_byte();
  if (const Token token = of_major[first >> 5]; token != Token::bad) return token;
  switch (first) {
    case 0xf4:
    case 0xf5:
      return Token::boolean;
    case 0xf6:
      return Token::null;
    case 0xf9:
    case 0xfa:
    case 0xfb:
      return Token::real;
    case 0xff:
      return Token::end;
    default:
      break;
  }
  corrupt(first < 0xe0 ? "a tag, which this library does not keep: remove it before it is read"
                       : "a simple value that is neither true, false nor null");
  return Token::bad;
}

inline bool CborReader::null() {
  if (const auto found = peek(); found != schema::Token::null) return mismatch("null", found);
  return ++at_, true;
}

inline bool CborReader::boolean(bool& value) {
  if (const auto found = peek(); found != schema::Token::boolean)
    return mismatch("a boolean", found);
  value = next_byte() == 0xf5;
  return ++at_, true;
}

inline bool CborReader::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  Head number;
  if (!head(number)) return false;
  value = {number.major == CborMajor::negative_integer, number.argument};
  return true;
}

inline bool CborReader::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  Head number;
  if (!head(number)) return false;
  value.single = false;
  if (number.info == 27) return value.value = std::bit_cast<double>(number.argument), true;
  if (number.info == 26) {
    return value.value = std::bit_cast<float>(static_cast<std::uint32_t>(number.argument)), true;
  }
  // A half: a sign, 5 bits of exponent with a bias of 15, 10 of fraction (appendix D of the RFC).
  const int exponent = static_cast<int>(number.argument >> 10 & 31);
  const auto fraction = static_cast<double>(number.argument & 0x3ff);
  if (exponent == 31) {
    value.value = fraction == 0 ? std::numeric_limits<double>::infinity()
                                : std::numeric_limits<double>::quiet_NaN();
  } else {
    value.value =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  }
  if ((number.argument & 0x8000) != 0) value.value = -value.value;
  return true;
}

inline bool CborReader::bytes(ByteView& value) {
  std::string_view content;
  if (!string(CborMajor::bytes, "bytes", content)) return false;
  return value = as_bytes(content), true;
}

/// The first byte of an item and its argument.
inline bool CborReader::head(Head& head) {
  if (!ok()) return false;
  if (at_end()) return cut_short();
  const unsigned first = next_byte();
  head.major = static_cast<CborMajor>(first >> 5);
  head.info = first & 31;
  if (head.info < 24) return head.argument = head.info, ++at_, true;
  if (head.info > 27) {
    const bool may_be_indefinite = head.major >= CborMajor::bytes && head.major <= CborMajor::map;
    if (!head.indefinite() || !may_be_indefinite) return corrupt("a byte that begins no item");
    return ++at_, true;
  }
  const std::size_t size = std::size_t{1} << (head.info - 24);
  if (left() < 1 + size) return cut_short();
  head.argument = 0;
  for (std::size_t i = 1; i <= size; ++i) {
    head.argument = head.argument << 8 | static_cast<unsigned char>(begin_[at_ + i]);
  }
  at_ += 1 + size;
  return true;
}

inline bool CborReader::begin(CborMajor major, std::string_view expected, std::size_t& count) {
  const bool map = major == CborMajor::map;
  const auto wanted = map ? schema::Token::map : schema::Token::array;
  if (const auto found = peek(); found != wanted) return mismatch(expected, found);
  const std::size_t start = at_;
  Head container;
  if (!head(container)) return false;
  count = 0;
  if (container.indefinite()) return enter({until_break, map, false});
  // An element has a byte at least, so a count beyond what is left is found here, before anybody
  // reserves room for it. What is left is less than any count that means `until_break`.
  if (container.argument > left() / (map ? 2 : 1)) {
    return corrupt_at(start, "a length of " + std::to_string(container.argument) +
                                 " elements where " + std::to_string(left()) + " bytes are left");
  }
  if (!take_elements(container.argument)) return false;
  count = static_cast<std::size_t>(container.argument);
  return enter({container.argument, map, false});
}

inline bool CborReader::another() {
  if (!ok()) return false;
  Frame& frame = top();
  if (frame.left != until_break) {
    if (frame.left != 0) return --frame.left, true;
    return leave(), false;
  }
  if (at_end()) return cut_short();
  if (next_byte() != 0xff) return take_elements(1);
  ++at_;
  return leave(), false;
}

inline bool CborReader::next_element() {
  return another();
}

inline bool CborReader::next_key(std::string_view& key) {
  if (!another()) return false;
  switch (peek()) {
    case schema::Token::text:
      return text(key);
    case schema::Token::bad:
      return false;
    case schema::Token::end:
      return cut_short();
    case schema::Token::integer:
      break;
    default:
      return corrupt("this library keeps only maps whose keys are text or integers");
  }
  schema::Integer number;
  if (!integer(number)) return false;
  if (number.negative && number.magnitude == (std::numeric_limits<std::uint64_t>::max)()) {
    joined_ = "-18446744073709551616";  // the one whose magnitude does not fit
  } else {
    joined_ = number.negative ? "-" + std::to_string(number.magnitude + 1)
                              : std::to_string(number.magnitude);
  }
  return key = joined_, true;
}

inline bool CborReader::string(CborMajor major, std::string_view expected,
                               std::string_view& value) {
  const auto wanted = major == CborMajor::text ? schema::Token::text : schema::Token::bytes;
  if (const auto found = peek(); found != wanted) return mismatch(expected, found);
  Head whole;
  if (!head(whole)) return false;
  return whole.indefinite() ? pieces(major, value) : piece(whole, value);
}

/// The content of a string of known length, whose head was read.
inline bool CborReader::piece(const Head& head, std::string_view& value) {
  if (head.argument > left()) {
    return corrupt("a length of " + std::to_string(head.argument) + " bytes where " +
                   std::to_string(left()) + " are left");
  }
  value = view(at_, static_cast<std::size_t>(head.argument));
  if (head.major == CborMajor::text && !detail::is_utf8(value)) {
    return corrupt_at(at_ + detail::utf8_prefix(value), "a text that is no UTF-8");
  }
  at_ += value.size();
  return true;
}

/// A string of indefinite length: whole strings of the same kind up to a break (section 3.2.3).
inline bool CborReader::pieces(CborMajor major, std::string_view& value) {
  joined_.clear();
  while (!at_end() && next_byte() != 0xff) {
    Head next;
    std::string_view part;
    if (!head(next)) return false;
    if (next.major != major || next.indefinite())
      return corrupt("a piece of another kind than its string");
    if (!piece(next, part)) return false;
    joined_ += part;
  }
  if (at_end()) return cut_short();
  ++at_;
  return value = joined_, true;
}

inline bool CborReader::skip(ByteView& raw) {
  const std::size_t start = at_;
  if (!pass_over(*this)) return false;
  return raw = as_bytes(view(start, at_ - start)), true;
}

}  // namespace persist::inline PERSIST_ABI::codec
