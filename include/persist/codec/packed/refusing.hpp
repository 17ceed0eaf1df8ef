#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/pretty.hpp>

#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI::codec::packed {

template <class T>
constexpr bool find_refusing(const schema::detail::Describing* outer);

template <class... Ts>
constexpr bool find_refusing_in([[maybe_unused]] const schema::detail::Describing* outer,
                                schema::detail::Types<Ts...>) {
  return (find_refusing<std::remove_const_t<Ts>>(outer) || ...);
}
template <class T>
constexpr bool find_refusing_adapted(const schema::detail::Describing* outer) {
  using Stored = typename adapt<T>::stored_type;
  using Restored = decltype(adapt<T>::restore(std::declval<Stored>()));
  return !std::is_assignable_v<T&, Restored> || find_refusing<Stored>(outer);
}
template <class T>
constexpr bool find_refusing([[maybe_unused]] const schema::detail::Describing* outer) {
  using schema::Kind, schema::detail::depth_of, schema::detail::types_of;
  constexpr Kind kind = schema::kind_of<T>;
  if constexpr (kind == Kind::structure) {
    if (depth_of<T>(outer) != 0) return false;
    const schema::detail::Describing here{schema::detail::pretty_type<T>(), outer};
    return find_refusing_in(&here, schema::detail::MemberTypes<T>{});
  } else if constexpr (kind == Kind::adapted) {
    return find_refusing_adapted<T>(outer);
  } else if constexpr (kind == Kind::sequence || kind == Kind::array || kind == Kind::set ||
                       kind == Kind::optional) {
    return find_refusing<std::remove_const_t<typename T::value_type>>(outer);
  } else if constexpr (kind == Kind::map) {
    return find_refusing<typename T::key_type>(outer) ||
           find_refusing<typename T::mapped_type>(outer);
  } else if constexpr (kind == Kind::tuple || kind == Kind::variant) {
    return find_refusing_in(outer, types_of(static_cast<const T*>(nullptr)));
  } else {
    return false;
  }
}

/// Whether the game's own `adapt` may refuse what is stored somewhere in a T. Reading by position
/// knows no names, so it can neither say where that was nor ask a policy about the member.
template <class T>
inline constexpr bool may_refuse = find_refusing<T>(nullptr);

}  // namespace persist::inline PERSIST_ABI::codec::packed
