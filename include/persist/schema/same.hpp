#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/value/core.hpp>
#include <persist/schema/write/order.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace persist::inline PERSIST_ABI::schema {

/// Whether two values are the same, member by member: types need no `operator==`. A number that is
/// none (NaN) is the same as another such. Members that are not stored are compared where they have
/// an operator, and otherwise count as the same. Costs a walk over both up to the first difference;
/// for hashed containers a search for each entry.
template <class T>
[[nodiscard]] bool same(const T& a, const T& b);

namespace detail {

template <class T>
[[nodiscard]] bool same_struct(const T& a, const T& b) {
  return Describe<T>::apply(a, [&](const auto&... mine) {
    return Describe<T>::apply(b, [&](const auto&... other) { return (same(mine, other) && ...); });
  });
}
template <class T>
[[nodiscard]] bool same_tuple(const T& a, const T& b) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return (same(std::get<I>(a), std::get<I>(b)) && ...);
  }(std::make_index_sequence<std::tuple_size_v<T>>{});
}
template <class T>
[[nodiscard]] bool same_variant(const T& a, const T& b) {
  if (a.index() != b.index() || a.valueless_by_exception()) return a.index() == b.index();
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return ((a.index() != I || same(*std::get_if<I>(&a), *std::get_if<I>(&b))) && ...);
  }(std::make_index_sequence<std::variant_size_v<T>>{});
}
/// Whether an entry can be put in twice.
template <class T>
concept holds_twice =
    !requires(T& all, typename T::value_type entry) { all.emplace(std::move(entry)).second; };
/// Entries are looked up where their order says nothing. Both have as many.
template <class T>
[[nodiscard]] bool same_in_any_order(const T& a, const T& b) {
  using Entry = typename T::value_type;
  if constexpr (holds_twice<T>) {
    return std::is_permutation(a.begin(), a.end(), b.begin(),
                               [](const Entry& x, const Entry& y) { return same(x, y); });
  } else {
    return std::all_of(a.begin(), a.end(), [&b](const Entry& entry) {
      if constexpr (map_like<T>) {
        const auto at = b.find(entry.first);
        return at != b.end() && same(entry.second, at->second);
      } else {
        return b.find(entry) != b.end();
      }
    });
  }
}
template <class T>
[[nodiscard]] bool same_container(const T& a, const T& b) {
  if (a.size() != b.size()) return false;
  if constexpr (in_no_order<T>) {
    return same_in_any_order(a, b);
  } else {
    auto other = b.begin();
    for (auto mine = a.begin(); mine != a.end(); ++mine, ++other) {
      using Element = typename T::value_type;  // of packed booleans, not what stands for one
      if (!same(static_cast<const Element&>(*mine), static_cast<const Element&>(*other)))
        return false;
    }
    return true;
  }
}

}  // namespace detail

template <class T>
bool same(const T& a, const T& b) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    return detail::same_struct(a, b);
  } else if constexpr (kind == Kind::adapted) {
    return same(adapt<T>::store(a), adapt<T>::store(b));
  } else if constexpr (kind == Kind::tuple) {
    return detail::same_tuple(a, b);
  } else if constexpr (kind == Kind::variant) {
    return detail::same_variant(a, b);
  } else if constexpr (kind == Kind::optional) {
    return a.has_value() == b.has_value() && (!a.has_value() || same(*a, *b));
  } else if constexpr (kind == Kind::array || kind == Kind::sequence || kind == Kind::set ||
                       kind == Kind::map) {
    return detail::same_container(a, b);
  } else if constexpr (kind == Kind::real) {
    return a == b || (std::isnan(a) && std::isnan(b));
  } else if constexpr (std::equality_comparable<T>) {
    return a == b;
  } else {
    return true;
  }
}

}  // namespace persist::inline PERSIST_ABI::schema
