#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/read/base.hpp>
#include <persist/schema/read/choice.hpp>
#include <persist/schema/read/container.hpp>
#include <persist/schema/read/scalar.hpp>
#include <persist/schema/read/structure.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/value/walk.hpp>

namespace persist::inline PERSIST_ABI::schema {

namespace detail {

/// The walk that turns tokens into a value: which function reads which kind.
template <class Rules, class Reader>
class Reading : public ReadBase<Rules, Reader> {
 public:
  using ReadBase<Rules, Reader>::ReadBase;

  /// The one place that says which kind is read by what. The recursion is as deep as the data's
  /// types nest, and for types that hold themselves as deep as the reader's limit lets the input
  /// nest.
  template <class T>
  [[nodiscard]] bool value(T& into, const Place& at) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (requires { this->in().direct(into); })
      if (const Direct offer = this->in().direct(into); offer != Direct::no)
        return offer == Direct::done;
    if constexpr (kind == Kind::boolean)
      return this->expect(Token::boolean, at) && this->in().boolean(into);
    else if constexpr (kind == Kind::integer || kind == Kind::real)
      return read_number(*this, into, at);
    else if constexpr (kind == Kind::enumeration)
      return read_enumeration(*this, into, at);
    else if constexpr (kind == Kind::text)
      return read_text(*this, into, at);
    else if constexpr (kind == Kind::bytes)
      return read_bytes(*this, into, at);
    else if constexpr (kind == Kind::optional)
      return read_optional(*this, into, at);
    else if constexpr (kind == Kind::variant)
      return read_variant(*this, into, at);
    else if constexpr (kind == Kind::sequence)
      return read_sequence(*this, into, at);
    else if constexpr (kind == Kind::array)
      return read_array(*this, into, at);
    else if constexpr (kind == Kind::set)
      return read_set(*this, into, at);
    else if constexpr (kind == Kind::map)
      return read_map(*this, into, at);
    else if constexpr (kind == Kind::tuple)
      return read_tuple(*this, into, at);
    else if constexpr (kind == Kind::duration || kind == Kind::time_point)
      return read_chrono(*this, into, at);
    else if constexpr (kind == Kind::structure)
      return read_structure(*this, into, at);
    else if constexpr (kind == Kind::value)
      return read_value(this->in(), into);
    else if constexpr (kind == Kind::adapted)
      return read_adapted(*this, into, at);
    else if constexpr (kind == Kind::unit)
      return this->expect(Token::null, at) && this->in().null();
    else
      return false;
  }
};

}  // namespace detail

/// Reads one item into `into`, which is a fresh value: members that are missing keep what it holds,
/// unless the policy reconciles otherwise.
/// `unknown` is replaced by what has no member. Fails as `schema_mismatch` (names path, expected,
/// found), `corrupt`, `too_large`, or `too_new` where something unknown could not be kept; then
/// `into` holds anything and is to be thrown away. Time is in proportion to the input, but for the
/// order that maps and sets keep; see `is_flooded` for keys that collide.
template <class Policy, class Reader, class T>
[[nodiscard]] Result<void> read(Reader& in, T& into, UnknownFields& unknown) {
  unknown.clear();
  detail::Reading<detail::RulesOf<Policy>, Reader> walk(in, unknown);
  if (walk.value(into, Place{}) && in.ok()) return success;
  unknown.clear();
  return in.take_error();
}

}  // namespace persist::inline PERSIST_ABI::schema
