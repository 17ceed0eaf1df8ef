#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/value/core.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

// What the walks know of a struct before they run. All of it is constants: names after renaming,
// which members are stored, in which order, and which of them have a part in keeping what is
// unknown.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class T>
inline constexpr auto is_unknown_holder = []<class... Ms>(Types<Ms...>) {
  return std::array<bool, sizeof...(Ms)>{std::is_same_v<Ms, Unknown>...};
}(MemberTypes<T>{});

/// Where the member is that an attribute names. That there is none shows as an index out of range
/// in a constant, which does not compile.
template <class T>
[[nodiscard]] constexpr std::size_t position_of(std::string_view member) noexcept {
  const auto& names = Describe<T>::names;
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), member) - names.begin());
}

// These take spans and no types, so that a compiler makes them once and not for each struct.

using FieldOrder = std::span<const std::size_t>;
using FieldNames = std::span<const std::string_view>;

constexpr void sort_fields(std::span<std::size_t> order, FieldNames names) noexcept {
  for (std::size_t end = 1; end < order.size(); ++end)
    for (std::size_t at = end; at != 0 && canonical_less(names[order[at]], names[order[at - 1]]);
         --at)
      std::swap(order[at], order[at - 1]);
}
[[nodiscard]] constexpr bool names_differ(FieldOrder sorted, FieldNames names) noexcept {
  for (std::size_t at = 1; at < sorted.size(); ++at)
    if (names[sorted[at - 1]] == names[sorted[at]]) return false;
  return true;
}
/// The field of that name among the sorted ones, or `none`.
[[nodiscard]] constexpr std::size_t find_field(FieldOrder sorted, FieldNames names,
                                               std::string_view name, std::size_t none) noexcept {
  std::size_t low = 0;
  std::size_t high = sorted.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (canonical_less(names[sorted[middle]], name))
      low = middle + 1;
    else
      high = middle;
  }
  return low < sorted.size() && names[sorted[low]] == name ? sorted[low] : none;
}
/// Where a field stands in an order; `guess` is looked at first.
[[nodiscard]] constexpr std::size_t position_in(FieldOrder order, std::size_t field,
                                                std::size_t guess) noexcept {
  if (guess < order.size() && order[guess] == field) return guess;
  std::size_t at = 0;
  while (at < order.size() && order[at] != field)
    ++at;
  return at;
}

/// How a struct is stored under a policy: everything about its fields that is known at compile
/// time.
template <class Rules, class T>
struct Plan {
  static constexpr std::size_t count = Describe<T>::count;
  static constexpr std::size_t none = count;
  using Names = std::array<std::string_view, count>;

  static constexpr bool attributes_are_fields = [] {
    bool all = true;
    Rules::template each<T>(
        [&](auto attribute) { all = all && position_of<T>(attribute.member) < count; });
    return all;
  }();
  static_assert(attributes_are_fields,
                "persist: an attribute names a member that is not among the fields of its struct, "
                "or that persist::field renamed there");

  static constexpr Names names = [] {
    Names stored = Describe<T>::names;
    Rules::template each<T>([&](auto attribute) {
      if (attribute.stored_name.empty()) return;
      stored[position_of<T>(attribute.member)] = attribute.stored_name;
    });
    return stored;
  }();
  static constexpr std::array<bool, count> is_stored = [] {
    std::array<bool, count> stored{};
    for (std::size_t i = 0; i < count; ++i)
      stored[i] = !is_unknown_holder<T>[i];
    Rules::template each<T>([&](auto attribute) {
      if (attribute.transient) stored[position_of<T>(attribute.member)] = false;
    });
    return stored;
  }();
  static constexpr std::size_t stored_count =
      static_cast<std::size_t>(std::count(is_stored.begin(), is_stored.end(), true));

  using Order = std::array<std::size_t, stored_count>;
  /// The stored fields as they are declared, and as canonical order has them.
  static constexpr Order declared = [] {
    Order order{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i)
      if (is_stored[i]) order[at++] = i;
    return order;
  }();
  static constexpr Order canonical = [] {
    Order order = declared;
    sort_fields(order, names);
    return order;
  }();
  static_assert(names_differ(canonical, names),
                "persist: two fields of a struct are stored under one name");

  /// The member that holds what is unknown, or `none`.
  static constexpr std::size_t unknown_holder = static_cast<std::size_t>(
      std::find(is_unknown_holder<T>.begin(), is_unknown_holder<T>.end(), true) -
      is_unknown_holder<T>.begin());
  /// The member that tells elements apart, or `none`.
  static constexpr std::size_t identity = [] {
    std::size_t found = none;
    Rules::template each<T>([&](auto attribute) {
      if (attribute.identity) found = position_of<T>(attribute.member);
    });
    return found;
  }();

  static_assert(identity == none || is_stored[identity], "persist: an Identity must be stored");

  /// The stored field of that name, or `none`.
  [[nodiscard]] static constexpr std::size_t find(std::string_view name) noexcept {
    return find_field(canonical, names, name, none);
  }
};

// For walks over types at compile time.

template <template <class...> class Tuple, class... Ts>
[[nodiscard]] constexpr Types<Ts...> types_of(const Tuple<Ts...>*) {
  return {};
}

/// The structs that a walk is in, so that one that contains itself comes to an end. The type is
/// what a compiler calls it: with -fsanitize=undefined, g++ does not say in a constant whether two
/// addresses differ.
struct Describing {
  std::string_view type;
  const Describing* outer;
};
/// How many steps above T was begun, from 1; 0 if it was not.
template <class T>
[[nodiscard]] constexpr std::size_t depth_of(const Describing* at) noexcept {
  for (std::size_t depth = 1; at != nullptr; at = at->outer, ++depth)
    if (at->type == pretty_type<T>()) return depth;
  return 0;
}

/// Whether elements of a sequence of T can be told apart.
template <class Rules, class T>
inline constexpr bool is_identified = [] {
  if constexpr (kind_of<T> == Kind::structure)
    return Plan<Rules, T>::identity != Plan<Rules, T>::none;
  else
    return false;
}();

}  // namespace persist::inline PERSIST_ABI::schema::detail
