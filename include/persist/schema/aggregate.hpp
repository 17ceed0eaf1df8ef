#pragma once

#include <persist/schema/aggregate/bind.hpp>
#include <persist/schema/pretty.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <type_traits>
#include <utility>

// Members of a plain aggregate, with their names, without a macro: how many there are is found by
// asking with how many initialisers the type can be made, the names are read from the addresses of
// the members of an object that does not exist. Both are paid for once per type.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Converts to whatever a member is; only ever asked about, never called. `const`, so that a
/// constructor that takes anything wins over the conversion instead of being ambiguous; defined,
/// because clang looks into the constexpr constructors of members and misses it otherwise.
struct Anything {
  template <class U>
  operator U() const {  // NOLINT: a conversion is what it is for
    std::abort();
  }
};
template <std::size_t>
using AnythingAt = Anything;

/// Converts to the bases of T only.
template <class T>
struct AnyBaseOf {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::same_as<U, T>)
  operator U() const;  // NOLINT
};
template <class T>
concept has_a_base = requires { T{AnyBaseOf<T>{}}; };

// Aggregate initialisation takes any number of initialisers up to the number of members. With
// `Anything` for each, the greatest number that compiles is the number of members, but for C
// arrays: braces around their elements may be left out, so each element counts.
template <class T, std::size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return requires { T{AnythingAt<I>{}...}; };
}
/// The greatest number of initialisers in [Low, High] that T takes; T is known to take Low.
template <class T, std::size_t Low, std::size_t High>
consteval std::size_t count_initialisers() {
  if constexpr (Low == High) {
    return Low;
  } else {
    constexpr std::size_t middle = (Low + High + 1) / 2;
    if constexpr (takes<T>(std::make_index_sequence<middle>{})) {
      return count_initialisers<T, middle, High>();
    } else {
      return count_initialisers<T, Low, middle - 1>();
    }
  }
}

/// Whether `{}` can stand for the member after Before; for an array it stands for all elements, and
/// the initialisers that were counted for them are too many.
template <class T, std::size_t... Before, std::size_t... After>
consteval bool one_is_whole(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{AnythingAt<Before>{}..., {}, AnythingAt<After>{}...}; };
}
template <class T, std::size_t... Before, std::size_t... After>
consteval bool eight_are_whole(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires {
    T{AnythingAt<Before>{}..., {}, {}, {}, {}, {}, {}, {}, {}, AnythingAt<After>{}...};
  };
}
/// Whether each initialiser stands for one member. Asked in groups of eight, as each question
/// costs.
template <class T, std::size_t N>
consteval bool members_are_whole() {
  if constexpr (N < 8) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (
          one_is_whole<T>(std::make_index_sequence<I>{}, std::make_index_sequence<N - 1 - I>{}) &&
          ...);
    }(std::make_index_sequence<N>{});
  } else {
    return []<std::size_t... G>(std::index_sequence<G...>) {
      constexpr auto begin = [](std::size_t group) {
        return group * 8 < N - 8 ? group * 8 : N - 8;
      };
      return (eight_are_whole<T>(std::make_index_sequence<begin(G)>{},
                                 std::make_index_sequence<N - 8 - begin(G)>{}) &&
              ...);
    }(std::make_index_sequence<(N + 7) / 8>{});
  }
}

/// The number of members; anything that would be counted wrong stops the compiler in words.
template <class T>
consteval std::size_t count_members() {
  static_assert(
      requires { T{}; }, "persist: a stored type must be default constructible");
  static_assert(
      !has_a_base<T>,
      "persist: an aggregate with a base class cannot be taken apart: make the base a member, or "
      "list its members in persist_fields");
  constexpr std::size_t count = count_initialisers<T, 0, most_members + 1>();
  static_assert(
      count <= most_members,
      "persist: an aggregate of more than 64 members needs a persist_fields list (a C array counts "
      "as its elements)");
  static_assert(
      count > most_members || members_are_whole<T, count>(),
      "persist: a C array cannot be a member of a stored aggregate, use std::array; nor can a type "
      "that has no default");
  static_assert(
      count > most_members ||
          !one_is_whole<T>(std::make_index_sequence<count>{}, std::make_index_sequence<0>{}),
      "persist: a member of this aggregate cannot be counted, as its type converts from anything: "
      "list the members in persist_fields");
  return count;
}

// clang warns that the object is not defined, which is the point of it.
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif

template <class T>
struct Nowhere {
  T value;
  static const Nowhere object;  // never defined
};

/// Where a member lies, in a form that may be a template argument: a bare pointer to it may not.
struct Address {
  const void* at;
};
template <Address... Pretty>
consteval const char* pretty_addresses() {
  return PERSIST_FUNCTION_NAME;
}

/// Addresses of members are constants even of an object that is only declared. All in one array,
/// and not a function for each member: then a compiler's work grows with the number of members, not
/// its square.
template <class T, std::size_t N>
consteval std::array<Address, N> member_addresses() {
  return bind(Count<N>{}, Nowhere<T>::object.value,
              [](const auto&... member) { return std::array<Address, N>{Address{&member}...}; });
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

template <class T, std::size_t N>
consteval std::array<std::string_view, N> member_names() {
  // The addresses must stay inside this function: an object that holds them would need the one they
  // point to.
  constexpr std::array<Address, N> at = member_addresses<T, N>();
  auto names = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return split_pack<N>(pretty_argument(pretty_addresses<at[I]...>()));
  }(std::make_index_sequence<N>{});
  for (std::string_view& name : names)
    name = last_identifier(name);
  return names;
}

/// The description of a plain aggregate.
template <class T>
struct AggregateMembers {
  static constexpr std::size_t count = count_members<T>();
  static constexpr std::array<std::string_view, count> names = member_names<T, count>();

  template <class Object, class F>
  static constexpr decltype(auto) apply(Object& object, F&& use) {
    return bind(Count<count>{}, object, use);
  }
};

}  // namespace persist::inline PERSIST_ABI::schema::detail
