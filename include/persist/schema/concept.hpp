#pragma once

#include <persist/schema/kind.hpp>

#include <concepts>
#include <type_traits>

// The Data axis. A Data policy is what a record holds: either the type itself, if it can be stored,
// or a struct that names it as `data_type` and adds hooks.
//
// * `typename D::data_type`: the value. It marks D as a policy; containers have a `value_type` too.
//
// Optional, and never overloaded:
// * `D::defaults(key) -> data_type`: the value of a record that does not exist yet.
// * `D::capture(key) -> data_type`: pulls the value from the game, at every save.
// * `D::apply(key, const data_type&)`, with `capture`: pushes what a message, purchase, transaction
//   or edit changed into the game. Not called at a load: who takes the session puts its data into
//   the game, before the next save captures what is there.
// * `D::validate(const data_type&) -> Result<void>`: after every load and before every save; pure.
// * `D::schema_version`: 1 unless given, or the number of the migrations' versions.
// * `D::migrations`: how older versions become this one: migrations.hpp.
// * `D::mismatch(const Mismatch&) -> OnMismatch`: what becomes of what does not fit: reconcile.hpp.
// * `D::import_legacy(ByteView) -> Result<data_type>`: the data of bytes that are no record of
// ours.
// * `D::fields`, `D::reconcile`, `D::message`, `D::keep_durable`, `D::drop_unknown`: policy.hpp.
//
// Models: any storable type; policy structs.

namespace persist::inline PERSIST_ABI {

/// A struct that says what is stored, as against the thing itself.
template <class D>
concept names_its_data = requires { typename D::data_type; };

namespace schema::detail {
template <class D>
struct DataTypeOf {
  using type = D;
};
template <names_its_data D>
struct DataTypeOf<D> {
  using type = typename D::data_type;
};
}  // namespace schema::detail

/// The value a Data policy stores.
template <class D>
using data_type_of = typename schema::detail::DataTypeOf<D>::type;

/// A value that can be stored, as far as its outside tells.
template <class T>
concept storable_data = schema::storable<T> && std::default_initializable<T> && std::copyable<T>;

template <class D>
concept data_policy = storable_data<data_type_of<D>>;

}  // namespace persist::inline PERSIST_ABI
