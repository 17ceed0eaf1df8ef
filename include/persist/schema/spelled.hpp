#pragma once

#include <persist/detail/config.hpp>

#include <string_view>

// Names of fields in the form of a format that can make it before the program runs, so that it only
// copies and compares them.

namespace persist::inline PERSIST_ABI::schema::detail {

/// The names of a struct's fields as the format spells them, where it can before it runs.
template <class Format, class P>
[[nodiscard]] constexpr const auto& spelled_names() noexcept {
  if constexpr (requires { Format::template spelled<P::names>(); })
    return Format::template spelled<P::names>();
  else
    return P::names;
}

/// Such a name as it is.
template <class Name>
[[nodiscard]] constexpr std::string_view text_of_name(const Name& name) noexcept {
  if constexpr (requires { name.plain; })
    return name.plain;
  else
    return name;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
