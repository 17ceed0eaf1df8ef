#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/place.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/reconcile.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <variant>

// What becomes of a member or element that the record does not have, where it does not simply keep
// its default.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Rules>
inline constexpr bool fills_all = std::is_same_v<typename Rules::reconcile, reconcile::Deep>;

template <class Rules, class T>
void blank(T& into);

template <class Rules, class T>
void blank_struct(T& into) {
  using P = Plan<Rules, T>;
  Describe<T>::apply(into, [](auto&... member) {
    std::size_t at = 0;
    (
        [&] {
          if constexpr (kind_of<std::remove_cvref_t<decltype(member)>> != Kind::none)
            if (P::is_stored[at]) blank<Rules>(member);
          ++at;
        }(),
        ...);
  });
}
/// Makes it what its type is without a default.
template <class Rules, class T>
void blank(T& into) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    blank_struct<Rules>(into);
  } else if constexpr (kind == Kind::array) {
    for (auto& element : into)
      blank<Rules>(element);
  } else if constexpr (kind == Kind::tuple) {
    std::apply([](auto&... element) { (blank<Rules>(element), ...); }, into);
  } else {
    into = T{};
    if constexpr (kind == Kind::variant) blank<Rules>(*std::get_if<0>(&into));
  }
}

/// Says what is to become of a T that is missing at a place in something at `above`. False if the
/// record is refused for it.
template <class Walk, class T>
[[nodiscard]] bool is_missing(Walk& walk, T& into, const Place& above, const Place& at) {
  using Mode = typename Walk::rules::reconcile;
  if constexpr (std::is_same_v<Mode, reconcile::None>)
    return blank<typename Walk::rules>(into), true;
  else if constexpr (std::is_same_v<Mode, reconcile::Shallow>)
    return above.up == nullptr || walk.mismatch(at, "a value", "nothing");
  else if constexpr (std::is_same_v<Mode, reconcile::Strict>)
    return walk.mismatch(at, "a value", "nothing");
  else
    return true;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
