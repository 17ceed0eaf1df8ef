#pragma once

#include <persist/schema/enumeration.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/read/base.hpp>
#include <persist/schema/read/number.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// Reading the kinds that are one item: numbers, texts, bytes, enums, times. Each asks what it
// stands before and fails as schema_mismatch with path, expected and found; broken input is the
// reader's to word.

namespace persist::inline PERSIST_ABI::schema::detail {

/// An integer may be stored as a whole real and a real as an integer, because formats and older
/// builds choose differently; what would lose something is refused and never rounded.
template <class Walk, class T>
[[nodiscard]] bool read_number(Walk& walk, T& into, const Place& at) {
  constexpr bool is_real = kind_of<T> == Kind::real;
  const std::string_view expected = number_name<T>();
  if (walk.in().peek() == Token::real) {
    Real real;
    if (!walk.in().real(real)) return false;
    Integer whole;
    if constexpr (is_real)
      return convert(real, into) || walk.mismatch(at, expected, text_of(real));
    else
      return (convert(real, whole) && convert(whole, into)) ||
             walk.mismatch(at, expected, text_of(real));
  }
  Integer whole;
  if (!walk.expect(Token::integer, at, expected) || !walk.in().integer(whole)) return false;
  return convert(whole, into) || walk.mismatch(at, expected, text_of(whole));
}

/// Copies: the text belongs to the input, or to a scratch that the reader uses again.
template <class Walk, class T>
[[nodiscard]] bool read_text(Walk& walk, T& into, const Place& at) {
  std::string_view found;
  if (!walk.expect(Token::text, at) || !walk.in().text(found)) return false;
  into.assign(found.data(), found.size());
  return true;
}

/// A format without bytes has them as text; then only the type that is read knows that they are
/// bytes.
template <class Walk, class T>
[[nodiscard]] bool read_bytes(Walk& walk, T& into, const Place& at) {
  ByteView found;
  const bool as_text = [] {
    if constexpr (requires { Walk::reader::bytes_as_text; })
      return Walk::reader::bytes_as_text;
    else
      return false;
  }();
  if (!(as_text && walk.in().peek() == Token::text) && !walk.expect(Token::bytes, at)) return false;
  if (!walk.in().bytes(found)) return false;
  if constexpr (is_array<T>) {
    if (found.size() != into.size())
      return walk.mismatch(at, std::to_string(into.size()) + " bytes",
                           std::to_string(found.size()));
    std::copy(found.begin(), found.end(), into.begin());
  } else if constexpr (std::same_as<T, Buffer>) {
    into = Buffer(found);
  } else {
    into.assign(found.data(), found.data() + found.size());
  }
  return true;
}

/// By name or by number. A number without a name is a value all the same, as in C++. A name that
/// this build does not have, or a number that the underlying type cannot hold, comes from a newer
/// build: the member keeps its default, and what was stored is kept beside it.
template <class Walk, class E>
[[nodiscard]] bool read_enumeration(Walk& walk, E& into, const Place& at) {
  Kept unknown;
  if (walk.in().peek() == Token::text) {
    std::string_view text;
    if (!walk.in().text(text)) return false;
    if (const auto known = enum_value<E>(text)) return into = *known, true;
    unknown.value = Value(text);
  } else {
    Integer whole;
    std::underlying_type_t<E> underlying{};
    if (!walk.expect(Token::integer, at, type_name<E>) || !walk.in().integer(whole)) return false;
    if (convert(whole, underlying)) return into = static_cast<E>(underlying), true;
    if (whole.negative) return walk.mismatch(at, type_name<E>, text_of(whole));
    unknown.value = Value(whole.magnitude);
  }
  return walk.replace(into, at, {}, std::move(unknown));
}

/// A unit of time in words: `1/1000 s`.
[[nodiscard]] inline std::string unit_text(std::uint64_t numerator, std::uint64_t denominator) {
  return std::to_string(numerator) + "/" + std::to_string(denominator) + " s";
}
/// Times are stored as their count. The unit is the type's, so it cannot be changed without a new
/// field: a format that knows the unit refuses another.
template <class Walk, class T>
[[nodiscard]] bool read_chrono(Walk& walk, T& into, const Place& at) {
  if constexpr (requires { walk.in().unit(); }) {
    constexpr std::pair<std::uint64_t, std::uint64_t> own(T::period::num, T::period::den);
    if (const auto said = walk.in().unit(); said && *said != own)
      return walk.mismatch(at, "a time in " + unit_text(own.first, own.second),
                           "one in " + unit_text(said->first, said->second));
  }
  typename T::rep count{};
  if (!walk.value(count, at)) return false;
  if constexpr (kind_of<T> == Kind::duration)
    into = T(count);
  else
    into = T(typename T::duration(count));
  return true;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
