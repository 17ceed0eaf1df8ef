#pragma once

#include <persist/store/engine_load.hpp>

#include <algorithm>
#include <limits>

// What is due when, and the rounds of a poll.

namespace persist::inline PERSIST_ABI {

/// The session is on its way to the disk from the next poll on; an edit itself reads no clock.
template <class B, class L>
void Engine<B, L>::became_dirty(SessionCore& session) {
  const Lock hold(mutex_);
  if (session.listed || ended(session.state)) return;
  session.listed = true;
  newly_dirty_.emplace_back(&session);
}

/// Sets when a session that became dirty is to be saved: between half and all of the interval from
/// now, each session at a moment of its own, so that a thousand edits of one moment are not a
/// thousand saves of another.
template <class B, class L>
void Engine<B, L>::stamp(SessionCore& session) {
  const Duration interval = autosave_of(session);
  if (interval <= Duration::zero()) {
    session.save_at = TimePoint::max();
    return;
  }
  const auto place = static_cast<std::int64_t>((session.number * 0x9e3779b97f4a7c15U) >> 56);
  session.save_at = now() + interval / 2 + interval / 2 * place / 256;
}

template <class B, class L>
TimePoint Engine<B, L>::when_due(SessionCore& session) {
  if (session.in_flight || ended(session.state)) return TimePoint::max();
  if (const LoadState* load = session.load()) return load->next_try;
  TimePoint due = TimePoint::max();
  if (session.tie == Tie::none) return session.state == State::releasing ? TimePoint::min() : due;
  if (session.wants_saves() && !session.listed) due = session.save_at;
  if (session.save_wanted) due = TimePoint::min();
  // A gap between saves holds up neither the renewals nor the last save.
  if (session.failures == 0) due = (std::max)(due, session.not_before);
  if (session.check_wanted || session.state == State::releasing) due = TimePoint::min();
  due = (std::min)(due, renewal_due(session));
  if (session.failures != 0) due = (std::max)(due, session.not_before);
  if (session.renews_alone) due = (std::min)(due, renewal_due(session));
  if (holds_lease(session) && session.state == State::open)
    due = (std::min)(due, trusted_until(session));
  return due;
}

template <class B, class L>
void Engine<B, L>::reschedule(SessionCore& session) {
  const TimePoint due = when_due(session);
  if (due == TimePoint::max())
    due_.remove(session);
  else
    due_.set(session, due);
}

template <class B, class L>
void Engine<B, L>::request_save(SessionCore& session, bool force) {
  const Lock hold(mutex_);
  session.save_wanted = true;
  session.force_wanted = session.force_wanted || force;
  reschedule(session);
}

template <class B, class L>
void Engine<B, L>::request_release(SessionCore& session, Reason reason) {
  const Lock hold(mutex_);
  if (session.state != State::open && session.state != State::suspect) return;
  session.ending = reason;
  change_state(session, State::releasing);
  reschedule(session);
}

template <class B, class L>
void Engine<B, L>::last_handle_dropped(SessionCore& session) {
  const SessionPtr alive(&session);
  const Lock hold(mutex_);
  if (session.handles.load(std::memory_order_acquire) != 0) return;
  if (ended(session.state)) {
    retired_.remove(session);
    session.detach();
    return;
  }
  if (session.state == State::open || session.state == State::suspect)
    log(LogLevel::info,
        std::string(session.key()) + ": the last handle was dropped without a release; releasing");
  game_lets_go(session);
  request_release(session, Reason::dropped);
}

template <class B, class L>
void Engine<B, L>::begin_poll() {
  const Lock hold(mutex_);
  ++visits_;
  (void)wakes_->wake().take();
  std::vector<SessionPtr> dirty;
  dirty.swap(newly_dirty_);
  for (const SessionPtr& session : dirty) {
    session->listed = false;
    if (ended(session->state) || !session->wants_saves()) continue;
    // The interval counts from the first edit that is not saved; later ones do not put it off.
    if (session->save_at == TimePoint{}) stamp(*session);
    reschedule(*session);
  }
  offer_messages_again();
  start_queued_loads();
}

/// Sessions that the backend hinted at are looked at now: in each round, so that a record that was
/// let go in one is taken in the next.
template <class B, class L>
void Engine<B, L>::take_hints() {
  wakes_->drain(woken_);
  for (const Woken& woken : woken_) {
    registry_.each(woken.key, [&](SessionCore& session) {
      if (LoadState* load = session.load())
        load->next_try = woken.why == Hint::freed ? now() : load->next_try;
      else
        session.check_wanted = session.tie == Tie::holds;  // who holds nothing is asked for nothing
      reschedule(session);
    });
  }
}

template <class B, class L>
void Engine<B, L>::offer_messages_again() {
  const Lock hold(mutex_);
  std::vector<SessionPtr> waiting;
  waiting.swap(messages_wait_);
  for (const SessionPtr& session : waiting) {
    session->messages_wait = false;
    Event event;
    event.kind = Event::Kind::messages;
    tell(*session, std::move(event));
  }
}

template <class B, class L>
void Engine<B, L>::postpone_messages(SessionCore& session) {
  const Lock hold(mutex_);
  if (session.messages_wait) return;
  session.messages_wait = true;
  messages_wait_.emplace_back(&session);
}

/// Adds the commits to the round that are to go again, and those that give a record back behind an
/// end.
template <class B, class L>
void Engine<B, L>::send_again(Round& round, Manifest& mine) {
  add_replays(mine);
  const Lock hold(mutex_);
  std::erase_if(resends_, [&](const std::pair<TimePoint, Flight*>& resend) {
    if (resend.first <= mine.now) mine.flights.push_back(resend.second);
    return resend.first <= mine.now;
  });
  for (Flight* flight : mine.flights) {
    flight->request.outcome = CommitRequest::Outcome::pending;
    flight->request.error = Errc{};
    round.add(*flight);
  }
}

/// How much the session is in need of storage.
template <class B, class L>
Priority Engine<B, L>::urgency(const SessionCore& session, TimePoint now) const {
  if (session.load() != nullptr) return Priority::save;
  if (renewal_due(session) <= now) return Priority::renewal;
  if (session.state == State::releasing) return Priority::closing;
  const SessionExtras* extras = session.extras.get();
  if (extras != nullptr && (extras->group != nullptr || !extras->pending_receipts.empty()))
    return Priority::purchase;
  return session.save_wanted ? Priority::save : Priority::autosave;
}

/// More is due than may go: the least urgent stays due.
template <class B, class L>
void Engine<B, L>::put_off(std::vector<SessionPtr>& due, const Manifest& mine) {
  const Lock hold(mutex_);
  const auto is_before = [&](const SessionPtr& a, const SessionPtr& b) {
    return urgency(*a, mine.now) < urgency(*b, mine.now);
  };
  std::stable_sort(due.begin(), due.end(), is_before);
  std::size_t kept = 0;
  while (kept < due.size() &&
         (kept < mine.most || urgency(*due[kept], mine.now) == Priority::renewal))
    ++kept;
  for (std::size_t i = kept; i < due.size(); ++i)
    reschedule(*due[i]);
  due.resize(kept);
}

template <class B, class L>
void Engine<B, L>::prepare(Round& round, Manifest& mine) {
  mine.first_commit = round.commits.size();
  mine.first_acquire = round.acquires.size();
  mine.flights.clear();
  std::vector<SessionPtr> due;
  {
    const Lock hold(mutex_);
    mine.now = now();
    take_hints();
    while (!due_.empty() && due_.first().due <= mine.now) {
      due.emplace_back(&due_.first());
      due_.remove(*due.back());
    }
  }
  send_again(round, mine);
  if (due.size() > mine.most) put_off(due, mine);
  for (const SessionPtr& session : due) {
    const bool first = session == due.front();  // however small the limit, something is done
    if (!first && mine.stop_at != TimePoint::max() && now() >= mine.stop_at) {
      const Lock hold(mutex_);  // the rest goes on at the next call
      reschedule(*session);
    } else {
      collect(*session, round, mine);
    }
  }
  mine.acquires = round.acquires.size() - mine.first_acquire;
}

/// Adds a commit of the session, and of who must go with it, to the round. False where there is
/// nothing to write, `busy` where one of them cannot go now, or why a rule holds them back.
template <class B, class L>
Result<bool> Engine<B, L>::put_on_board(SessionCore& session, Aim aim, Reason reason, Round& round,
                                        Manifest& mine) {
  Flight& flight = new_flight();
  if (failed(assemble(flight, session, aim, reason))) {
    recycle(flight);
    return Error(Errc::busy);
  }
  if (prepare_flight(flight)) {
    mine.flights.push_back(&flight);
    round.add(flight);
    return true;
  }
  const Result<Saved> why = std::move(flight.results[0]);
  recycle(flight);
  return why ? Result<bool>(false) : Result<bool>(why.error());
}

/// Decides what a session that is due needs, and adds it to the round.
template <class B, class L>
void Engine<B, L>::collect(SessionCore& session, Round& round, Manifest& mine) {
  Aim aim = Aim::renew;
  Reason reason = Reason::autosave;
  {
    const Lock hold(mutex_);
    if (ended(session.state) || session.in_flight) return;
    if (session.load() != nullptr) {
      session.load()->next_try <= mine.now ? add_load(session, round) : reschedule(session);
      return;
    }
    if (holds_lease(session) && session.state == State::open && mine.now >= trusted_until(session))
      change_state(session, State::suspect);
    if (when_due(session) > mine.now) return reschedule(session);
    if (session.renews_alone && renewal_is_due(session)) {
      aim = Aim::hold;
    } else if (session.state == State::releasing) {
      aim = session.gives_back ? Aim::give_back : Aim::release;
      reason = session.ending;
    } else if (in_gap(session)) {
      aim = Aim::renew;
    } else if (session.save_wanted) {
      aim = session.force_wanted ? Aim::force : Aim::save;
      reason = Reason::asked;
      session.save_wanted = session.force_wanted = false;
    } else if (session.wants_saves() && session.save_at <= mine.now) {
      aim = Aim::save;
    }
  }
  const Result<bool> left = put_on_board(session, aim, reason, round, mine);
  if (left && *left) return;
  const bool busy = left.is(Errc::busy);
  // What keeps the data here, an open guard or a partner that a rule holds back, keeps neither the
  // lease from being renewed nor the session from hearing what came for it.
  if (!left && (aim == Aim::renew || renewal_is_due(session)))
    (void)put_on_board(session, Aim::hold, reason, round, mine);
  const Lock hold(mutex_);
  if (ended(session.state)) return;
  if (aim == Aim::save || aim == Aim::force) {
    if (busy) {
      session.save_wanted = session.save_wanted || reason == Reason::asked;
      session.force_wanted = session.force_wanted || aim == Aim::force;
    } else if (session.wants_saves())
      stamp(session);  // it was refused: play goes on, and it is tried again
  }
  if (session.in_flight) return;  // its outcome says when it is due
  // An open guard keeps it due; so does a transaction that a rule holds back. Look again soon.
  if (busy || session.state == State::releasing)
    due_.set(session, mine.now + (busy ? Duration(10ms) : Duration(1s)));
  else
    reschedule(session);
}

template <class B, class L>
void Engine<B, L>::complete(Round& round, Manifest& mine) {
  for (std::size_t i = 0; i < mine.flights.size(); ++i) {
    Flight& flight = *mine.flights[i];
    flight.request = std::move(round.commits[mine.first_commit + i]);
    complete_flight(flight);
    if (!flight.resend) recycle(flight);
  }
  for (std::size_t i = mine.first_acquire; i < mine.first_acquire + mine.acquires; ++i) {
    if (round.begins_anew(i)) round.decoded[i] = round.loading[i]->decode(round.acquires[i].record);
    settle_load(*round.loading[i], round.acquires[i], round.decoded[i]);
  }
  drain();
}

template <class B, class L>
TimePoint Engine<B, L>::end_poll() {
  relay();
  return finish_poll();
}

template <class B, class L>
TimePoint Engine<B, L>::finish_poll() {
  {
    const Lock hold(mutex_);
    critical_.look(now());
  }
  drain();
  return next_deadline();
}

template <class B, class L>
void Engine<B, L>::leave_poll() noexcept {
  const Lock hold(mutex_);
  --visits_;
}

template <class B, class L>
TimePoint Engine<B, L>::next_deadline() {
  const Lock hold(mutex_);
  const TimePoint soon = now();
  TimePoint next = due_.empty() ? TimePoint::max() : due_.first().due;
  for (const auto& [at, flight] : resends_)
    next = (std::min)(next, at);
  next = (std::min)(next, next_relay_);
  next = (std::min)(next, critical_.until());
  if (spill_ != nullptr && spill_->wants_time()) next = (std::min)(next, spill_->next_try);
  if (!queued_loads_.empty() || !messages_wait_.empty()) next = (std::min)(next, soon + 10ms);
  if (!newly_dirty_.empty() || !wakes_->empty()) next = (std::min)(next, soon);
  return next;
}

}  // namespace persist::inline PERSIST_ABI
