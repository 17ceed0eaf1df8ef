#pragma once

#include <persist/detail/fixed_string.hpp>
#include <persist/schema/plan.hpp>

#include <cstddef>

namespace persist::inline PERSIST_ABI::schema::detail {

/// Stops the compiler at a member that cannot be stored, with its struct and its name in the
/// message.
template <class Struct, auto MemberName, class Member>
struct CheckMember {
  static_assert(
      storable<Member>,
      "persist: a member cannot be stored; MemberName and Member, above, say which. Make it a "
      "storable type, specialise persist::adapt for it, or mark it persist::Transient");
};

/// The name of a member as a template argument. Some compilers print a text there as numbers, but
/// all print an address by its name: so a plain aggregate's member is named by its address.
template <class T, std::size_t I>
consteval auto printable_name() {
  if constexpr (described<T>) {
    constexpr std::string_view name = Describe<T>::names[I];
    char text[name.size() + 1]{};
    for (std::size_t at = 0; at < name.size(); ++at)
      text[at] = name[at];
    return persist::detail::FixedString<name.size() + 1>(text);
  } else {
    return member_addresses<T, Describe<T>::count>()[I];
  }
}

/// Costs nothing for members that can be stored: only for others a name is made.
template <class T, std::size_t I, class Member>
consteval bool check_member() {
  if constexpr (!storable<Member>)
    return sizeof(CheckMember<T, printable_name<T, I>(), Member>) != 0;
  return true;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
