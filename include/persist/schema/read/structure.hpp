#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/read/base.hpp>
#include <persist/schema/read/missing.hpp>
#include <persist/schema/read/recover.hpp>
#include <persist/schema/refuse.hpp>
#include <persist/schema/spelled.hpp>

#include <algorithm>
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

/// Whether the member was there, under any of its names.
template <class P, class Seen>
[[nodiscard]] bool was_seen(const Seen& seen, std::size_t member) noexcept {
  bool found = seen.test(member);
  for (std::size_t slot = P::count; slot != P::slots; ++slot)
    found = found || (P::member_of(slot) == member && seen.test(slot));
  return found;
}
/// Says what is to be done with a member that comes under one of several names: 0 to pass it over,
/// 1 to read it, 2 to read it in the place of what was read before. An old name that is still
/// written counts more than the member's own, and one that is only read counts less.
template <class P, class Seen>
[[nodiscard]] int weigh(const Seen& seen, std::size_t slot) noexcept {
  const auto weight = [](std::size_t of) { return of < P::count ? 2 : P::is_written(of) ? 3 : 1; };
  int most = 0;
  for (std::size_t other = 0; other != P::slots; ++other)
    if (P::member_of(other) == P::member_of(slot) && seen.test(other))
      most = (std::max)(most, weight(other));
  return most == 0 ? 1 : weight(slot) > most ? 2 : 0;
}
/// Gives a member its default again.
template <class T>
void renew(T& into, std::size_t member) {
  T fresh{};
  Describe<T>::apply(into, [&](auto&... to) {
    Describe<T>::apply(fresh, [&](auto&... from) {
      std::size_t at = 0;
      const auto one = [&](auto& old, auto& made) {
        if constexpr (std::is_move_assignable_v<std::remove_cvref_t<decltype(old)>>)
          if (at == member) old = std::move(made);
        ++at;
      };
      (one(to, from), ...);
    });
  });
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
          if (P::is_stored[here] && !was_seen<P>(seen, here))
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

/// The slot of the next field, or `P::none` with its name where this build has no such field. False
/// at the end of the struct, or after a failure.
///
/// Fields in the order in which this build writes them are recognised by one comparison each;
/// others are looked up. `next` is where the next one of that order is expected.
template <class P, class Reader>
[[nodiscard]] bool next_field(Reader& in, std::size_t& next, std::size_t& slot,
                              std::string_view& key) {
  constexpr auto& order = keys_come_sorted<Reader> ? P::canonical : P::declared;
  constexpr auto& names = spelled_names<Reader, P>();
  if constexpr (requires { in.next_key_is(names[0]); }) {
    if (next < order.size() && in.next_key_is(names[order[next]])) [[likely]]
      return slot = order[next++], true;
  }
  if (!in.next_key(key)) return false;
  if (next < order.size() && P::names[order[next]] == key) return slot = order[next++], true;
  slot = P::find(key);
  if (slot != P::none) next = position_in(order, slot, next) + 1;
  return true;
}

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
  std::bitset<P::slots + 1> seen;
  if (empty) return fill_in<T>(walk, into, seen, at);
  std::size_t next = 0;
  std::size_t slot = 0;
  Place member = at.inside();
  for (std::string_view key; next_field<P>(walk.in(), next, slot, key);) {
    if (slot == P::none) {
      if (!walk.unknown_field(key, at)) return false;
      continue;
    }
    const std::size_t field = P::member_of(slot);
    member.move_to(P::names[field]);
    if (seen.test(slot))
      return walk.fail(Error(Errc::corrupt, "a field is there twice").at(member.path(), "", ""));
    if constexpr (P::other_names != 0) {
      const int what = weigh<P>(seen, slot);
      seen.set(slot);
      if (what == 0) {
        Kept passed_over;
        if (!read_kept(walk.in(), passed_over)) return false;
        continue;
      }
      if (what == 2) {
        renew(into, field);
        member.forget(walk.unknown());
      }
    } else {
      seen.set(slot);
    }
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
