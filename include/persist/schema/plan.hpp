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

/// The names under which members of T are stored besides their own.
template <class Rules, class T>
[[nodiscard]] constexpr std::size_t count_other_names(bool only_written) noexcept {
  std::size_t found = 0;
  if constexpr (Rules::has_other_names) {
    Rules::template each<T>([&](auto attribute) {
      if (!attribute.other_name.empty() && (attribute.writes_other || !only_written)) ++found;
    });
  }
  return found;
}

/// How a struct is stored under a policy: everything about its fields that is known at compile
/// time.
///
/// What is stored under a name is a slot: the first are the members themselves, in the order of
/// their declaration, and behind them come the other names that some have.
template <class Rules, class T>
struct Plan {
  static constexpr std::size_t count = Describe<T>::count;
  static constexpr std::size_t other_names = count_other_names<Rules, T>(false);
  static constexpr std::size_t slots = count + other_names;
  static constexpr std::size_t none = slots;
  using Names = std::array<std::string_view, slots>;

  static constexpr bool attributes_are_fields = [] {
    bool all = true;
    Rules::template each<T>(
        [&](auto attribute) { all = all && position_of<T>(attribute.member) < count; });
    return all;
  }();
  static_assert(attributes_are_fields,
                "persist: an attribute names a member that is not among the fields of its struct, "
                "or that persist::field renamed there");

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
  static constexpr std::size_t written_count = stored_count + count_other_names<Rules, T>(true);

  struct OtherName {
    std::size_t member = none;
    bool is_written = false;
  };
  static constexpr auto others = [] {
    std::array<OtherName, other_names> found{};
    [[maybe_unused]] std::size_t at = 0;
    if constexpr (other_names != 0) {
      Rules::template each<T>([&](auto attribute) {
        if (attribute.other_name.empty()) return;
        found[at++] = {position_of<T>(attribute.member), attribute.writes_other};
      });
    }
    return found;
  }();
  static constexpr Names names = [] {
    Names stored{};
    for (std::size_t i = 0; i < count; ++i)
      stored[i] = Describe<T>::names[i];
    [[maybe_unused]] std::size_t other = count;
    Rules::template each<T>([&](auto attribute) {
      if (!attribute.stored_name.empty())
        stored[position_of<T>(attribute.member)] = attribute.stored_name;
      if (!attribute.other_name.empty()) stored[other++] = attribute.other_name;
    });
    return stored;
  }();

  static_assert(std::all_of(others.begin(), others.end(),
                            [](const OtherName& other) { return is_stored[other.member]; }),
                "persist: a member that is not stored has another name");

  /// The member whose value is in that slot.
  [[nodiscard]] static constexpr std::size_t member_of(std::size_t slot) noexcept {
    if constexpr (other_names != 0)
      if (slot >= count) return others[slot - count].member;
    return slot;
  }
  [[nodiscard]] static constexpr bool is_written(std::size_t slot) noexcept {
    return slot < count ? is_stored[slot] : others[slot - count].is_written;
  }
  /// How often the member is written behind its own name.
  [[nodiscard]] static constexpr std::size_t times_more(std::size_t member) noexcept {
    std::size_t times = 0;
    for (const OtherName& other : others)
      times += other.member == member && other.is_written ? 1 : 0;
    return times;
  }

  using Order = std::array<std::size_t, written_count>;
  /// The slots that are written: as they are declared, each member with its other names behind it,
  /// and as canonical order has them.
  static constexpr Order declared = [] {
    Order order{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_stored[i]) continue;
      order[at++] = i;
      for (std::size_t other = count; other != slots; ++other)
        if (member_of(other) == i && is_written(other)) order[at++] = other;
    }
    return order;
  }();
  static constexpr Order canonical = [] {
    Order order = declared;
    sort_fields(order, names);
    return order;
  }();
  /// All that are read.
  static constexpr auto known = [] {
    if constexpr (written_count == stored_count + other_names) {
      return canonical;
    } else {
      std::array<std::size_t, stored_count + other_names> order{};
      std::size_t at = 0;
      for (std::size_t slot = 0; slot != slots; ++slot)
        if (slot >= count || is_stored[slot]) order[at++] = slot;
      sort_fields(order, names);
      return order;
    }
  }();
  static_assert(names_differ(known, names),
                "persist: two fields of a struct are stored under one name");

  /// The member that holds what is unknown, or `none`.
  static constexpr std::size_t unknown_holder = [] {
    const auto& is = is_unknown_holder<T>;
    const auto at = std::find(is.begin(), is.end(), true);
    return at == is.end() ? none : static_cast<std::size_t>(at - is.begin());
  }();
  /// The member that tells elements apart, or `none`.
  static constexpr std::size_t identity = [] {
    std::size_t found = none;
    Rules::template each<T>([&](auto attribute) {
      if (attribute.identity) found = position_of<T>(attribute.member);
    });
    return found;
  }();

  static_assert(identity == none || is_stored[identity], "persist: an Identity must be stored");
  /// The slot of that name, or `none`.
  [[nodiscard]] static constexpr std::size_t find(std::string_view name) noexcept {
    return find_field(known, names, name, none);
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
