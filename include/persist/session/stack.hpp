#pragma once

#include <persist/backend/leased.hpp>
#include <persist/codec/record.hpp>
#include <persist/detail/hook.hpp>
#include <persist/key/policy.hpp>
#include <persist/lock/concept.hpp>
#include <persist/schema/policy.hpp>

#include <optional>
#include <type_traits>

namespace persist::inline PERSIST_ABI {

template <class Stack>
class Session;

namespace detail {
template <class T>
struct RecordOf {
  using type = T;
  static constexpr bool may_be_empty = false;
};
template <class T>
struct RecordOf<std::optional<T>> {
  using type = T;
  static constexpr bool may_be_empty = true;
};
struct NoHooks {};

/// What a store talks to: its backend, or that with the one that holds its leases.
template <class B, class L>
struct BackendFor {
  using type = B;
};
template <class B, class L>
  requires requires { typename L::leases; }
struct BackendFor<B, L> {
  using type = backend::Leased<B, typename L::leases>;
};
}  // namespace detail

/// Marks that hooks of the policy may run while a record is decoded, where it has any that do.
template <class Policy>
using LoadScope = std::conditional_t<Policy::loads_by_hooks, detail::HookScope, detail::NoHooks>;

/// Checks at compile time that a change of the data would reach the game it is captured from.
template <class Policy>
constexpr void check_changeable() {
  static_assert(
      !Policy::has_capture || Policy::has_apply,
      "this data is captured from the game: change it there, or give its policy an `apply`");
}

/// The five arguments of a store, checked one by one so that the compiler names the one at fault,
/// and what they stand for.
template <class K, class D, class B, class L, class C>
struct Stack {
  static_assert(
      usable_as_key<K>,
      "persist: the Key of a Store is an integer, a string type, or a policy with a value_type "
      "and a spell function");
  static_assert(data_policy<D>,
                "persist: the Data of a Store is a type that can be stored, or a policy with a "
                "data_type; to be stored it can be copied and made from nothing, and is a plain "
                "aggregate, is described with persist_fields, or has a persist::adapt");
  static_assert(record_backend<B>,
                "persist: the Backend of a Store does not do all that a backend must: see "
                "backend/concept.hpp");
  static_assert(lock_policy<L>,
                "persist: the LockPolicy of a Store is lock::Lease<...>, None, Optimistic or "
                "External<...>, or one in access::Shared");
  static_assert(codec_for<C, typename detail::RecordOf<data_type_of<D>>::type, DataPolicy<D>>,
                "persist: the Codec of a Store cannot write and read its Data");
  static_assert(
      holds_schemas<B> || !codec::shares_schemas<C, DataPolicy<D>,
                                                 typename detail::RecordOf<data_type_of<D>>::type>,
      "persist: this Codec keeps schemas beside the records, and the Backend holds none: take "
      "codec::Packed");
  static_assert(queries_indexes<B> || !DataPolicy<D>::has_indexes,
                "persist: this Data policy declares indexes, and the Backend keeps none");

  using Key = key::policy_of<K>;
  using KeyValue = typename Key::value_type;
  using Data = data_type_of<D>;
  using Policy = DataPolicy<D>;
  using Backend = typename detail::BackendFor<B, L>::type;
  using LockPolicy = L;
  using Codec = C;
  using Access = access_of<L>;
  using Handle = Session<Stack>;
};

}  // namespace persist::inline PERSIST_ABI
