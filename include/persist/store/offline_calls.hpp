#pragma once

#include <persist/store/changes.hpp>
#include <persist/store/purchase.hpp>
#include <persist/store/store_calls.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

// The calls of a store that change a record without a session.

namespace persist::inline PERSIST_ABI {

template <class S>
template <class K, class F>
Result<Saved> StoreCalls<S>::change_offline(const K& key, LoadOptionsFor<Data> options,
                                            F&& changes) {
  const TimePoint deadline = deadline_of(options, core_.options().load_deadline);
  std::optional<KeyValue> value;
  if constexpr (std::constructible_from<KeyValue, const K&>)
    value.emplace(static_cast<KeyValue>(key));
  else
    static_assert(std::default_initializable<KeyValue>,
                  "this change of a record needs the key itself, because an empty one cannot be "
                  "made of the key's type");
  auto session = finish(
      begin(key, std::move(value), std::move(options), LoadKind::offline, deadline), deadline);
  if (!session) return session.error();
  Node& node = session->node();
  Result<Saved> saved;
  if (Result<void> done = changes(*session); !done)
    saved = done.error();
  else
    saved = core_.commit_now(node, Aim::release, Reason::asked);
  // What the caller is told has failed must not happen later: the record goes back as it was.
  if (!saved && !ended(node.state) && !saved.is(Errc::unknown_outcome)) core_.give_back(node);
  return saved;
}

/// Of the live data where a session is open here, or of a record that it loads for itself.
template <class S>
template <class K, class C>
typename C::Answer StoreCalls<S>::change(const K& key, C& change) {
  [[maybe_unused]] const auto check = [&]() -> Result<void> {
    KeyBuffer spelled;
    if (auto fits = spell(key, spelled); !fits) return fits;
    return change.check(core_, spelled.view());
  };
  if constexpr (C::checks_live)
    if (auto fits = check(); !fits) return fits.error();
  while (auto here = find(key)) {
    const Result<void> done = change.apply(*here, true);
    if (has_gone(*here, done)) continue;
    if (!done) return done.error();
    if (!change.saves()) return change.answer(Saved{}, true);
    Result<Saved> saved =
        core_.commit_now(here->node(), C::forces ? Aim::force : Aim::save, Reason::asked);
    if (!saved && here->node().was_saved) saved = core_.saved_last(here->node());
    return change.answer(saved, !ended(here->state()));
  }
  if constexpr (C::checks && !C::checks_live)
    if (auto fits = check(); !fits) return fits.error();
  const Result<Saved> saved = change_until_done(
      key, change.load_options(), [&](Handle& session) { return change.apply(session, false); });
  return change.answer(saved, false);
}

template <class S>
template <class K, class F>
Result<Saved> StoreCalls<S>::change_until_done(const K& key, const LoadOptionsFor<Data>& options,
                                               F&& changes) {
  for (int tries = 1;; ++tries) {
    bool was_refused = false;
    auto saved = change_offline(key, options, [&](Handle& session) -> Result<void> {
      Result<void> done = changes(session);
      was_refused = !done;
      return done;
    });
    const bool was_late = (saved.is(Errc::fenced) || saved.is(Errc::busy)) && !was_refused;
    if (!was_late || most_tries == 1) return saved;
    if (tries == most_tries) return overtaken(saved.error().key());
    core_.wait_a_moment(tries);
  }
}

template <class S>
template <class K, class F>
auto StoreCalls<S>::update(const K& key, F& fn, UpdateOptions options) ->
    typename detail::UpdateResult<std::invoke_result_t<F&, Data&>>::type {
  detail::UpdateChange<S, F> what(fn, options);
  return change(key, what);
}

template <class S>
template <class K>
Result<Overwritten> StoreCalls<S>::overwrite(const K& key, Data data) {
  detail::OverwriteChange<S> what(std::move(data));
  if (const Result<void> valid = what.valid(); !valid) return valid.error();
  return change(key, what);
}

template <class S>
template <class K>
Result<void> StoreCalls<S>::erase(const K& key, EraseOptions options) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  return core_.erase(spelled.view(), options.drop_outbox);
}

template <class S>
template <class K, class M>
Result<Posted> StoreCalls<S>::post(const K& key, const M& message, PostOptions options) {
  check_message<typename S::Policy, M>();
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  Buffer payload;
  if (auto written = encode_message(message, payload); !written) return written.error();
  if (auto fit = core_.fits_inbox(schema::type_name<M>, payload); !fit)
    return Error(fit.error()).for_key(spelled.view());
  PostRequest request;
  request.store = core_.store();
  request.key = spelled.view();
  request.origin.first_tried = options.first_tried.value_or(core_.backend_time());
  request.message = {schema::type_name<M>, codec::Cbor::id, options.priority,
                     core_.expiry(options.expires), payload};
  request.limits = &core_.limits();
  core_.post(request, options.id);
  if (failed(request.error)) return Error(request.error).for_key(spelled.view());
  return Posted{request.repeated, request.position};
}

template <class S>
template <class K, class F>
Purchase StoreCalls<S>::purchase(const K& key, ReceiptId receipt, F& fn) {
  detail::PurchaseChange<S, F> what(receipt, fn);
  return change(key, what);
}

template <class S>
template <class K, class F>
Result<Grant> StoreCalls<S>::grant_once(const K& key, ReceiptId receipt, F& fn) {
  detail::GrantChange<S, F> what(receipt, fn);
  return change(key, what);
}

}  // namespace persist::inline PERSIST_ABI
