#pragma once

#include <persist/schema/token.hpp>
#include <persist/schema/value/core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The reading half of that pair. Nothing is copied: what is read refers to the value.

namespace persist::inline PERSIST_ABI::schema {

/// A reader whose input is a `Value`, which must outlive it. It has no bytes, so what a typed walk
/// keeps from it is kept as values.
class ValueReader {
 public:
  static constexpr bool bytes_as_text = false;
  static constexpr bool sorts_keys = true;

  /// Only the depth is limited: the value takes its memory already.
  explicit ValueReader(const Value& from, Limits limits = {}) : next_(&from), limits_(limits) {}

  /// What comes next; `end` where a container or the value was read to its end.
  [[nodiscard]] Token peek() const noexcept {
    if (next_ == nullptr) return Token::end;
    switch (next_->kind()) {
      case Value::Kind::null:
        return Token::null;
      case Value::Kind::boolean:
        return Token::boolean;
      case Value::Kind::integer:
      case Value::Kind::unsigned_integer:
        return Token::integer;
      case Value::Kind::single:
      case Value::Kind::real:
        return Token::real;
      case Value::Kind::text:
        return Token::text;
      case Value::Kind::bytes:
        return Token::bytes;
      case Value::Kind::array:
        return Token::array;
      case Value::Kind::map:
        return Token::map;
    }
    return Token::bad;
  }

  // As the readers of codecs: each reads one item, another kind is `schema_mismatch`, a failure
  // stays. Nothing here is `corrupt`.
  bool null() { return is(Token::null) && advance(); }
  bool boolean(bool& into) {
    return is(Token::boolean) && (into = *next_->get_if<bool>(), advance());
  }
  bool integer(Integer& into) {
    if (!is(Token::integer)) return false;
    if (const auto* number = next_->get_if<std::int64_t>()) {
      into.negative = *number < 0;
      into.magnitude = static_cast<std::uint64_t>(*number < 0 ? -1 - *number : *number);
    } else {
      into = {false, *next_->get_if<std::uint64_t>()};
    }
    return advance();
  }
  bool real(Real& into) {
    if (!is(Token::real)) return false;
    const float* single = next_->get_if<float>();
    into =
        single ? Real{static_cast<double>(*single), true} : Real{*next_->get_if<double>(), false};
    return advance();
  }
  bool text(std::string_view& into) {
    return is(Token::text) && (into = *next_->get_if<std::string>(), advance());
  }
  bool bytes(ByteView& into) {
    return is(Token::bytes) && (into = ByteView(*next_->get_if<Value::Bytes>()), advance());
  }
  bool begin_array(std::size_t& count) { return is(Token::array) && open(count); }
  bool next_element() {
    Open& in = open_.back();
    if (!ok_ || in.done == in.whole->size()) return close();
    next_ = &in.whole->elements()[in.done++];
    return true;
  }
  bool begin_map(std::size_t& count) { return is(Token::map) && open(count); }
  bool next_key(std::string_view& into) {
    Open& in = open_.back();
    if (!ok_ || in.done == in.whole->size()) return close();
    const Value::Member& member = in.whole->members()[in.done++];
    next_ = &member.value;
    return into = member.key, true;
  }

  /// A place before an item, to come back to from anywhere in it: then a failure that came after it
  /// is forgotten.
  struct Mark {
    const Value* next;
    std::size_t depth;
  };
  [[nodiscard]] Mark mark() const noexcept { return {next_, open_.size()}; }
  void rewind(const Mark& to) {
    next_ = to.next, open_.resize(to.depth);
    ok_ = true;
  }

  /// Keeps the first failure.
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] Error take_error() { return std::move(error_); }

 private:
  /// A container that is being read, and how many of its elements were given out.
  struct Open {
    const Value* whole = nullptr;
    std::size_t done = 0;
  };
  /// A call for something else than what is there fails and stays failed, like a codec's reader.
  bool is(Token wanted) {
    if (ok_ && peek() == wanted) return true;
    fail(Error(Errc::schema_mismatch).at("", std::string(name(wanted)), std::string(name(peek()))));
    return false;
  }
  bool advance() noexcept { return next_ = nullptr, true; }
  bool open(std::size_t& count) {
    if (open_.size() >= limits_.depth)
      return fail(Error(Errc::too_large, "nested deeper than the limit")), false;
    open_.push_back({next_, 0});
    count = next_->size();
    return advance();
  }
  bool close() {
    if (ok_) open_.pop_back();
    return advance(), false;
  }

  const Value* next_;
  Limits limits_;
  std::vector<Open> open_;
  Error error_;
  bool ok_ = true;
};

}  // namespace persist::inline PERSIST_ABI::schema
