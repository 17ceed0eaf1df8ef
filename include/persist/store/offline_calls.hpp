#pragma once

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
  if (Result<void> done = changes(node, *session); !done)
    saved = done.error();
  else
    saved = core_.commit_now(node, Aim::release, Reason::asked);
  // What the caller is told has failed must not happen later: the record goes back as it was.
  if (!saved && !ended(node.state) && !saved.is(Errc::unknown_outcome)) core_.give_back(node);
  return saved;
}

template <class S>
template <class K, class F>
Result<Saved> StoreCalls<S>::change_until_done(const K& key, const LoadOptionsFor<Data>& options,
                                               F&& changes) {
  constexpr int most_tries = has_sessions<typename S::LockPolicy> ? 1 : 16;
  for (int tries = 1;; ++tries) {
    bool was_refused = false;
    auto saved = change_offline(key, options, [&](Node& node, Handle& session) -> Result<void> {
      Result<void> done = changes(node, session);
      was_refused = !done;
      return done;
    });
    const bool was_late = (saved.is(Errc::fenced) || saved.is(Errc::busy)) && !was_refused;
    if (!was_late || most_tries == 1) return saved;
    if (tries == most_tries)
      return Error(Errc::busy, "the record changed under this call " + std::to_string(tries) +
                                   " times: too many write it at once, try again")
          .for_key(saved.error().key());
    core_.wait_a_moment(tries);
  }
}

template <class S>
template <class K, class F>
auto StoreCalls<S>::update(const K& key, F& fn, UpdateOptions options) ->
    typename detail::UpdateResult<std::invoke_result_t<F&, Data&>>::type {
  using R = std::invoke_result_t<F&, Data&>;
  using Answer = typename detail::UpdateResult<R>::type;
  Answer answer;
  const auto run = [&](Data& copy) -> Result<void> {
    if constexpr (std::is_void_v<R>) {
      fn(copy);
      answer = success;
      return success;
    } else {
      answer = fn(copy);
      return answer ? Result<void>(success) : Result<void>(answer.error());
    }
  };
  if (auto here = find(key)) {
    const std::unique_lock<typename Node::SessionLock> writing(here->node().guard_lock());
    auto done = here->node().on_copy(run);
    return done ? std::move(answer) : Answer(done.error());
  }
  const auto change = [&](Node& node, Handle&) -> Result<void> {
    if (node.is_new && !options.create)
      return Error(Errc::not_found, "there is no record").for_key(node.key());
    return node.on_copy(run);
  };
  auto saved = change_until_done(key, {Conflict::refuse}, change);
  return saved ? std::move(answer) : Answer(saved.error());
}

template <class S>
template <class K>
Result<Overwritten> StoreCalls<S>::overwrite(const K& key, Data data) {
  {
    // Before anybody loses the record to it.
    const detail::HookScope hook;
    const Result<void> valid =
        detail::caught("the hook validate", [&] { return S::Policy::validate(data); });
    if (!valid) return valid.error();
  }
  Overwritten answer;
  const auto replace = [&](Node& node) -> Result<void> {
    answer.dropped_unknown = !node.unknown().empty();
    UnknownFields kept = std::exchange(node.unknown(), UnknownFields());
    auto done = node.on_copy([&](Data& copy) -> Result<void> {
      copy = std::move(data);
      return success;
    });
    if (done)
      node.forget_version();
    else
      node.unknown() = std::move(kept);
    return done;
  };
  Result<Saved> saved;
  if (auto here = find(key)) {
    {
      const std::unique_lock<typename Node::SessionLock> writing(here->node().guard_lock());
      if (auto done = replace(here->node()); !done) return done.error();
    }
    saved = core_.commit_now(here->node(), Aim::force, Reason::asked);
  } else {
    KeyBuffer spelled;
    if (auto fits = spell(key, spelled); !fits) return fits.error();
    // Nobody loses the record to a call that is refused in the end.
    if (auto record = core_.read(spelled.view())) {
      if (auto readable = core_.decode(spelled.view(), *record); !readable) return readable.error();
    }
    LoadOptionsFor<Data> options;
    options.conflict = Conflict::steal;
    options.default_value = data;  // a record that does not exist yet begins as what it becomes
    saved = change_until_done(key, options, [&](Node& node, Handle&) { return replace(node); });
  }
  if (!saved) return saved.error();
  answer.version = saved->version;
  return answer;
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
Result<Grant> StoreCalls<S>::grant_once(const K& key, ReceiptId receipt, F& fn) {
  if (auto here = find(key)) {
    Result<Grant> granted = here->grant_once(receipt, fn);
    if (!granted || *granted != Grant::pending) return granted;
    auto saved = core_.commit_now(here->node(), Aim::save, Reason::asked);
    if (!saved && ended(here->state())) return saved.error();
    return saved ? Grant::durable : Grant::pending;
  }
  Result<Grant> granted;
  auto saved =
      change_until_done(key, {Conflict::refuse}, [&](Node&, Handle& session) -> Result<void> {
        granted = session.grant_once(receipt, fn);
        return granted ? Result<void>(success) : Result<void>(granted.error());
      });
  if (!saved) return saved.error();
  return *granted == Grant::pending ? Result<Grant>(Grant::durable) : granted;
}

}  // namespace persist::inline PERSIST_ABI
