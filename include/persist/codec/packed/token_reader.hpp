#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/cbor/reader.hpp>
#include <persist/codec/input.hpp>
#include <persist/codec/packed/budget.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/layout.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/codec/packed/token.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/read/number.hpp>
#include <persist/schema/token.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec::packed {

/// Reads values by position and says them in tokens, in the words of the type that wrote them. So a
/// record of another shape is read as one of any other format is: by name.
class TokenReader : public Input {
 public:
  static constexpr bool bytes_as_text = false;
  static constexpr bool sorts_keys = false;

  [[nodiscard]] schema::Token peek();
  bool null();
  bool boolean(bool& value);
  bool integer(schema::Integer& value);
  bool real(schema::Real& value);
  bool text(std::string_view& value);
  bool bytes(ByteView& value);
  bool begin_array(std::size_t& count);
  bool next_element();
  bool begin_map(std::size_t& count);
  bool next_key(std::string_view& key);
  struct Mark {
    Input::Mark outer;                 ///< as that of `Input`
    std::optional<Input::Mark> inner;  ///< in a value inside the record
    Budget budget;
    std::uint32_t inner_depth;
    std::uint16_t node;
  };
  [[nodiscard]] Mark mark() const {
    std::optional<Input::Mark> inner;
    if (is_inside_) inner = inner_->mark();
    return {Input::mark(), inner, budget_, inner_depth_, now_};
  }
  void rewind(const Mark& to) {
    Input::rewind(to.outer);
    if (is_inside_ = to.inner.has_value(); is_inside_) inner_->rewind(*to.inner);
    budget_ = to.budget, inner_depth_ = to.inner_depth, now_ = to.node;
  }
  /// In a value inside the record, which is read by its own rules.
  [[nodiscard]] bool is_dynamic() const noexcept { return is_inside_; }
  using inside = CborReader;
  bool skip_inside(ByteView& raw) {
    return dynamic([&](CborReader& in) { return in.skip(raw); });
  }
  /// What the time that comes next counts in, in seconds: numerator and denominator. None where it
  /// is no time.
  [[nodiscard]] std::optional<std::pair<std::uint64_t, std::uint64_t>> unit() {
    if (peek() == schema::Token::bad || is_dynamic() || duration_at_ != at_) return {};
    return layout_.unit(node(duration_));
  }
  /// Counts a field that is going to be kept because nobody knows it.
  bool take_kept() {
    if (budget_.kept != 0) return --budget_.kept, true;
    return too_large("more unknown fields than its size gives reason for");
  }
  bool finish() {
    if (ok() && !at_end()) corrupt(std::to_string(left()) + " bytes follow the end of the value");
    return ok();
  }

 protected:
  /// The layout and the bytes must outlive the reader.
  TokenReader(const Layout& layout, ByteView bytes, schema::Limits limits)
      : Input("packed", bytes, limits),
        layout_(layout),
        now_(layout.root),
        limits_(limits),
        budget_(bytes.size(), limits) {}
  ~TokenReader() = default;

  using Node = Layout::Node;

  [[nodiscard]] const Node& node(std::uint16_t id) const noexcept { return layout_.nodes[id]; }
  [[nodiscard]] const Node& now() const noexcept { return node(now_); }
  [[nodiscard]] const Layout::Member& member(const Node& of, std::size_t index) const noexcept {
    return layout_.members[of.first + index];
  }
  [[nodiscard]] const std::byte* here() const noexcept {
    return reinterpret_cast<const std::byte*>(begin_) + at_;
  }
  void go_to(const std::byte* at) noexcept {
    at_ = static_cast<std::size_t>(at - reinterpret_cast<const std::byte*>(begin_));
  }
  [[nodiscard]] const std::byte* end() const noexcept { return here() + left(); }
  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] std::uint16_t node_here() const noexcept { return now_; }

 private:
  bool number(std::uint64_t& value) {
    const std::byte* next = get_number(here(), end(), value);
    if (next == nullptr) return cut_short();
    return go_to(next), true;
  }
  bool give_out(std::string_view name) {
    if (name.size() <= budget_.names) return budget_.names -= name.size(), true;
    return too_large("more names than its size gives reason for");
  }
  bool whole(const Node& type, schema::Integer& value);
  [[nodiscard]] schema::Token peek_enum(const Node& type);
  [[nodiscard]] schema::Token peek_variant(const Node& type);
  bool span(std::string_view& value);
  bool key_of(const Node& type, std::string_view& key);
  bool open(std::uint64_t size, bool map, const Node& of, std::size_t& count);
  bool begin_dynamic();
  bool end_dynamic() {
    if (!inner_->finish()) return fail(inner_->take_error());
    return is_inside_ = false, true;
  }
  template <class F>
  bool dynamic(F&& use) {
    if (use(*inner_)) return inner_depth_ != 0 || end_dynamic();
    return inner_->ok() ? false : fail(inner_->take_error());
  }

  struct Level {
    std::uint16_t node = 0;
    std::uint32_t index = 0;
  };
  const Layout& layout_;
  std::uint16_t now_;
  schema::Limits limits_;
  Budget budget_;
  std::array<Level, deepest> levels_;
  std::optional<CborReader> inner_;  ///< stays behind its value: a text may lie in it
  bool is_inside_ = false;
  std::uint32_t inner_depth_ = 0;
  std::uint16_t duration_ = 0;                 ///< the one that was met last,
  std::size_t duration_at_ = ~std::size_t{0};  ///< and where
  std::string digits_;
};

inline schema::Token TokenReader::peek() {
  using schema::Token;
  while (ok()) {
    if (is_dynamic()) {
      const Token token = inner_->peek();
      if (token == Token::bad) fail(inner_->take_error());
      return token;
    }
    const Node& type = now();
    if (const Token token = token_of(type.kind); token != Token::end) return token;
    switch (type.kind) {
      case Kind::optional:
        if (at_end()) return cut_short(), Token::bad;
        if (next() == 0) return Token::null;
        if (next() != 1) return corrupt("neither something nor nothing"), Token::bad;
        ++at_, now_ = type.first;
        break;
      case Kind::enumeration:
        return peek_enum(type);
      case Kind::variant:
        return peek_variant(type);
      case Kind::value:
        if (!begin_dynamic()) return Token::bad;
        break;
      default:  // a time, which is its count
        if (type.kind == Kind::duration) duration_ = now_, duration_at_ = at_;
        now_ = type.first;
    }
  }
  return Token::bad;
}
inline schema::Token TokenReader::peek_enum(const Node& type) {
  const std::size_t before = at_;
  schema::Integer value;
  if (!whole(type, value)) return schema::Token::bad;
  at_ = before;
  return layout_.enumerator(type, value).empty() ? schema::Token::integer : schema::Token::text;
}
inline schema::Token TokenReader::peek_variant(const Node& type) {
  std::uint64_t index = 0;
  if (get_number(here(), end(), index) == nullptr) return cut_short(), schema::Token::bad;
  if (index >= type.count)
    return corrupt("an alternative that the variant does not have"), schema::Token::bad;
  const auto held = member(type, index).node;
  return node(held).kind == Kind::unit ? schema::Token::null : schema::Token::map;
}

inline bool TokenReader::null() {
  if (const auto found = peek(); found != schema::Token::null) return mismatch("null", found);
  if (is_dynamic()) return dynamic([](CborReader& in) { return in.null(); });
  std::uint64_t index = 0;
  if (now().kind == Kind::variant) return number(index);
  if (now().kind == Kind::optional) ++at_;
  return true;
}
inline bool TokenReader::boolean(bool& value) {
  if (const auto found = peek(); found != schema::Token::boolean)
    return mismatch("a boolean", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.boolean(value); });
  if (at_end()) return cut_short();
  if (static_cast<unsigned char>(next()) > 1) return corrupt("neither true nor false");
  value = next() == 1;
  return ++at_, true;
}
inline bool TokenReader::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.integer(value); });
  return whole(now(), value);
}
inline bool TokenReader::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.real(value); });
  const std::size_t size = now().code;
  if (left() < size) return cut_short();
  value.single = size == 4;
  value.rounded = false;
  value.value = size == 4 ? std::bit_cast<float>(load_little<std::uint32_t>(here()))
                          : std::bit_cast<double>(load_little<std::uint64_t>(here()));
  at_ += size;
  return true;
}
inline bool TokenReader::text(std::string_view& value) {
  if (const auto found = peek(); found != schema::Token::text) return mismatch("a text", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.text(value); });
  if (now().kind == Kind::enumeration) {
    schema::Integer found;
    if (!whole(now(), found)) return false;
    value = layout_.enumerator(now(), found);
    return give_out(value);
  }
  const std::size_t start = at_;
  if (!span(value)) return false;
  return persist::detail::is_utf8(value) || corrupt_at(start, "a text that is no UTF-8");
}
inline bool TokenReader::bytes(ByteView& value) {
  if (const auto found = peek(); found != schema::Token::bytes) return mismatch("bytes", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.bytes(value); });
  std::string_view found;
  if (!span(found)) return false;
  return value = as_bytes(found), true;
}

inline bool TokenReader::begin_array(std::size_t& count) {
  if (const auto found = peek(); found != schema::Token::array) return mismatch("an array", found);
  if (is_dynamic()) {
    ++inner_depth_;
    return dynamic([&](CborReader& in) { return in.begin_array(count); });
  }
  const Node& type = now();
  std::uint64_t size = type.kind == Kind::array ? layout_.length(type) : type.count;
  if ((type.kind == Kind::sequence || type.kind == Kind::set) && !number(size)) return false;
  return open(size, false, type, count);
}
inline bool TokenReader::begin_map(std::size_t& count) {
  if (const auto found = peek(); found != schema::Token::map) return mismatch("a map", found);
  if (is_dynamic()) {
    ++inner_depth_;
    return dynamic([&](CborReader& in) { return in.begin_map(count); });
  }
  const Node& type = now();
  std::uint64_t size = type.kind == Kind::variant ? 1 : type.count;
  if (type.kind == Kind::map && !number(size)) return false;
  return open(size, true, type, count);
}
/// An element is a byte at least. A field may be none: structs pay, and fields with bytes pay back.
inline bool TokenReader::open(std::uint64_t size, bool map, const Node& of, std::size_t& count) {
  const bool has_fields =
      of.kind == Kind::structure || of.kind == Kind::tuple || of.kind == Kind::variant;
  if (has_fields && size >= budget_.steps)
    return too_large("more fields than its size gives reason for");
  if (has_fields)
    budget_.steps -= static_cast<std::size_t>(size) + 1;
  else if (size > left())
    return corrupt(std::to_string(size) + " elements where " + std::to_string(left()) +
                   " bytes are left");
  else if (!take_elements(size))
    return false;
  if (!enter({size, map, false})) return false;
  levels_[depth() - 1] = {static_cast<std::uint16_t>(&of - layout_.nodes.data()), 0};
  return count = static_cast<std::size_t>(size), true;
}

inline bool TokenReader::next_element() {
  if (!ok()) return false;
  if (is_dynamic()) {
    if (inner_->next_element()) return true;
    if (!inner_->ok()) return fail(inner_->take_error());
    if (--inner_depth_ == 0) (void)end_dynamic();
    return false;
  }
  Level& level = levels_[depth() - 1];
  const Node& type = node(level.node);
  const bool is_tuple = type.kind == Kind::tuple;
  // An element that takes no bytes of its own has one that says nothing.
  if (!is_tuple && level.index != 0 && node(type.first).is_empty) {
    if (at_end()) return cut_short();
    ++at_;
  }
  if (top().left == 0) return leave(), false;
  --top().left;
  now_ = is_tuple ? member(type, level.index).node : type.first;
  if (is_tuple && !now().is_empty) ++budget_.steps;
  return ++level.index, true;
}
inline bool TokenReader::next_key(std::string_view& key) {
  if (!ok()) return false;
  if (is_dynamic()) {
    if (inner_->next_key(key)) return true;
    if (!inner_->ok()) return fail(inner_->take_error());
    if (--inner_depth_ == 0) (void)end_dynamic();
    return false;
  }
  Level& level = levels_[depth() - 1];
  const Node& type = node(level.node);
  if (top().left == 0) return leave(), false;
  --top().left;
  if (type.kind == Kind::map) {
    if (!key_of(node(type.first), key)) return false;
    now_ = type.count;
    return true;
  }
  std::uint64_t index = level.index++;
  if (type.kind == Kind::variant && !number(index)) return false;
  const auto& field = member(type, index);
  key = layout_.name(field);
  now_ = field.node;
  if (!now().is_empty) ++budget_.steps;
  return give_out(key);
}

/// An integer or the number of an enumerator. One that its own type cannot hold was not written by
/// it.
inline bool TokenReader::whole(const Node& type, schema::Integer& value) {
  const unsigned size = 8u << (type.code & 3);
  const bool has_sign = (type.code & 4) != 0;
  std::int64_t number_with_sign = 0;
  if (size == 8) {
    if (at_end()) return cut_short();
    const auto byte = static_cast<unsigned char>(next());
    ++at_;
    if (!has_sign) return value = {false, byte}, true;
    number_with_sign = byte < 0x80 ? byte : std::int64_t{byte} - 0x100;
  } else {
    std::uint64_t found = 0;
    if (!number(found)) return false;
    if (size < 64 && (found >> size) != 0) return corrupt("a number too large for its field");
    if (!has_sign) return value = {false, found}, true;
    (void)from_unsigned(found, number_with_sign);
  }
  value.negative = number_with_sign < 0;
  value.magnitude =
      static_cast<std::uint64_t>(value.negative ? -1 - number_with_sign : number_with_sign);
  return true;
}
inline bool TokenReader::span(std::string_view& value) {
  std::uint64_t size = 0;
  if (!number(size)) return false;
  if (size > left())
    return corrupt("a length of " + std::to_string(size) + " bytes where " +
                   std::to_string(left()) + " are left");
  value = view(at_, static_cast<std::size_t>(size));
  at_ += value.size();
  return true;
}
inline bool TokenReader::key_of(const Node& type, std::string_view& key) {
  if (type.kind == Kind::text) {
    const std::size_t start = at_;
    return span(key) &&
           (persist::detail::is_utf8(key) || corrupt_at(start, "a key that is no UTF-8"));
  }
  schema::Integer found;
  if (!whole(type, found)) return false;
  key = type.kind == Kind::enumeration ? layout_.enumerator(type, found) : std::string_view();
  if (!key.empty()) return give_out(key);
  return key = digits_ = schema::detail::text_of(found), true;
}

inline bool TokenReader::begin_dynamic() {
  std::string_view item;
  if (!span(item)) return false;
  inner_.emplace(as_bytes(item), limits_);
  inner_depth_ = 0;
  return is_inside_ = true;
}

}  // namespace persist::inline PERSIST_ABI::codec::packed
