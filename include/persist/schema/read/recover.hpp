#pragma once

#include <persist/detail/caught.hpp>
#include <persist/error.hpp>
#include <persist/schema/place.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/reconcile.hpp>
#include <persist/schema/refuse.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value/reader.hpp>
#include <persist/schema/value/walk.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

// Members that what is stored does not fit, where a policy says what becomes of them.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Rules, class Reader>
class Reading;

/// What a policy answers, and what is asked about.
template <class Walk, class M>
[[nodiscard]] bool act_on(Walk& walk, const OnMismatch& answer, M& into, const Place& at, Kept item,
                          Error& error) {
  if (answer.kind() == OnMismatch::Kind::keep_default)
    return walk.replace(into, at, {}, std::move(item), true);
  if (answer.kind() == OnMismatch::Kind::convert) {
    ValueReader in(answer.value());
    Reading<typename Walk::rules, ValueReader> inner(in, walk.unknown());
    if (inner.value(into, at) && in.ok()) return true;
    error = in.take_error();
  }
  walk.settle();
  return walk.fail(std::move(error));
}

/// Asks about a member that could not be read; the reader stands before it again.
template <class Walk, class M>
[[nodiscard]] bool ask(Walk& walk, M& into, const Place& at, Error error) {
  Kept item;
  if (!read_kept(walk.in(), item)) return false;
  Value value = item.value;
  if (item.decode != nullptr && !item.decode(item.raw, value)) return walk.fail(std::move(error));
  const std::string member = at.path();
  const auto answer = persist::detail::caught("the hook mismatch", [&] {
    return Walk::rules::mismatch_handler::mismatch(
        Mismatch{member, error.path(), error.expected(), error.found(), value});
  });
  if (answer) return act_on(walk, *answer, into, at, std::move(item), error);
  walk.settle();
  return walk.fail(answer.error());
}

template <class Walk, class T, std::size_t I, class M>
[[nodiscard]] bool recover_member(Walk& walk, void* member, const Place& at) {
  M& into = *static_cast<M*>(member);
  // Not what T's own default says: what the struct is in may say otherwise, or a load's template.
  M before = into;
  const auto start = walk.in().mark();
  if (walk.value(into, at)) return true;
  if (walk.in().ok()) return false;
  Error error = walk.in().take_error();
  walk.in().rewind(start);
  if (walk.is_settled() || error != Errc::schema_mismatch) return walk.fail(std::move(error));
  into = std::move(before);
  at.forget(walk.unknown());
  return ask(walk, into, at, std::move(error));
}

template <class Walk>
using RecoverMember = bool (*)(Walk&, void*, const Place&);
template <class Walk, class T, std::size_t I, class M>
consteval RecoverMember<Walk> member_recoverer() {
  if constexpr (!Plan<typename Walk::rules, T>::is_stored[I])
    return nullptr;
  else if constexpr (check_member<T, I, M>())
    return &recover_member<Walk, T, I, M>;
}
template <class Walk, class T, class... Ms>
consteval auto member_recoverers(Types<Ms...>) {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<RecoverMember<Walk>, sizeof...(Ms)>{member_recoverer<Walk, T, I, Ms>()...};
  }(std::index_sequence_for<Ms...>{});
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
