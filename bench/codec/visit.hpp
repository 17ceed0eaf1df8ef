#pragma once

#include <persist/schema/fields.hpp>

#include <codec/forms.hpp>

#include <concepts>

// The members of the profiles, for rivals that want them listed. Writing the lists by hand would
// measure the same.

namespace bench {

template <class T>
concept visited = std::same_as<T, Small> || std::same_as<T, Medium> || std::same_as<T, Item> ||
                  std::same_as<T, Quest> || std::same_as<T, Settings>;

template <class T, class F>
decltype(auto) visit(T& it, F&& use) {
  return persist::schema::detail::Describe<std::remove_const_t<T>>::apply(it, use);
}
template <class T>
constexpr auto& names_of() {
  return persist::schema::detail::Describe<T>::names;
}

}  // namespace bench
