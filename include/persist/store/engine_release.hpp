#pragma once

#include <persist/store/engine_commit.hpp>

#include <algorithm>

// One commit in one call, and how a record goes back.

namespace persist::inline PERSIST_ABI {

/// A commit that writes nothing new is still sent where it renews or gives back. Where several
/// threads save one session at once, one is sent and the others are told `busy`.
template <class B, class L>
Result<Saved> Engine<B, L>::commit_now(SessionCore& session, Aim aim, Reason reason) {
  const SessionPtr alive(&session);
  waits_for_storage();
  Flight& flight = new_flight();
  if (Error no = assemble(flight, session, aim, reason); failed(no)) {
    recycle(flight);
    return no;
  }
  // Listeners of a partner's store may end this one, which the group keeps until all are told.
  const std::shared_ptr<TransactionGroup> group = flight.group;
  Result<Saved> result;
  bool kept = false;
  if (prepare_flight(flight)) {
    perform(backend_, flight);
    complete_flight(flight);
    kept = flight.resend;
  }
  result = std::move(flight.results[0]);
  if (!kept) recycle(flight);
  drain();
  return result;
}

template <class B, class L>
void Engine<B, L>::wait_for_gap(SessionCore& session) {
  Lock hold(mutex_);
  if (session.failures != 0 || min_gap_of(session) <= Duration::zero()) return;
  const TimePoint until = session.not_before;
  hold.unlock();
  Wake nobody;
  clock_.wait_until(until, nobody);
}

/// The session was let go by whoever calls: what its data is captured from may not be there later.
template <class B, class L>
void Engine<B, L>::game_lets_go(SessionCore& session) {
  const Lock hold(mutex_);
  if (ended(session.state) || session.state == State::loading || !session.try_lock()) return;
  session.game_lets_go();
  session.unlock();
}

template <class B, class L>
void Engine<B, L>::give_back_soon(SessionCore& session) {
  const Lock hold(mutex_);
  session.gives_back = true;
  session.state = State::releasing;
  reschedule(session);
}

template <class B, class L>
void Engine<B, L>::give_back(SessionCore& session) {
  give_back_soon(session);
  (void)commit_now(session, Aim::give_back, Reason::asked);
}

/// Gives the record of a session that has ended back with the next round, so that nobody waits for
/// its lease to run out.
template <class B, class L>
void Engine<B, L>::give_back_later(SessionCore& session) {
  Flight& flight = new_flight();
  flight.add(SessionPtr(&session), *this);
  Cut& cut = flight.cuts[0];
  cut.aim = Aim::give_back;
  cut.key.append(session.key());
  flight.changes.assign(1, Change{});
  flight.results.assign(1, Result<Saved>());
  address(session, cut, flight.changes[0]);
  flight.request.changes = std::span(flight.changes);
  const Lock hold(mutex_);
  resends_.emplace_back(now(), &flight);
}

/// Whether the session, and those that must go with it, can leave now.
template <class B, class L>
bool Engine<B, L>::can_leave(const SessionCore& session) {
  const auto free = [](const SessionCore& each) {
    return each.edit_guards == 0 && !each.in_flight && !each.in_function;
  };
  const TransactionGroup* group = session.group();
  return free(session) &&
         (group == nullptr || std::all_of(group->partners.begin(), group->partners.end(),
                                          [&](const auto& each) { return free(*each.session); }));
}

template <class B, class L>
Result<Saved> Engine<B, L>::release_now(SessionCore& session, Reason reason) {
  {
    const Lock hold(mutex_);
    if (!can_leave(session))
      return Error(Errc::busy, "an edit guard, a save or a function of this session is open")
          .for_key(session.key());
    game_lets_go(session);
    request_release(session, reason);
    reason = session.ending;
  }
  return commit_now(session, Aim::release, reason);
}

template <class B, class L>
bool Engine<B, L>::tell_lease([[maybe_unused]] SessionCore& session,
                              [[maybe_unused]] LeaseUse use) {
  if constexpr (L::is_leased && !Access::is_shared) {
    Driver* driver = driver_.load();
    if (driver == nullptr || renewal_due(session) == TimePoint::max()) return false;
    LeaseTicket ticket{
        store_,         session.key(),  {session.epoch, owner_of(session), session.write},
        options_.lease, options_.renew, session.renewed};
    driver->tell_lease(ticket, use);
    session.write = ticket.fence.write;
    session.renewed = ticket.renewed;
    return true;
  }
  return false;
}

}  // namespace persist::inline PERSIST_ABI
