#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/input.hpp>
#include <persist/codec/json/names.hpp>
#include <persist/codec/json/number.hpp>
#include <persist/codec/json/text.hpp>
#include <persist/codec/json/writer.hpp>
#include <persist/detail/base64.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/token.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace persist::inline PERSIST_ABI::codec {

/// Reads JSON exactly as RFC 8259 has it: no comment, no comma too many, no other quotes, no mark
/// in front.
///
/// A number without fraction and exponent is an integer where 64 bits hold it; any other is the
/// nearest double, and refused where it is beyond the range of double. Text must be UTF-8, and an
/// escaped surrogate must come with its other half. Equal names are for the caller to find, who
/// remembers them.
class JsonReader : public Input {
 public:
  static constexpr bool bytes_as_text = true;
  static constexpr bool sorts_keys = false;

  /// The bytes must outlive the reader and the texts it gives out. More of them than the limit is
  /// `too_large`, as the first call says.
  explicit JsonReader(ByteView bytes, schema::Limits limits = {}) : Input("JSON", bytes, limits) {}

  /// What begins after the white space. `end` at the end of the input and at a closing bracket. A
  /// number is looked at to its end, once, since only that tells an integer from a real.
  [[nodiscard]] schema::Token peek();

  // Each reads one value and returns whether it did. Another kind of value is `schema_mismatch`,
  // and what RFC 8259 does not have is `corrupt`; then what was to be filled holds anything.
  bool null() { return literal(schema::Token::null, "null"); }
  bool boolean(bool& value) {
    pass_space();
    value = !at_end() && next() == 't';
    return literal(schema::Token::boolean, value ? "true" : "false");
  }
  bool integer(schema::Integer& value);
  /// Never `single`: a text does not tell.
  bool real(schema::Real& value);
  /// The text lies in the input, or in the reader until its next call where it had escapes.
  bool text(std::string_view& value) {
    if (const auto found = peek(); found != schema::Token::text) return mismatch("a text", found);
    return string(value);
  }
  /// The bytes that a base64 text stands for; they lie in the reader until its next call.
  bool bytes(ByteView& value);

  /// Reads the next value at once where it is spelled as most are; else changes nothing, and it is
  /// for the calls above, which know every spelling and say what is wrong.
  template <class T>
  [[nodiscard]] schema::Direct direct(T& into) {
    if constexpr (std::is_arithmetic_v<T> || schema::kind_of<T> == schema::Kind::text) {
      const char* end = ok() ? take(begin_ + at_, into) : nullptr;
      if (end == nullptr) return schema::Direct::no;
      at_ = static_cast<std::size_t>(end - begin_);
      return schema::Direct::done;
    }
    return schema::Direct::no;
  }

  /// JSON does not say how many follow: `count` is 0.
  bool begin_array(std::size_t& count) { return begin(schema::Token::array, count); }
  /// Whether an element follows; if none does, the array is left. Also false after a failure.
  bool next_element() { return another(']'); }
  bool begin_map(std::size_t& count) { return begin(schema::Token::map, count); }
  /// The same for a member, whose value comes next. The name lies where a text does.
  bool next_key(std::string_view& key);

  /// Takes the next member's name if it is that one as most would spell it; else changes nothing.
  [[nodiscard]] bool next_key_is(const json::Name& name) {
    const std::size_t comma = top().begun ? 1 : 0;
    const std::size_t size = name.spelled.size();
    if (left() < size + comma || !ok()) return false;
    const char* at = begin_ + at_;
    if ((comma != 0 && *at != ',') || !json::same_letters(at + comma, name.spelled.data(), size) ||
        !take_elements(1))
      return false;
    top().begun = true;
    at_ += size + comma;
    return true;
  }
  /// The names of a struct's fields as `next_key_is` takes them.
  template <const auto& Names>
  [[nodiscard]] static constexpr const auto& spelled() noexcept {
    return json::spelled<Names>();
  }

  /// Passes over one value, with the same checks as reading it but for names that are there twice.
  /// `raw` is its bytes without the space before it.
  bool skip(ByteView& raw);
  /// Fails when anything but white space follows.
  bool finish() {
    pass_space();
    if (ok() && !at_end()) corrupt("more follows the end of the value");
    return ok();
  }

 private:
  static constexpr std::size_t nowhere = (std::numeric_limits<std::size_t>::max)();

  void pass_space() noexcept {
    while (!at_end() && (next() == ' ' || next() == '\n' || next() == '\r' || next() == '\t'))
      ++at_;
  }
  [[nodiscard]] bool digit_at(std::size_t at) const noexcept {
    return at < size_ && begin_[at] >= '0' && begin_[at] <= '9';
  }
  [[nodiscard]] bool letter_at(std::size_t at, char letter) const noexcept {
    return at < size_ && begin_[at] == letter;
  }

  template <class T>
  [[nodiscard]] const char* take(const char* at, T& into) const {
    const char* const end = begin_ + size_;
    if constexpr (std::is_same_v<T, bool>) {
      const std::string_view rest(at, left());
      into = rest.starts_with("true");
      return into ? at + 4 : rest.starts_with("false") ? at + 5 : nullptr;
    } else if constexpr (std::is_arithmetic_v<T>) {
      return json::take_number(at, end, into);
    } else {
      if (at == end || *at != '"') return nullptr;
      const char* last = json::end_of_plain(at + 1, end);
      if (last == end || *last != '"') return nullptr;
      into.assign(at + 1, static_cast<std::size_t>(last - at - 1));
      return last + 1;
    }
  }
  schema::Token number();
  bool literal(schema::Token token, std::string_view word);
  bool begin(schema::Token token, std::size_t& count);
  /// In a container: whether another element follows; at its end, leaves it.
  bool another(char bracket);
  bool string(std::string_view& value);
  bool escape();
  bool code_unit(std::uint32_t& unit);

  std::string unescaped_;
  Buffer decoded_;
  std::size_t number_at_ =
      nowhere;  ///< where the number that was last looked at begins, with what was found
  std::size_t number_end_ = 0;
  bool number_is_integer_ = false;
  schema::Integer number_value_;
};

inline schema::Token JsonReader::peek() {
  using schema::Token;
  if (!ok()) return Token::bad;
  pass_space();
  if (at_end()) return Token::end;
  switch (next()) {
    case '"':
      return Token::text;
    case '{':
      return Token::map;
    case '[':
      return Token::array;
    case 't':
    case 'f':
      return Token::boolean;
    case 'n':
      return Token::null;
    case ']':
    case '}':
      return Token::end;
    default:
      break;
  }
  if (next() == '-' || digit_at(at_)) return number();
  corrupt("a character that begins no value");
  return Token::bad;
}

/// Finds the end of the number that begins here, and its value if it is an integer.
inline schema::Token JsonReader::number() {
  using schema::Token;
  if (number_at_ == at_) return number_is_integer_ ? Token::integer : Token::real;
  std::size_t at = at_;
  const bool negative = letter_at(at, '-');
  at += negative ? 1 : 0;
  const std::size_t first = at;
  const auto digits = [&] {
    const std::size_t from = at;
    while (digit_at(at))
      ++at;
    return at != from;
  };
  const auto bad = [&] { return corrupt_at(at, "a number that JSON does not have"), Token::bad; };
  if (!digits() || (begin_[first] == '0' && at != first + 1)) return bad();
  const std::size_t last = at;
  if (letter_at(at, '.') && (++at, !digits())) return bad();
  if (letter_at(at, 'e') || letter_at(at, 'E')) {
    ++at;
    if (letter_at(at, '+') || letter_at(at, '-')) ++at;
    if (!digits()) return bad();
  }
  std::uint64_t magnitude = 0;
  // 2^63 is the one magnitude that only a negative number of 64 bits has.
  number_is_integer_ =
      at == last && std::from_chars(begin_ + first, begin_ + last, magnitude).ec == std::errc{} &&
      (!negative || magnitude <= std::uint64_t{1} << 63);
  number_value_ = {negative && magnitude != 0,
                   negative && magnitude != 0 ? magnitude - 1 : magnitude};
  number_at_ = at_;
  number_end_ = at;
  return number_is_integer_ ? Token::integer : Token::real;
}

inline bool JsonReader::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  value = number_value_;
  return at_ = number_end_, true;
}

inline bool JsonReader::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  value.single = false;
  value.rounded = view(at_, number_end_ - at_).find_first_of(".eE") == std::string_view::npos;
  if (std::from_chars(begin_ + at_, begin_ + number_end_, value.value).ec != std::errc{}) {
    return corrupt("a number beyond the range of double");
  }
  return at_ = number_end_, true;
}

inline bool JsonReader::literal(schema::Token token, std::string_view word) {
  if (const auto found = peek(); found != token) return mismatch(schema::name(token), found);
  if (view(at_, left()).substr(0, word.size()) != word)
    return corrupt("a word that is neither null, true nor false");
  return at_ += word.size(), true;
}

inline bool JsonReader::bytes(ByteView& value) {
  if (const auto found = peek(); found != schema::Token::text)
    return mismatch("bytes as base64 text", found);
  const std::size_t start = at_;
  std::string_view encoded;
  if (!string(encoded)) return false;
  decoded_.clear();
  if (!detail::append_from_base64(decoded_, encoded))
    return corrupt_at(start, "a text that is no base64");
  return value = decoded_, true;
}

inline bool JsonReader::begin(schema::Token token, std::size_t& count) {
  const bool is_map = token == schema::Token::map;
  if (!ok() || at_end() || next() != (is_map ? '{' : '[')) [[unlikely]]
    if (const auto found = peek(); found != token) return mismatch(schema::name(token), found);
  count = 0;
  ++at_;
  return enter({0, is_map, false});
}

inline bool JsonReader::another(char bracket) {
  if (!ok()) return false;
  // Without white space, as most are.
  if (left() >= 2 && top().begun && next() == ',' && begin_[at_ + 1] > ' ' &&
      begin_[at_ + 1] != bracket) [[likely]]
    return ++at_, take_elements(1);
  // A bracket of the other kind is no end here: it is met as a value and refused.
  pass_space();
  if (at_end()) return cut_short();
  if (next() == bracket) {
    ++at_;
    return leave(), false;
  }
  if (top().begun) {
    if (next() != ',') return corrupt("neither a comma nor the closing bracket");
    ++at_;
    if (pass_space(); !at_end() && next() == bracket)
      return corrupt("a comma that nothing follows");
  }
  top().begun = true;
  return take_elements(1);
}

inline bool JsonReader::next_key(std::string_view& key) {
  if (!another('}')) return false;
  if (const auto found = peek(); found != schema::Token::text) {
    return found == schema::Token::bad ? false : corrupt("the name of a member must be a text");
  }
  if (!string(key)) return false;
  pass_space();
  if (at_end()) return cut_short();
  if (next() != ':') return corrupt("no colon after the name of a member");
  return ++at_, true;
}

/// A text whose opening quote is the next character.
inline bool JsonReader::string(std::string_view& value) {
  // Runs between escapes are checked and copied whole: no character of more than one byte crosses
  // an escape. A text without escapes is not copied at all.
  unescaped_.clear();
  for (bool whole = true;; whole = false) {
    const std::size_t start = ++at_;  // past the quote, or the last letter of an escape
    const char* const end = begin_ + size_;
    at_ = static_cast<std::size_t>(json::end_of_plain(begin_ + at_, end) - begin_);
    const bool is_ascii = at_end() || static_cast<signed char>(next()) >= 0;
    while (!is_ascii && !at_end() && next() != '"' && next() != '\\' &&
           static_cast<unsigned char>(next()) >= 0x20)
      ++at_;
    const std::string_view plain = view(start, at_ - start);
    if (!is_ascii)
      if (const std::size_t good = detail::utf8_prefix(plain); good != plain.size())
        return corrupt_at(start + good, "a text that is no UTF-8");
    if (at_end()) return cut_short();
    if (next() == '"') {
      ++at_;
      if (!whole) unescaped_ += plain;
      return value = whole ? plain : std::string_view(unescaped_), true;
    }
    unescaped_ += plain;
    if (next() != '\\') return corrupt("a control character that is not escaped");
    if (!escape()) return false;
  }
}

/// Stands on a backslash; afterwards on the last letter of the escape.
inline bool JsonReader::escape() {
  const std::size_t start = at_;
  if (left() < 2) return cut_short();
  ++at_;
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  if (const auto which = letters.find(next()); which != std::string_view::npos) {
    return unescaped_ += meanings[which], true;
  }
  if (next() != 'u') return corrupt_at(start, "an escape that JSON does not have");
  std::uint32_t point = 0;
  if (!code_unit(point)) return false;
  // Beyond U+FFFF a character is two escapes, a high surrogate and a low one (RFC 8259 section 7).
  if (point >= 0xd800 && point <= 0xdfff) {
    std::uint32_t low = 0;
    const bool paired = point <= 0xdbff && letter_at(at_ + 1, '\\') && letter_at(at_ + 2, 'u') &&
                        (at_ += 2, code_unit(low)) && low >= 0xdc00 && low <= 0xdfff;
    if (!paired) return corrupt_at(start, "half of a surrogate pair");
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  }
  char utf8[4];
  unescaped_.append(utf8, detail::write_utf8(utf8, point));
  return true;
}

/// Stands on the u of an escape; afterwards on the last of its four digits.
inline bool JsonReader::code_unit(std::uint32_t& unit) {
  if (left() < 5) return cut_short();
  const char* end = begin_ + at_ + 5;
  unit = 0;
  if (std::from_chars(begin_ + at_ + 1, end, unit, 16).ptr != end)
    return corrupt("an escape without its four digits");
  return at_ += 4, true;
}

inline bool JsonReader::skip(ByteView& raw) {
  pass_space();
  const std::size_t start = at_;
  if (!pass_over(*this)) return false;
  return raw = as_bytes(view(start, at_ - start)), true;
}

}  // namespace persist::inline PERSIST_ABI::codec
