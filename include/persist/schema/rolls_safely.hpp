#pragma once

#include <persist/schema/concept.hpp>
#include <persist/schema/key_text.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/plan.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <variant>

// Servers are updated one after another, so for a while an old build reads what a new one wrote.
// Here a game finds out while it compiles which of its types would not survive that.

namespace persist::inline PERSIST_ABI {

/// The types of data in which a record of a newer build could not keep what is unknown: elements
/// that can move and that nothing identifies. True if there are none.
struct RollingUpdate {
  std::array<std::string_view, 32> names{};
  std::size_t count = 0;

  [[nodiscard]] constexpr std::span<const std::string_view> refusing() const noexcept {
    return {names.data(), count};
  }
  constexpr explicit operator bool() const noexcept { return count == 0; }
  constexpr void add(std::string_view name) noexcept {
    for (std::size_t i = 0; i < count; ++i)
      if (names[i] == name) return;
    if (count < names.size()) names[count++] = name;
  }
};

namespace schema::detail {

template <class Rules, class T>
constexpr void find_loose(RollingUpdate& found, bool loose, const Describing* outer);

template <class Rules, class... Ts>
constexpr void find_loose_in(RollingUpdate& found, bool loose, const Describing* outer,
                             Types<Ts...>) {
  (find_loose<Rules, Ts>(found, loose, outer), ...);
}

/// `loose` says that what is unknown here could not be kept. A member of type Unknown ends that,
/// for the struct and all below it.
template <class Rules, class T>
constexpr void find_loose_members(RollingUpdate& found, bool loose, const Describing* outer) {
  using P = Plan<Rules, T>;
  if (P::unknown_holder != P::none) loose = false;
  if (loose) found.add(type_name<T>);
  if (depth_of<T>(outer) != 0) return;
  const Describing here{pretty_type<T>(), outer};
  [&]<class... Ms>(Types<Ms...>) {
    std::size_t index = 0;
    (
        [&] {
          if (P::is_stored[index++]) find_loose<Rules, Ms>(found, loose, &here);
        }(),
        ...);
  }(MemberTypes<T>{});
}

template <class Rules, class T>
constexpr void find_loose(RollingUpdate& found, bool loose, const Describing* outer) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    find_loose_members<Rules, T>(found, loose, outer);
  } else if constexpr (kind == Kind::enumeration) {
    if (loose) found.add(type_name<T>);
  } else if constexpr (kind == Kind::sequence || kind == Kind::array) {
    using Element = typename T::value_type;
    find_loose<Rules, Element>(found, loose || !is_identified<Rules, Element>, outer);
  } else if constexpr (kind == Kind::optional) {
    find_loose<Rules, typename T::value_type>(found, loose, outer);
  } else if constexpr (kind == Kind::set) {
    find_loose<Rules, std::remove_const_t<typename T::value_type>>(found, true, outer);
  } else if constexpr (kind == Kind::map) {
    using Key = typename T::key_type;
    find_loose<Rules, Key>(found, loose || !text_key<Key>, outer);
    find_loose<Rules, typename T::mapped_type>(found, loose || !text_key<Key>, outer);
  } else if constexpr (kind == Kind::tuple || kind == Kind::variant) {
    if (loose && kind == Kind::variant) found.add("std::variant");  // for a new alternative
    find_loose_in<Rules>(found, loose, outer, types_of(static_cast<const T*>(nullptr)));
  } else if constexpr (kind == Kind::adapted) {
    find_loose<Rules, typename adapt<T>::stored_type>(found, loose, outer);
  }
}

template <class D>
consteval RollingUpdate check_rolling() {
  RollingUpdate found;
  if (!drops_unknown<D>()) find_loose<RulesOf<D>, data_type_of<D>>(found, false, nullptr);
  return found;
}

}  // namespace schema::detail

/// Whether servers of this build and of a newer one can share records of D, whatever members the
/// newer one adds: `static_assert(persist::rolls_safely<PlayerSave>)`. It lists the types where
/// they could not.
template <class D>
inline constexpr RollingUpdate rolls_safely = schema::detail::check_rolling<D>();

}  // namespace persist::inline PERSIST_ABI
