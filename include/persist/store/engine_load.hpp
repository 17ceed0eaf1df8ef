#pragma once

#include <persist/store/engine_conflict.hpp>

#include <algorithm>

// Loading: attempts, and what is done about a holder.

namespace persist::inline PERSIST_ABI {

template <class B, class L>
void Engine<B, L>::start_load(SessionCore& session, LoadPtr load) {
  const Lock hold(mutex_);
  if (session.number == 0) session.number = backend_.next_owner(server_.server).session;
  load->began = load->next_try = now();
  const bool is_refused = critical_.refuses_loads(load->next_try);
  session.loading = std::move(load);
  if (is_refused)
    return load_done(
        session,
        Error(Errc::unavailable, "the database keeps failing; try later").for_key(session.key()));
  hurry_replay(session.key());
  if (registry_.find(session) != nullptr) {  // one that is releasing: its end comes first
    queued_loads_.emplace_back(&session);
    return;
  }
  registry_.insert(session);
  reschedule(session);
}

/// Sessions whose key was still being released when their load began.
template <class B, class L>
void Engine<B, L>::start_queued_loads() {
  std::vector<SessionPtr> queued = std::move(queued_loads_);
  queued_loads_.clear();
  for (SessionPtr& session : queued) {
    if (const SessionCore* there = registry_.find(*session)) {
      // The game loaded the record first: that session stays, and a change by key is one of it.
      const bool was_overtaken =
          session->is_offline && !there->is_offline && there->state != State::releasing;
      if (was_overtaken) {
        load_done(*session, Error(Errc::busy, "the record was loaded here meanwhile: try again")
                                .for_key(session->key()));
      } else if (session->load()->has_waiters() && now() < session->load()->deadline) {
        queued_loads_.push_back(std::move(session));
      } else {
        load_done(*session, Error(Errc::busy, "its last session here is still being saved")
                                .for_key(session->key()));
      }
      continue;
    }
    registry_.insert(*session);
    reschedule(*session);
  }
}

/// Fills the request of the next attempt.
template <class B, class L>
void Engine<B, L>::ask(SessionCore& session, AcquireRequest& request) {
  LoadState& load = *session.load();
  if (!load.sent) load.sent = now();
  session.in_flight = true;
  request.store = store_;
  request.key = session.key();
  request.owner = owner_of(session);
  if constexpr (L::is_leased) request.lease = options_.lease;
  request.intent = load.intent;
  request.reclaims = options_.reclaim;
  if (load.intent == Intent::request) load.has_asked = true;
  request.seen_epoch = load.seen_epoch;
  request.seen_renewals = load.seen_renewals;
}

/// Whether one of those who wait for the load still wants it. Their functions run without the lock:
/// they are the game's, and may wait for a thread that waits for this store.
template <class B, class L>
bool Engine<B, L>::is_wanted(const LoadState& load) {
  std::vector<std::function<bool()>> conditions;
  {
    const Lock hold(mutex_);
    for (const LoadState::Waiter& waiter : load.waiters) {
      if (!waiter.waits) continue;
      if (!waiter.while_) return true;
      conditions.push_back(waiter.while_);
    }
    ++visits_;
  }
  const bool wanted = std::any_of(conditions.begin(), conditions.end(), [&](const auto& says_yes) {
#if PERSIST_HAS_EXCEPTIONS
    try {
      return says_yes();
    } catch (...) {
      log(LogLevel::error, "the while_ of a load threw; that is taken for a no");
      return false;
    }
#else
    return says_yes();
#endif
  });
  const Lock hold(mutex_);
  --visits_;
  return wanted;
}

template <class B, class L>
void Engine<B, L>::settle_load(SessionCore& session, AcquireRequest& request,
                               const Result<void>& decoded) {
  LoadPtr load;
  {
    const Lock hold(mutex_);
    load = session.loading;
  }
  if (!load) return;  // its store was closed meanwhile
  using Outcome = AcquireRequest::Outcome;
  const bool taken = request.outcome == Outcome::taken;
  const bool wanted = taken && load->intent != Intent::withdraw && is_wanted(*load);
  Decision decided;
  if (request.outcome == Outcome::held) decided = decide(session, *load, request.holder);
  const bool stands_in = is_given_up(*load, request) && make_default(session);
  const Lock hold(mutex_);
  session.in_flight = false;
  ++load->attempts;
  critical_.hear(request.outcome == Outcome::failed && is_ailing(request.error));
  if (load->done) return;
  if (stands_in) {
    session.tie = Tie::none;
    return load_done(session, Errc{});
  }
  if (taken) {
    opened(session, request);
    Error why{Errc{}};
    if (load->intent == Intent::withdraw)
      why = load->error;
    else if (!decoded)
      why = Error(decoded.error()).for_key(session.key());
    else if (!wanted || !load->has_waiters())
      why = Error(Errc::cancelled, "nobody waits for this load any more").for_key(session.key());
    return load_done(session, std::move(why));
  }
  if (load->intent == Intent::withdraw) return load_done(session, load->error);
  if (request.outcome == Outcome::held) {
    ++metrics_.conflicts;
    held(session, request.holder, decided);
  } else {
    unanswered(session, request.error);
  }
  if (!load->done) reschedule(session);
}

/// Whether a load that may do without its record has to, now.
template <class B, class L>
bool Engine<B, L>::is_given_up(const LoadState& load, const AcquireRequest& request) {
  const Lock hold(mutex_);
  return load.stands_in && request.outcome == AcquireRequest::Outcome::failed &&
         (request.error == Errc::unavailable || request.error == Errc::timeout) &&
         load.intent != Intent::withdraw && !load.done && load.has_waiters() &&
         (load.once || now() >= load.deadline);
}

template <class B, class L>
bool Engine<B, L>::make_default(SessionCore& session) {
  Snapshot nothing;
  const Result<void> made = session.decode(nothing);
  if (!made) log(LogLevel::error, made.error().message());
  return static_cast<bool>(made);
}

/// The record is ours: what the backend knows of it.
template <class B, class L>
void Engine<B, L>::opened(SessionCore& session, AcquireRequest& request) {
  Snapshot& record = request.record;
  session.tie = request.intent == Intent::look ? Tie::looked : Tie::holds;
  session.epoch = record.fence.epoch;
  session.write = session.tie == Tie::looked ? 0 : record.fence.write;
  session.version = record.version;
  hear_time(record.now, now());
  session.load_count = record.load_count;
  session.created = record.created;
  session.updated = record.updated;
  session.renewed = *session.load()->sent;
  session.failures = 0;
  session.has_record = record.has_data;
  session.is_new = !record.has_data;
  session.encoded_crc = record.has_data ? stored_checksum(record.data) : 0;
  if (!record.has_more()) return;
  SessionExtras& extras = session.more();
  extras.user_ids.value = std::move(record.user_ids);
  extras.metadata.value = std::move(record.metadata);
  extras.receipts = std::move(record.receipts);
  drop_repeats(extras.receipts);
  extras.receipts_forgotten = record.receipts_forgotten;
  extras.outbox_waiting = record.outbox.size();
  for (Message& message : record.inbox) {
    extras.seen_position = (std::max)(extras.seen_position, message.position);
    extras.inbox.push_back({std::move(message)});
  }
  if (!record.outbox.empty()) relay_soon(session, now());
}

/// Ends the load: as an open session, or with an error; then a lease that was taken is given back.
template <class B, class L>
void Engine<B, L>::load_done(SessionCore& session, Error error) {
  const LoadPtr load = std::exchange(session.loading, LoadPtr());
  load->error = std::move(error);
  load->done = true;  // after the error: other threads look at this first
  tell_loaded(session, *load);
  if (failed(load->error)) {
    ++metrics_.loads_failed;
    if (session.epoch == 0 || session.tie != Tie::holds)
      return end(session, State::released, Reason::asked, false);
    session.ending = Reason::asked;
    session.state = State::releasing;
    session.gives_back = true;
    return reschedule(session);
  }
  ++metrics_.loads;
  change_state(session, State::open);
  tell_lease(session, LeaseUse::free);
  if (session.wants_saves()) stamp(session);
  tell_dropped(session);
  if (session.extras && !session.extras->inbox.empty()) {
    Event event;
    event.kind = Event::Kind::messages;
    tell(session, std::move(event));
  }
  reschedule(session);
}

/// Those who wait for the load without standing by are told.
template <class B, class L>
void Engine<B, L>::tell_loaded(SessionCore& session, LoadState& load) {
  for (LoadState::Waiter& waiter : load.waiters) {
    if (!waiter.done) continue;
    Event event;
    event.kind = Event::Kind::answer;
    event.call = std::exchange(waiter.done, nullptr);
    tell(session, std::move(event));
  }
}

/// One caller no longer wants it; the last one to go ends it, and takes its request to the holder
/// back.
template <class B, class L>
void Engine<B, L>::abandon_load(SessionCore& session, std::size_t place) {
  const Lock hold(mutex_);
  LoadState* load = session.load();
  if (load == nullptr) return;
  load->waiters[place].waits = false;
  if (!load->has_waiters()) call_off(session);
}

/// Ends a load that nobody waits for. One that is out learns it from its reply.
template <class B, class L>
void Engine<B, L>::call_off(SessionCore& session) {
  LoadState* load = session.load();
  if (session.in_flight || load->intent == Intent::withdraw) return;
  Error error = Error(Errc::cancelled, "the load was called off").for_key(session.key());
  const SessionPtr alive(&session);
  if (std::erase(queued_loads_, alive) != 0) return load_done(session, std::move(error));
  const LoadPtr kept = session.loading;
  give_up(session, std::move(error));
  if (!kept->done) reschedule(session);
}

template <class B, class L>
void Engine<B, L>::add_load(SessionCore& session, Round& round) {
  if (waits_for_replay(session)) return;
  round.loading.emplace_back(&session);
  ask(session, round.acquires.emplace_back());
}

/// A record of our own that waits to be given back would pass for somebody else's.
template <class B, class L>
void Engine<B, L>::send_again_now() {
  {
    const Lock hold(mutex_);
    if (resends_.empty() && !replay_is_due()) return;
  }
  Round round;
  Manifest mine;
  mine.now = now();
  send_again(round, mine);
  if (round.empty()) return;
  round.perform(backend_);
  complete(round, mine);
}

/// Attempts, and waits on the clock between them. A session of the same key that is being released
/// here is finished first. At `deadline` it leaves a load that goes on for others.
template <class B, class L>
void Engine<B, L>::finish_load(SessionCore& session, const LoadState& load, TimePoint deadline) {
  const SessionPtr alive(&session);
  waits_for_storage();
  while (!load.done) {
    AcquireRequest request;
    bool asks = false, is_sent = false, is_out = false;
    TimePoint again{};
    TimePoint last{};
    SessionPtr before;
    bool waits_for_release = false;
    Aim aim = Aim::release;
    Reason reason = Reason::asked;
    send_again_now();
    {
      const Lock hold(mutex_);
      start_queued_loads();
      before = SessionPtr(registry_.find(session));
      if (load.done) break;
      last = load.deadline;
      asks = before.get() == &session && !session.in_flight;
      is_sent = asks && !waits_for_replay(session);
      is_out = Access::is_shared && load.once && before.get() == &session && !asks;
      if (is_sent) ask(session, request);
      if (before && before->gives_back) aim = Aim::give_back;
      waits_for_release = before && before.get() != &session && before->state == State::releasing &&
                          (!before->is_offline || before->gives_back);
      if (before) reason = before->ending;
    }
    if (is_sent) {
      backend_.acquire(std::span(&request, 1));
      settle_load(session, request,
                  request.is_to_be_read() ? decode(backend_, session, request) : success);
    } else if (!asks) {
      again = now() + 100ms;
      if (is_out) {  // the poll of another thread makes the one attempt
        sleep_until(again);
        continue;
      }
      bool busy = !waits_for_release;
      if (waits_for_release) {
        const auto released = commit_now(*before, aim, reason);
        if (released || ended(before->state)) continue;
        busy = released.is(Errc::busy);
        const Lock hold(mutex_);
        again = (std::max)(again, before->not_before);
      }
      // What is under way on this very thread does not end while we wait for it.
      if (now() >= last || (busy && !Access::is_shared)) break;
    }
    if (load.done || (now() >= deadline && deadline < last)) break;
    if (asks) {
      const Lock hold(mutex_);
      again = load.next_try;
    }
    sleep_until((std::min)(again, deadline));
  }
  give_back_unwanted(session);
  drain();
}

/// What was taken for a load that nobody waited for in the end.
template <class B, class L>
void Engine<B, L>::give_back_unwanted(SessionCore& session) {
  {
    const Lock hold(mutex_);
    if (!session.gives_back || ended(session.state)) return;
  }
  (void)commit_now(session, Aim::give_back, Reason::asked);
}

}  // namespace persist::inline PERSIST_ABI
