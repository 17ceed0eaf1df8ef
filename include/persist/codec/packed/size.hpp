#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <type_traits>

namespace persist::inline PERSIST_ABI::codec::packed {

template <class Rules, class T>
consteval std::size_t find_least_size();

/// The fewest bytes that a T takes. What comes in numbers is checked against what is left of the
/// input before anybody makes room for it.
template <class Rules, class T>
inline constexpr std::size_t least_size = find_least_size<Rules, T>();

template <class Rules, class... Ts>
consteval std::size_t sum_of_least(schema::detail::Types<Ts...>) {
  return (std::size_t{0} + ... + least_size<Rules, std::remove_const_t<Ts>>);
}
template <class Rules, class T>
consteval std::size_t least_struct_size() {
  using P = schema::detail::Plan<Rules, T>;
  return []<class... Ms>(schema::detail::Types<Ms...>) {
    std::size_t sum = 0;
    std::size_t field = 0;
    ((sum += P::is_stored[field++] ? find_least_size<Rules, Ms>() : 0), ...);
    return sum;
  }(schema::detail::MemberTypes<T>{});
}

template <class Rules, class T>
consteval std::size_t find_least_size() {
  using schema::Kind;
  constexpr Kind kind = schema::kind_of<T>;
  if constexpr (kind == Kind::structure)
    return least_struct_size<Rules, T>();
  else if constexpr (kind == Kind::real)
    return sizeof(T);
  else if constexpr (kind == Kind::array)
    return std::tuple_size_v<T> * least_size<Rules, typename T::value_type>;
  else if constexpr (kind == Kind::tuple)
    return sum_of_least<Rules>(schema::detail::types_of(static_cast<const T*>(nullptr)));
  else if constexpr (kind == Kind::adapted)
    return least_size<Rules, typename adapt<T>::stored_type>;
  else if constexpr (kind == Kind::duration || kind == Kind::time_point)
    return least_size<Rules, typename T::rep>;
  else
    return kind == Kind::unit || kind == Kind::none ? 0 : 1;
}

/// The same for an element. One that would take nothing takes a byte, or a short input could ask
/// for any number of them.
template <class Rules, class... Ts>
inline constexpr std::size_t least_element =
    (std::max)(std::size_t{1}, (std::size_t{0} + ... + least_size<Rules, Ts>));
template <class Rules, class... Ts>
inline constexpr bool is_padded = (std::size_t{0} + ... + least_size<Rules, Ts>) == 0;

}  // namespace persist::inline PERSIST_ABI::codec::packed
