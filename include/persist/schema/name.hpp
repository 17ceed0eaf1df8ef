#pragma once

#include <persist/schema/pretty.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

namespace persist::inline PERSIST_ABI {

/// Gives a type that is not yours a name in what is stored: specialise it with a `value`.
template <class T>
struct name_of {};

namespace schema {
namespace detail {

template <class Pretty>
consteval const char* pretty_type() {
  return PERSIST_FUNCTION_NAME;
}

/// What follows the last `::` that is outside of all brackets.
[[nodiscard]] constexpr std::string_view unqualified(std::string_view name) noexcept {
  int depth = 0;
  for (std::size_t at = name.size(); at > 1; --at) {
    depth -= nesting(name[at - 1]);
    if (depth == 0 && name[at - 1] == ':') return name.substr(at);
  }
  return name;
}

/// Numbers are named by what they hold, as `long` is not the same everywhere.
template <class T>
[[nodiscard]] constexpr std::string_view number_name() noexcept {
  if constexpr (std::same_as<T, bool>)
    return "bool";
  else if constexpr (std::same_as<T, float>)
    return "float";
  else if constexpr (std::same_as<T, double>)
    return "double";
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? "int8" : "uint8";
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? "int16" : "uint16";
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? "int32" : "uint32";
  else
    return std::is_signed_v<T> ? "int64" : "uint64";
}

template <class T>
concept names_itself = requires {
  { T::persist_name } -> std::convertible_to<std::string_view>;
};
template <class T>
concept is_named = requires {
  { name_of<T>::value } -> std::convertible_to<std::string_view>;
};

/// A name that was given counts before one that was found. Names are stored, so a type that is
/// renamed or moved into a template needs the old one as its persist_name.
template <class T>
consteval std::string_view find_type_name() {
  if constexpr (is_named<T>) {
    return name_of<T>::value;
  } else if constexpr (names_itself<T>) {
    return T::persist_name;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return number_name<T>();
  } else if constexpr (std::same_as<T, std::string>) {
    return "string";
  } else {
    constexpr std::string_view name = unqualified(pretty_argument(pretty_type<T>()));
    static_assert(
        name.back() != '>',
        "persist: compilers spell the names of templates differently: give this type a static "
        "persist_name, or specialise persist::name_of");
    return name;
  }
}

}  // namespace detail

/// The name a type has in variants and messages: its `persist_name`, or its name without
/// namespaces. The same from every compiler, as it is stored.
template <class T>
inline constexpr std::string_view type_name = detail::find_type_name<T>();

}  // namespace schema
}  // namespace persist::inline PERSIST_ABI
