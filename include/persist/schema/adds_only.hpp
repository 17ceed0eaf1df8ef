#pragma once

#include <persist/schema/enumeration.hpp>
#include <persist/schema/fingerprint.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

// Whether a build that knows the one type can read what a build wrote that knows the other.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Rules, class Old, class New>
constexpr bool find_adds_only(const Describing* outer);

template <class Rules, class OldMember, std::size_t Wanted, class... Ms>
constexpr bool member_adds_only(const Describing* outer, Types<Ms...>) {
  std::size_t at = 0;
  bool same = false;
  (
      [&] {
        if (at++ == Wanted) same = find_adds_only<Rules, OldMember, Ms>(outer);
      }(),
      ...);
  return same;
}
/// Every stored member of Old is in New, under the same name. A struct inside itself is being
/// compared already.
template <class Rules, class Old, class New>
constexpr bool members_add_only(const Describing* outer) {
  if (depth_of<Old>(outer) != 0) return true;
  const Describing here{pretty_type<Old>(), outer};
  using Before = Plan<Rules, Old>;
  using After = Plan<Rules, New>;
  return [&]<std::size_t... I, class... Ms>(std::index_sequence<I...>, Types<Ms...>) {
    return ([&] {
      if constexpr (!Before::is_stored[I]) {
        return true;
      } else {
        constexpr std::size_t there = After::find(Before::names[I]);
        if constexpr (there == After::none || !After::is_written(there))
          return false;
        else
          return member_adds_only<Rules, Ms, After::member_of(there)>(&here, MemberTypes<New>{});
      }
    }() && ...);
  }(std::make_index_sequence<Before::count>{}, MemberTypes<Old>{});
}

template <class Old, class New>
consteval bool enumerators_add_only() {
  for (const std::string_view name : Enumerators<Old>::names)
    if (!name.empty() && !enum_value<New>(name)) return false;
  return true;
}

template <class Rules, class Old, class New>
constexpr bool find_adds_only([[maybe_unused]] const Describing* outer) {
  constexpr Kind kind = kind_of<Old>;
  if constexpr (std::is_same_v<Old, New>) {
    return true;
  } else if constexpr (kind != kind_of<New>) {
    return false;
  } else if constexpr (kind == Kind::structure) {
    return members_add_only<Rules, Old, New>(outer);
  } else if constexpr (kind == Kind::optional || kind == Kind::sequence) {
    return find_adds_only<Rules, typename Old::value_type, typename New::value_type>(outer);
  } else if constexpr (kind == Kind::map) {
    return std::is_same_v<typename Old::key_type, typename New::key_type> &&
           find_adds_only<Rules, typename Old::mapped_type, typename New::mapped_type>(outer);
  } else if constexpr (kind == Kind::enumeration) {
    if constexpr (fixed_enum<Old> && fixed_enum<New>)
      return enumerators_add_only<Old, New>();
    else
      return false;
  } else {
    return compute_fingerprint<Rules, Old>() == compute_fingerprint<Rules, New>();
  }
}

/// Whether New is Old with more members, at any depth: nothing is gone, renamed or of another kind.
template <class Rules, class Old, class New>
inline constexpr bool adds_only = find_adds_only<Rules, Old, New>(nullptr);

}  // namespace persist::inline PERSIST_ABI::schema::detail
