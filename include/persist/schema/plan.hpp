#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/value/core.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <type_traits>

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

/// How a struct is stored under a policy: everything about its fields that is known at compile
/// time.
template <class Rules, class T>
struct Plan {
  static constexpr std::size_t count = Describe<T>::count;
  static constexpr std::size_t none = count;
  using Names = std::array<std::string_view, count>;

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
    std::sort(order.begin(), order.end(),
              [](std::size_t a, std::size_t b) { return canonical_less(names[a], names[b]); });
    return order;
  }();
  static_assert(std::adjacent_find(canonical.begin(), canonical.end(),
                                   [](std::size_t a, std::size_t b) {
                                     return names[a] == names[b];
                                   }) == canonical.end(),
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

  /// Where a field stands in an order of this plan; `guess` is looked at first.
  [[nodiscard]] static constexpr std::size_t position_in(const Order& order, std::size_t field,
                                                         std::size_t guess) noexcept {
    if (guess < order.size() && order[guess] == field) return guess;
    return static_cast<std::size_t>(std::find(order.begin(), order.end(), field) - order.begin());
  }
  /// The stored field of that name, or `none`.
  [[nodiscard]] static constexpr std::size_t find(std::string_view name) noexcept {
    const auto at = std::lower_bound(canonical.begin(), canonical.end(), name,
                                     [](std::size_t field, std::string_view wanted) {
                                       return canonical_less(names[field], wanted);
                                     });
    return at != canonical.end() && names[*at] == name ? *at : none;
  }
};

/// Whether elements of a sequence of T can be told apart.
template <class Rules, class T>
inline constexpr bool is_identified = [] {
  if constexpr (kind_of<T> == Kind::structure)
    return Plan<Rules, T>::identity != Plan<Rules, T>::none;
  else
    return false;
}();

}  // namespace persist::inline PERSIST_ABI::schema::detail
