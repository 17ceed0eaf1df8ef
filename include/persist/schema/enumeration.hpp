#pragma once

#include <persist/schema/pretty.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

// Names of enumerators without a macro: one function whose template arguments are all values in
// question, so that its own name lists those that have a name. One instantiation for each enum.

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

/// Enumerators are looked for among these values; those outside are stored as numbers.
inline constexpr int first_enumerator = -16;
inline constexpr std::size_t enumerators = 144;

/// Whether every value of the underlying type is a value of the enum. For others a compiler may
/// refuse the question which value has a name.
template <class E>
concept fixed_enum = std::is_enum_v<E> && requires { E{0}; };

template <auto... Pretty>
consteval const char* pretty_values() {
  return PERSIST_FUNCTION_NAME;
}

template <class E>
struct Enumerators {
  static constexpr int first = std::is_signed_v<std::underlying_type_t<E>> ? first_enumerator : 0;
  static constexpr std::size_t count =
      enumerators - static_cast<std::size_t>(first - first_enumerator);

  /// The name of the value `first + index`, empty where there is none: then the text is a cast,
  /// `(Colour)7`.
  static constexpr std::array<std::string_view, count> names = [] {
    auto texts = []<std::size_t... I>(std::index_sequence<I...>) {
      return split_pack<count>(
          pretty_argument(pretty_values<static_cast<E>(first + static_cast<int>(I))...>()));
    }(std::make_index_sequence<count>{});
    for (std::string_view& text : texts) {
      const std::size_t cast = text.rfind(')');
      const bool named = cast == std::string_view::npos || text.substr(cast + 1).starts_with("::");
      text = named ? last_identifier(text) : std::string_view();
    }
    return texts;
  }();
};

}  // namespace detail

/// The name of an enumerator; empty where the value has none, or lies outside -16 to 127.
template <class E>
  requires std::is_enum_v<E>
[[nodiscard]] constexpr std::string_view enum_name(E value) noexcept {
  if constexpr (detail::fixed_enum<E>) {
    using Names = detail::Enumerators<E>;
    const auto number = static_cast<std::underlying_type_t<E>>(value);
    if (std::cmp_less(+number, Names::first)) return {};
    const auto index = static_cast<std::size_t>(+number) - static_cast<std::size_t>(Names::first);
    return index < Names::count ? Names::names[index] : std::string_view();
  } else {
    return {};
  }
}

/// The enumerator of that name, if there is one.
template <class E>
  requires std::is_enum_v<E>
[[nodiscard]] constexpr std::optional<E> enum_value(std::string_view name) noexcept {
  if constexpr (detail::fixed_enum<E>) {
    using Names = detail::Enumerators<E>;
    const auto at = std::find(Names::names.begin(), Names::names.end(), name);
    if (!name.empty() && at != Names::names.end())
      return static_cast<E>(Names::first + static_cast<int>(at - Names::names.begin()));
  }
  return std::nullopt;
}

}  // namespace persist::inline PERSIST_ABI::schema
