#pragma once

#include <persist/detail/fixed_string.hpp>
#include <persist/schema/aggregate.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#if PERSIST_HAS_HANA
#include <boost/hana/accessors.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/first.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/unpack.hpp>
#endif

// A struct's members by three ways, one description: a list in the type, Hana's macros, or none at
// all.

namespace persist::inline PERSIST_ABI {

template <auto... Members>
struct FieldList {};
template <auto Member, detail::FixedString Name>
struct NamedField {};

/// `static constexpr auto persist_fields = persist::fields<&T::coins, &T::level>;` in a type
/// describes it, private members and more than 64 included. Names are those of the members.
template <auto... Members>
inline constexpr FieldList<Members...> fields{};
/// A member in such a list that is stored under another name: `persist::field<&T::coins, "gold">`.
template <auto Member, detail::FixedString Name>
inline constexpr NamedField<Member, Name> field{};

namespace schema {
namespace detail {

using persist::detail::FixedString;

template <auto... Pretty>
consteval const char* pretty_pointers() {
  return PERSIST_FUNCTION_NAME;
}
/// The name of the member that a member pointer points to.
template <auto Member>
consteval std::string_view member_name() {
  static_assert(std::is_member_object_pointer_v<decltype(Member)>,
                "persist: a field is named by a pointer to a data member, like &Player::coins");
  return last_identifier(split_pack<1>(pretty_argument(pretty_pointers<Member>()))[0]);
}

template <auto Entry, class = decltype(Entry)>
struct ListedField {
  static constexpr auto pointer = Entry;
  static constexpr std::string_view name = member_name<Entry>();
};
template <auto Entry, auto Member, FixedString Name>
struct ListedField<Entry, const NamedField<Member, Name>> {
  static constexpr auto pointer = Member;
  static constexpr std::string_view name = Name.view();
};
template <auto Entry, auto Member, FixedString Name>
struct ListedField<Entry, NamedField<Member, Name>>
    : ListedField<Entry, const NamedField<Member, Name>> {};

/// The description of a type with a list: member pointers, so private members can be among them.
template <class List>
struct ListMembers;
template <auto... Entries>
struct ListMembers<FieldList<Entries...>> {
  static constexpr std::size_t count = sizeof...(Entries);
  static constexpr std::array<std::string_view, count> names{ListedField<Entries>::name...};

  template <class Object, class F>
  static constexpr decltype(auto) apply(Object& object, F&& use) {
    return use(object.*(ListedField<Entries>::pointer)...);
  }
};

template <class T>
concept lists_fields = requires { T::persist_fields; };

#if PERSIST_HAS_HANA
template <class T>
concept hana_struct = std::is_class_v<T> && boost::hana::Struct<T>::value;

template <class T>
struct HanaMembers {
  static constexpr auto names =
      boost::hana::unpack(boost::hana::accessors<T>(), [](auto... member) {
        return std::array<std::string_view, sizeof...(member)>{std::string_view(
            std::remove_cvref_t<decltype(boost::hana::first(member))>::c_str())...};
      });
  static constexpr std::size_t count = names.size();

  template <class Object, class F>
  static constexpr decltype(auto) apply(Object& object, F&& use) {
    return boost::hana::unpack(boost::hana::accessors<T>(), [&](auto... member) -> decltype(auto) {
      return use(boost::hana::second(member)(object)...);
    });
  }
};
#else
template <class T>
concept hana_struct = false;
template <class T>
struct HanaMembers;
#endif

/// How the fields of T are found: by its own list, by Hana, or as a plain aggregate, in that order.
/// Gives `count`, `names` in order of declaration, and `apply(object, use)`, which calls `use` with
/// a reference to each member.
template <class T>
struct Describe : AggregateMembers<T> {};
template <class T>
  requires lists_fields<T>
struct Describe<T> : ListMembers<std::remove_cv_t<decltype(T::persist_fields)>> {};
template <class T>
  requires(hana_struct<T> && !lists_fields<T>)
struct Describe<T> : HanaMembers<T> {};

template <class... Ts>
struct Types {};
template <class T>
using MemberTypes = decltype(Describe<T>::apply(std::declval<T&>(), [](auto&... member) {
  return Types<std::remove_cvref_t<decltype(member)>...>{};
}));

}  // namespace detail

/// The type says itself what its fields are, whatever else it may look like.
template <class T>
concept described = detail::lists_fields<T> || detail::hana_struct<T>;

/// How many fields a struct has, those included that a policy does not store.
template <class T>
inline constexpr std::size_t field_count = detail::Describe<std::remove_cv_t<T>>::count;

/// The name of a field as it is declared, or as persist_fields gives it; a policy may store it
/// under another.
template <class T, std::size_t I>
[[nodiscard]] constexpr std::string_view field_name() noexcept {
  return detail::Describe<std::remove_cv_t<T>>::names[I];
}

/// Calls `use(name, member)` for each field, in the order of declaration.
template <class T, class F>
constexpr void for_each_field(T& object, F&& use) {
  using Description = detail::Describe<std::remove_cv_t<T>>;
  Description::apply(object, [&](auto&... member) {
    [[maybe_unused]] std::size_t index = 0;
    (use(Description::names[index++], member), ...);
  });
}

}  // namespace schema

using schema::for_each_field;

}  // namespace persist::inline PERSIST_ABI
