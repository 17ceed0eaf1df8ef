#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/read/base.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

// Reading what may be one thing or another: optionals, variants, and types that are stored as
// others.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Whether a T may be stored as null of its own accord.
template <class T>
inline constexpr bool has_null =
    kind_of<T> == Kind::optional || kind_of<T> == Kind::unit || kind_of<T> == Kind::value;
template <class... Ts>
inline constexpr bool has_null<std::variant<Ts...>> = (std::same_as<Ts, std::monostate> || ...);
template <adapted T>
inline constexpr bool has_null<T> = has_null<typename adapt<T>::stored_type>;

/// What the member holds by default is read into, not replaced, so that its own defaults hold for
/// what is missing inside.
template <class Walk, class T>
[[nodiscard]] bool read_optional(Walk& walk, T& into, const Place& at) {
  static_assert(
      !has_null<typename T::value_type>,
      "persist: an optional of an optional has two kinds of nothing, and storage has one; a Value "
      "and a variant with std::monostate have theirs without it");
  if (walk.in().peek() == Token::null) return into.reset(), walk.in().null();
  if (!into.has_value()) into.emplace();
  return walk.value(*into, at);
}

/// With one name for two types, what was written as one would be read as the other.
template <class... Ts>
consteval bool distinct_names() {
  std::array<std::string_view, sizeof...(Ts)> names{type_name<Ts>...};
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

/// A map of one entry, whose key is the name of the type. What is unknown in an alternative is kept
/// below that name, so that it does not come to another one. A name that no alternative has comes
/// from a newer build: the member keeps its default, and the entry is kept beside it. An
/// alternative that the member holds by default is read into, another is made first.
template <class Walk, class... Ts>
[[nodiscard]] bool read_variant(Walk& walk, std::variant<Ts...>& into, const Place& at) {
  static_assert(distinct_names<Ts...>(),
                "persist: two alternatives of a variant have one name: give one a persist_name");
  if (walk.in().peek() == Token::null) {
    if constexpr ((std::same_as<Ts, std::monostate> || ...))
      return into = std::monostate(), walk.in().null();
  }
  std::size_t count = 0;
  std::string_view name;
  const std::string_view expected = "a map with the name of the type as its key";
  if (!walk.expect(Token::map, at, expected) || !walk.in().begin_map(count)) return false;
  if (!walk.in().next_key(name))
    return walk.in().ok() && walk.mismatch(at, expected, "an empty map");
  bool known = false;
  bool read = true;
  (
      [&] {
        if (known || kind_of<Ts> == Kind::unit || type_name<Ts> != name) return;
        known = true;
        if (!std::holds_alternative<Ts>(into)) into.template emplace<Ts>();
        read = walk.value(*std::get_if<Ts>(&into), at.inside(type_name<Ts>));
      }(),
      ...);
  if (!known) {
    const std::string unknown_name(name);
    Kept item;
    read = read_kept(walk.in(), item) && walk.replace(into, at, unknown_name, std::move(item));
  }
  if (!read) return false;
  if (walk.in().next_key(name)) return walk.mismatch(at, expected, "a map of more");
  return walk.in().ok();
}
/// Begins with the stored form of the default, so that what is missing in it is the default's too.
/// What `restore` refuses is refused with the path.
template <class Walk, class T>
[[nodiscard]] bool read_adapted(Walk& walk, T& into, const Place& at) {
  auto stored = adapt<T>::store(into);
  if (!walk.value(stored, at)) return false;
  if constexpr (std::is_assignable_v<T&, decltype(adapt<T>::restore(std::move(stored)))>) {
    into = adapt<T>::restore(std::move(stored));
    return true;
  } else {
    auto restored = adapt<T>::restore(std::move(stored));
    if (!restored) return walk.fail(std::move(restored).error().at(at.path(), "", ""));
    into = *std::move(restored);
    return true;
  }
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
