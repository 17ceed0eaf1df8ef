#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/read/base.hpp>
#include <persist/schema/read/missing.hpp>
#include <persist/schema/read/recover.hpp>
#include <persist/schema/refuse.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

// Reading structs. Each struct has a table of functions, one for each member, indexed like its
// names: a key is found, then its function is called with the member's address. Functions are
// shared by all members of one type, which keeps the compiler's work and the code in proportion to
// types and not to fields.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Walk>
using ReadMember = bool (*)(Walk&, void*, const Place&);

template <class Walk, class M>
[[nodiscard]] bool read_member(Walk& walk, void* member, const Place& at) {
  return walk.value(*static_cast<M*>(member), at);
}
template <class Walk, class T, std::size_t I, class M>
consteval ReadMember<Walk> member_reader() {
  if constexpr (!Plan<typename Walk::rules, T>::is_stored[I])
    return nullptr;
  else if constexpr (check_member<T, I, M>())
    return &read_member<Walk, M>;
}
template <class Walk, class T, class... Ms>
consteval auto member_readers(Types<Ms...>) {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<ReadMember<Walk>, sizeof...(Ms)>{member_reader<Walk, T, I, Ms>()...};
  }(std::index_sequence_for<Ms...>{});
}

/// Handles the members that the record did not have, where they do not simply keep their defaults.
template <class T, class Walk, class Seen>
[[nodiscard]] bool fill_in(Walk& walk, T& into, const Seen& seen, const Place& at) {
  if constexpr (fills_all<typename Walk::rules>) {
    return true;
  } else {
    using P = Plan<typename Walk::rules, T>;
    return Describe<T>::apply(into, [&](auto&... member) {
      std::size_t field = 0;
      const auto one = [&](auto& missing) {
        const std::size_t here = field++;
        if constexpr (kind_of<std::remove_cvref_t<decltype(missing)>> != Kind::none)
          if (P::is_stored[here] && !seen.test(here))
            return is_missing(walk, missing, at, at.inside(P::names[here]));
        return true;
      };
      return (one(member) && ...);
    });
  }
}

/// In which order keys are expected. Only a guess: any order is read.
template <class Reader>
inline constexpr bool keys_come_sorted = [] {
  if constexpr (requires { Reader::sorts_keys; })
    return Reader::sorts_keys;
  else
    return false;
}();

/// Fields in the order in which this build writes them are recognised by one comparison each;
/// others are looked up.
template <class Walk, class T>
[[nodiscard]] bool read_structure(Walk& walk, T& into, const Place& above) {
  using P = Plan<typename Walk::rules, T>;
  static constexpr auto readers = member_readers<Walk, T>(MemberTypes<T>{});
  const auto members = Describe<T>::apply(into, [](auto&... member) {
    static_assert(!(std::is_const_v<std::remove_reference_t<decltype(member)>> || ...),
                  "persist: a member of a stored struct is const, so nothing can be read into it");
    return std::array<void*, sizeof...(member)>{static_cast<void*>(&member)...};
  });
  Place own = above;
  const bool keeps = P::unknown_holder != P::none;
  if constexpr (keeps) {
    own.anchor = &static_cast<Unknown*>(members[P::unknown_holder])->node();
    own.anchor->reset();
  }
  const Place& at = keeps ? own : above;
  bool empty = false;
  if (!walk.begin_map(at, empty)) return false;
  std::bitset<P::count + 1> seen;
  if (empty) return fill_in<T>(walk, into, seen, at);
  constexpr auto& order = keys_come_sorted<typename Walk::reader> ? P::canonical : P::declared;
  std::size_t next = 0;
  Place member = at.inside();
  for (std::string_view key; walk.in().next_key(key);) {
    const bool expected = next < order.size() && P::names[order[next]] == key;
    const std::size_t field = expected ? order[next] : P::find(key);
    if (field == P::none) {
      if (!walk.unknown_field(key, at)) return false;
      continue;
    }
    next = position_in(order, field, next) + 1;
    member.move_to(P::names[field]);
    if (seen.test(field))
      return walk.fail(Error(Errc::corrupt, "a field is there twice").at(member.path(), "", ""));
    seen.set(field);
    if constexpr (Walk::rules::asks) {
      static constexpr auto recoverers = member_recoverers<Walk, T>(MemberTypes<T>{});
      if (!recoverers[field](walk, members[field], member)) return false;
    } else {
      if (!readers[field](walk, members[field], member)) return false;
    }
  }
  return walk.in().ok() && fill_in<T>(walk, into, seen, at);
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
