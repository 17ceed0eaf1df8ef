#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/input.hpp>
#include <persist/codec/suphi/alphabet.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/token.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI::codec {

/// Reads the text format of Suphi's DataStore Module, both levels alike.
///
/// A whole number is an integer where 64 bits hold it, else the nearest double or nearly so. A
/// table whose keys are 1, 2, 3 and so on, in this order, is an array, and so is one without keys;
/// in any other a whole number as a key becomes its text. Fractions, truth values and tables as
/// keys are `unsupported`. Text must be UTF-8. Equal keys are for the caller to find.
class SuphiInput : public Input {
 public:
  static constexpr bool sorts_keys = true;

  /// The bytes must outlive the reader and the texts it gives out. More of them than the limit is
  /// `too_large`, as the first call says. `decimals` is what the text was written with: it does not
  /// say so itself.
  SuphiInput(ByteView bytes, schema::Limits limits, int decimals)
      : Input("Suphi", bytes, limits), scale_(suphi::scale_of(decimals)) {}

  /// What begins here. `end` at the end of the input and of a container.
  [[nodiscard]] schema::Token peek();

  // Each reads one value and returns whether it did. Another kind of value is `schema_mismatch`,
  // and what the format does not have is `corrupt`; then what was to be filled holds anything.
  bool null() { return mismatch("null", peek()); }  // the format has none
  bool boolean(bool& value) {
    if (const auto found = peek(); found != schema::Token::boolean)
      return mismatch("a boolean", found);
    value = next() == '+';
    return ++at_, true;
  }
  bool integer(schema::Integer& value);
  bool real(schema::Real& value);
  /// The text lies in the input.
  bool text(std::string_view& value);
  bool bytes(ByteView& /*value*/) { return mismatch("bytes", peek()); }  // nor these

  /// The format does not say how many follow: `count` is 0.
  bool begin_array(std::size_t& count) { return begin(schema::Token::array, count); }
  /// Whether an element follows; if none does, the array is left. Also false after a failure.
  bool next_element();
  bool begin_map(std::size_t& count) { return begin(schema::Token::map, count); }
  /// The same for a member, whose value comes next. The name lies in the input, or in the reader
  /// until its next call.
  bool next_key(std::string_view& key);

  /// Passes over one value, with the same checks as reading it but for keys that are there twice.
  bool skip(ByteView& raw) {
    const std::size_t start = at_;
    if (!pass_over(*this)) return false;
    return raw = as_bytes(view(start, at_ - start)), true;
  }
  /// Fails when anything follows.
  bool finish() {
    if (ok() && !at_end()) corrupt("more follows the end of the value");
    return ok();
  }
  /// As that of `Input`, with the number of the next table.
  struct Mark {
    Input::Mark outer;
    std::size_t tables;
  };
  [[nodiscard]] Mark mark() const noexcept { return {Input::mark(), tables_}; }
  void rewind(const Mark& to) noexcept { Input::rewind(to.outer), tables_ = to.tables; }

 private:
  struct Number {
    std::size_t end;  ///< behind its last digit
    std::uint64_t whole;
    bool fits;  ///< whether `whole` holds it
  };
  [[nodiscard]] Number number_at(std::size_t at) const noexcept;
  /// The same number where no 64 bits hold it.
  [[nodiscard]] double nearest(std::size_t from, std::size_t to) const noexcept;

  bool begin(schema::Token token, std::size_t& count);
  /// In a container: whether anything follows before its end; at its end, leaves it.
  bool another();
  /// Whether the table that begins here is an array or a map.
  [[nodiscard]] schema::Token table();
  void find_lists();

  double scale_;
  std::string key_;
  std::size_t tables_ = 0;  ///< that were begun so far
  std::vector<bool>
      lists_;  ///< of all tables in the order of their beginnings, once one is in doubt
};

/// The reader of what a codec of those decimals wrote.
template <int Decimals>
class SuphiReader : public SuphiInput {
 public:
  explicit SuphiReader(ByteView bytes, schema::Limits limits = {})
      : SuphiInput(bytes, limits, Decimals) {}
};

inline schema::Token SuphiInput::peek() {
  using schema::Token;
  if (!ok()) return Token::bad;
  if (at_end()) return Token::end;
  switch (next()) {
    case '+':
    case '-':
      return Token::boolean;
    case '>':
    case '<':
    case ')':
    case '(': {
      const Number number = number_at(at_ + 1);
      if (number.end == at_ + 1) return corrupt("a number without a digit"), Token::bad;
      const bool is_whole = next() == '>' || next() == '<';
      return is_whole && number.fits ? Token::integer : Token::real;
    }
    case '#':
      return Token::text;
    case '|':
      return Token::array;
    case '*':
      return table();
    case suphi::end:
      return Token::end;
    default:
      return corrupt("a character that begins no value"), Token::bad;
  }
}

/// The least digit comes first. A digit 0 at the end says nothing, however many there are.
inline SuphiInput::Number SuphiInput::number_at(std::size_t at) const noexcept {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  Number number{at, 0, true};
  std::uint64_t place = 1;
  bool place_fits = true;
  for (; number.end < size_; ++number.end) {
    const std::uint64_t digit = suphi::digit_value(begin_[number.end]);
    if (digit == suphi::no_digit) break;
    if (digit != 0) {
      number.fits = number.fits && place_fits && digit <= (most - number.whole) / place;
      if (number.fits) number.whole += digit * place;
    }
    place_fits = place_fits && place <= most / suphi::base;
    if (place_fits) place *= suphi::base;
  }
  return number;
}

inline double SuphiInput::nearest(std::size_t from, std::size_t to) const noexcept {
  double value = 0;
  for (std::size_t at = to; at > from; --at)
    value = value * static_cast<double>(suphi::base) + suphi::digit_value(begin_[at - 1]);
  return value;
}

inline bool SuphiInput::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  const bool negative = next() == '<';
  const Number number = number_at(at_ + 1);
  value.negative = negative && number.whole != 0;
  value.magnitude = value.negative ? number.whole - 1 : number.whole;
  return at_ = number.end, true;
}

inline bool SuphiInput::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  const char tag = next();
  const Number number = number_at(at_ + 1);
  const double size =
      number.fits ? static_cast<double>(number.whole) : nearest(at_ + 1, number.end);
  if (!std::isfinite(size)) return corrupt("a number beyond the range of double");
  value.single = false;
  value.rounded = tag == '>' || tag == '<';
  value.value = value.rounded ? size : size / scale_;
  if (tag == '<' || tag == '(') value.value = -value.value;
  return at_ = number.end, true;
}

inline bool SuphiInput::text(std::string_view& value) {
  if (const auto found = peek(); found != schema::Token::text) return mismatch("a text", found);
  const std::size_t start = at_ + 1;
  const std::size_t size = view(start, size_ - start).find(suphi::end);
  if (size == std::string_view::npos) return cut_short();
  value = view(start, size);
  if (const std::size_t good = detail::utf8_prefix(value); good != size)
    return corrupt_at(start + good, "a text that is no UTF-8");
  return at_ = start + size + 1, true;
}

inline bool SuphiInput::begin(schema::Token token, std::size_t& count) {
  if (const auto found = peek(); found != token) return mismatch(schema::name(token), found);
  count = 0;
  // An array with the tag of a table has keys, which are passed over.
  const bool is_table = next() == '*';
  if (is_table) ++tables_;
  ++at_;
  return enter({is_table ? 1U : 0U, token == schema::Token::map, false});
}

inline bool SuphiInput::another() {
  if (!ok()) return false;
  if (at_end()) return cut_short();
  if (next() != suphi::end) return take_elements(1);
  ++at_;
  return leave(), false;
}

inline bool SuphiInput::next_element() {
  if (!another()) return false;
  if (top().left != 0) at_ = number_at(at_ + 1).end;
  return true;
}

inline bool SuphiInput::next_key(std::string_view& key) {
  if (!another()) return false;
  const auto found = peek();
  if (found == schema::Token::text) return text(key);
  if (found == schema::Token::bad) return false;
  schema::Integer whole;
  if (found != schema::Token::integer)
    return fail({Errc::unsupported, "Suphi at byte " + std::to_string(at_) +
                                        ": a key that is neither a text nor an integer"});
  const bool negative = next() == '<';
  const std::uint64_t size = number_at(at_ + 1).whole;
  key_ = (negative && size != 0 ? "-" : "") + std::to_string(size);
  return key = key_, integer(whole);
}

/// A first key that is cut off tells nothing.
inline schema::Token SuphiInput::table() {
  using schema::Token;
  if (left() < 2) return cut_short(), Token::bad;
  const char key = begin_[at_ + 1];
  if (key == suphi::end) return Token::array;
  if (key != '>') return Token::map;
  const Number first = number_at(at_ + 2);
  if (first.end == size_) return cut_short(), Token::bad;
  if (!first.fits || first.whole != 1) return Token::map;
  if (lists_.empty()) find_lists();
  return tables_ < lists_.size() && lists_[tables_] ? Token::array : Token::map;
}

/// Looks at all keys of all tables, once for the whole input: to look ahead at each table that may
/// be a list would cost the square of what lies inside each other. Stops where the input is broken
/// or too deep, which reading will find too.
inline void SuphiInput::find_lists() {
  struct Open {
    std::size_t table;
    std::uint64_t index;  // that the next key must be for it to be a list
    bool is_table, at_key;
  };
  std::array<Open, deepest> open;
  std::uint32_t depth = 0;
  for (std::size_t at = 0; at < size_;) {
    const char tag = begin_[at++];
    std::uint64_t index = 0;
    if (tag == '|' || tag == '*') {
      if (depth == open.size()) return;
      open[depth++] = {lists_.size(), 1, tag == '*', true};
      if (tag == '*') lists_.push_back(true);
      continue;
    }
    if (tag == '#') {
      const std::size_t size = view(at, size_ - at).find(suphi::end);
      if (size == std::string_view::npos) return;
      at += size + 1;
    } else if (tag == suphi::end) {
      if (depth-- == 0) return;
    } else if (tag != '+' && tag != '-') {
      const Number number = number_at(at);
      if (number.end == at) return;
      at = number.end;
      if (tag == '>' && number.fits) index = number.whole;
    }
    if (depth == 0) return;
    Open& in = open[depth - 1];
    if (in.is_table && in.at_key && index != in.index++) lists_[in.table] = false;
    in.at_key = !in.at_key;
  }
}

}  // namespace persist::inline PERSIST_ABI::codec
