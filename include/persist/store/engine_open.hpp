#pragma once

#include <persist/store/engine.hpp>

#include <algorithm>
#include <iterator>

// The beginning of a store, and its listeners.

namespace persist::inline PERSIST_ABI {

template <class Backend, class LockPolicy>
Engine<Backend, LockPolicy>::Engine(std::string_view name, Backend backend, StoreOptions options)
    : backend_(std::move(backend)),
      name_(name),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock::instance()),
      critical_(options_.critical) {
  for (Duration* time :
       {&options_.autosave, &options_.min_gap, &options_.lease, &options_.renew, &options_.relay})
    *time = (std::min)(*time, longest_pause);
  if (options_.lease > Duration::zero() && options_.renew >= options_.lease - options_.lease / 10)
    options_.renew = options_.lease / 3;  // or each renewal would come when the lease is in doubt
  limits_.record_bytes = options_.record_limit;
  limits_.inbox_messages = options_.inbox_limit.messages;
  limits_.inbox_bytes = options_.inbox_limit.bytes;
  limits_.outbox_messages = options_.outbox_limit;
  if (options_.server_id.size() > ServerId::capacity) {
    opening_error_ = Error(Errc::invalid,
                           "the server id \"" + options_.server_id + "\" is longer than 23 bytes");
    return;
  }
  if (const auto named = check_store_name(name_); !named) {
    opening_error_ = named.error();
    return;
  }
  if (options_.reclaim && options_.server_id.empty()) {
    opening_error_ = Error(Errc::invalid, "reclaim needs a server_id: a random one was never here");
    return;
  }
  if ((options_.history.every > Duration::zero()) != (options_.history.for_ > Duration::zero())) {
    opening_error_ = Error(Errc::invalid,
                           "of StoreOptions::history, .every and .for_ are given together: one "
                           "state of each period, for so long");
    return;
  }
  if (options_.history.is_on()) {
    if (!versioned_backend<Backend>) {
      opening_error_ = keeps_no_history();
      return;
    }
    history_ = &options_.history;
  }
  server_ = backend_.next_owner(ServerId(options_.server_id));
  if (options_.server_id.empty()) {
    server_.server =
        ServerId("server-" + std::to_string(detail::os::random_bits() % 1'000'000'000));
  }
  const OpenStoreRequest opened = open(name_, LockPolicy::kind);
  store_ = opened.store;
  birth_ = opened.birth;
  hear_time(opened.now, now());
  if (failed(opening_error_)) return;
  if constexpr (watched_backend<Backend>) backend_.watch(store_, wakes_);
  if (options_.relay > Duration::zero()) next_relay_ = now() + options_.relay;
  open_spill();
}

template <class Backend, class LockPolicy>
OpenStoreRequest Engine<Backend, LockPolicy>::open(std::string_view name, LockKind lock) {
  OpenStoreRequest request;
  request.name = name;
  request.lock = lock;
  if (failed(opening_error_)) return request;
  backend_.open_store(std::span(&request, 1));
  opening_error_ = request.error;
  return request;
}

template <class Backend, class LockPolicy>
Error Engine<Backend, LockPolicy>::refusal() const {
  if (failed(opening_error_)) return opening_error_;
  if (detail::HookScope::active())
    return Error(Errc::invalid, "a hook of a policy may not call the store");
  if (closing_) return Error(Errc::closed, "the store is closing");
  return Errc{};
}

/// Whoever asked for a save is told what it came to, behind the listeners. Where nothing was tried
/// because somebody edits, he waits for the next.
template <class Backend, class LockPolicy>
void Engine<Backend, LockPolicy>::answer(SessionCore& session, std::vector<SaveAnswer>& asked,
                                         const Result<Saved>& result) {
  if (asked.empty()) return;
  if (result.is(Errc::busy) && !ended(session.state)) {
    std::vector<SaveAnswer>& waiting = session.more().asked;
    waiting.insert(waiting.begin(), std::make_move_iterator(asked.begin()),
                   std::make_move_iterator(asked.end()));
    asked.clear();
    return;
  }
  Event event;
  event.kind = Event::Kind::answer;
  event.call = [all = std::move(asked), result] {
    for (const SaveAnswer& each : all)
      each(result);
  };
  asked.clear();
  tell(session, std::move(event));
}

/// Calls listeners, in the order things happened, until nothing is left to tell. A call from inside
/// a listener only adds to the queue. The lock is free while a listener runs.
template <class Backend, class LockPolicy>
void Engine<Backend, LockPolicy>::drain() {
  Lock hold(mutex_);
  while (!broken_.empty()) {
    const std::shared_ptr<TransactionGroup> group = std::move(broken_.back());
    broken_.pop_back();
    hold.unlock();
    for (const TransactionGroup::Partner& partner : group->partners)
      partner.store->lose(*partner.session, *group);
    hold.lock();
  }
  if (critical_.is_to_count()) critical_.count(now());
  if (draining_ || (events_.empty() && !critical_.has_news())) return;
  draining_ = true;
  if constexpr (Access::is_shared) drainer_ = std::this_thread::get_id();
  while (critical_.has_news() || !events_.empty()) {
    if (critical_.tell()) {
      const bool is_on = critical_.is_on();
      hold.unlock();
      tell_critical(is_on);
      hold.lock();
      continue;
    }
    auto [session, event] = std::move(events_.front());
    events_.pop_front();
    hold.unlock();
    session->deliver(event, *this);
    hold.lock();
  }
  draining_ = false;
}

}  // namespace persist::inline PERSIST_ABI
