#pragma once

#include <persist/access/confined.hpp>
#include <persist/lock/conflict.hpp>
#include <persist/record/requests.hpp>

#include <concepts>

// The LockPolicy axis: who may write, among servers and among threads, and what happens when
// somebody else holds the record. A policy is an empty type that says four things; the fence is not
// among them, because no policy may switch it off.
//
//   kind          what the store's header says; another kind cannot open the store
//   is_leased     whether an acquisition shuts others out until its lease ends
//   conflict      what a load does about a holder, unless it says so itself (only where leased)
//   has_sessions  optional: false where records are only changed by calls (lock::Optimistic)
//   decide        optional: what a load does, each time it finds a holder (conflict::Ask)
//   timing        optional: what a store's options are where the game says nothing (lock::presets)
//   access        optional: access::Confined (default) or access::Synchronised
//
// Models: lock::Lease<Conflict>, lock::None, lock::Optimistic, lock::presets, and each in
// access::Shared<…>.

namespace persist::inline PERSIST_ABI {

template <class L>
concept names_its_kind = requires {
  { L::kind } -> std::convertible_to<LockKind>;
};
template <class L>
concept says_whether_leased = requires {
  { L::is_leased } -> std::convertible_to<bool>;
};
template <class L>
concept settles_conflicts = requires {
  { L::conflict } -> std::convertible_to<Conflict>;
};
template <class L>
concept decides_conflicts = requires(const Obstacle& in_the_way) {
  { L::decide(in_the_way) } -> std::same_as<Decision>;
};
template <class L>
concept lock_policy = names_its_kind<L> && says_whether_leased<L> && settles_conflicts<L>;

/// Whether a store with that lock policy has sessions.
template <class L>
inline constexpr bool has_sessions = true;
template <class L>
  requires requires { L::has_sessions; }
inline constexpr bool has_sessions<L> = L::has_sessions;

namespace detail {
template <class L>
struct AccessOf {
  using type = access::Confined;
};
template <class L>
  requires requires { typename L::access; }
struct AccessOf<L> {
  using type = typename L::access;
};
}  // namespace detail

/// Which threads may use a store with that lock policy.
template <class L>
using access_of = typename detail::AccessOf<L>::type;

}  // namespace persist::inline PERSIST_ABI
