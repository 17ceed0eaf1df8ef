#pragma once

#include <persist/session/inbox_message.hpp>
#include <persist/session/receipts.hpp>
#include <persist/store/engine_release.hpp>

#include <algorithm>
#include <utility>

// What the outcome of a commit means for its sessions.

namespace persist::inline PERSIST_ABI {

/// Whether listeners hear of it: not of a renewal, nor of a record that goes back as it was.
[[nodiscard]] inline bool is_save(const Cut& cut) noexcept {
  return cut.has_data || cut.aim < Aim::renew || cut.aim == Aim::release;
}

/// Whether a message waits there whose time is over, and that may still be handled.
[[nodiscard]] inline bool has_expired_message(const SessionCore& session, WallTime now) {
  if (!session.extras) return false;
  const auto& inbox = session.extras->inbox;
  return std::any_of(inbox.begin(), inbox.end(), [&](const WaitingMessage& each) {
    return !each.handled && each.tries < most_message_tries && each.message.expires <= now;
  });
}

/// Gives every session of the flight its outcome. Where that is unknown and the bytes must go again
/// as they are, the flight is kept for another try.
template <class B, class L>
void Engine<B, L>::complete_flight(Flight& flight) {
  if (flight.replay != nullptr) return complete_replay(flight);
  const CommitRequest& request = flight.request;
  {
    const Lock hold(mutex_);
    ++metrics_.rounds;
    critical_.hear(request.outcome == CommitRequest::Outcome::failed && is_ailing(request.error));
  }
  const Aim aim = flight.cuts[0].aim;
  const bool is_failed = request.outcome == CommitRequest::Outcome::failed;
  // What nobody knew of before is not known better when it could not be sent again.
  if (is_failed && flight.resend && is_ailing(request.error))
    flight.request.error = Error(Errc::unknown_outcome, "sent again: " + request.error.message());
  const bool unknown = is_failed && request.error == Errc::unknown_outcome;
  const bool must_repeat = flight.size() > 1 || aim == Aim::release || aim == Aim::give_back;
  // A session that has ended has no other commit that would give its record back.
  const bool is_last = is_failed && aim == Aim::give_back && ended(flight.sessions[0]->state) &&
                       (request.error == Errc::unavailable || request.error == Errc::timeout);
  ++flight.attempts;
  // A release that may have landed has nobody who could write under another number.
  const bool goes_on = flight.attempts < 16 || aim == Aim::release;
  flight.resend = ((unknown && must_repeat) || is_last) && goes_on;
  if (flight.resend) {
    const Lock hold(mutex_);
    const Duration pause = Duration(1s) * (std::min)(flight.attempts, 20U);
    resends_.emplace_back(now() + pause, &flight);
    for (Result<Saved>& result : flight.results)
      result = request.error;
    return;
  }
  for (std::size_t i = 0; i < flight.size(); ++i)
    flight.hosts[i]->settle(*flight.sessions[i], flight.cuts[i], flight.changes[i], flight,
                            flight.results[i]);
  for (SessionHost* host : flight.hosts)
    if (host != this) host->drain();
}

template <class B, class L>
void Engine<B, L>::settle(SessionCore& session, Cut& cut, Change& change, const Flight& flight,
                          Result<Saved>& result) {
  const Lock hold(mutex_);
  session.in_flight = false;
  if (ended(session.state))  // it was erased, or its transaction was lost with another store
    result = Error(Errc::closed, "the session has ended").for_key(session.key());
  else if (!flight.spilled_as.empty())
    end_spilled(session, cut, flight, result);
  else
    settle_open(session, cut, change, flight, result);
  if (!ended(session.state) && tell_lease(session, LeaseUse::free)) reschedule(session);
  answer(session, cut.asked, result);
}

template <class B, class L>
void Engine<B, L>::settle_open(SessionCore& session, Cut& cut, Change& change, const Flight& flight,
                               Result<Saved>& result) {
  const CommitRequest& request = flight.request;
  using Outcome = CommitRequest::Outcome;
  if (request.changes.size() > 1) {
    settle_pieces(session, cut, request);
    if (flight.size() > 1) settle_group(session, change, request);
  }
  switch (request.outcome) {
    case Outcome::applied:
    case Outcome::repeated:
      settle_applied(session, cut, change, result);
      break;
    case Outcome::fenced:
      settle_fenced(session, cut, change, result);
      // What is named is what was refused; a partner's record is still ours.
      if (&change != &request.changes[request.culprit]) give_back_later(session);
      break;
    case Outcome::superseded:
      // A later commit of this session was applied, so this one's content is not needed; what it
      // was is not known.
      settle_failed(session, cut,
                    Error(Errc::unknown_outcome, "a later commit of this session came first"),
                    result);
      break;
    default:
      settle_failed(session, cut, request.error, result);
      break;
  }
}

/// What of the pieces is known now. Those that may have been written are emptied by a later commit
/// that has no need of them.
template <class B, class L>
void Engine<B, L>::settle_pieces(SessionCore& session, Cut& cut, const CommitRequest& request) {
  using Outcome = CommitRequest::Outcome;
  if (cut.wrap == nullptr || !cut.wrap->joins || !cut.split.is_done) return;
  const bool is_there = request.outcome == Outcome::applied || request.outcome == Outcome::repeated;
  Pieces& known = session.more().pieces;
  known.epochs = std::move(cut.split.known.epochs);
  known.filled = is_there ? cut.split.parts.size() : cut.split.touched();
}

/// The commit was one of a transaction, and it is over: its partners are in the same commit and end
/// by themselves, each after its own `saved`. A commit of one session alone never ends one, because
/// another thread may have begun it since.
template <class B, class L>
void Engine<B, L>::settle_group(SessionCore& session, Change& change,
                                const CommitRequest& request) {
  using Outcome = CommitRequest::Outcome;
  const bool is_fenced = request.outcome == Outcome::fenced;
  if (!is_fenced && request.outcome != Outcome::applied && request.outcome != Outcome::repeated)
    return;
  // An earlier try had landed for all of them or for none.
  if (is_fenced) change.landed = request.changes[request.culprit].landed;
  if (session.group() == nullptr) return;
  session.extras->group->durable = !is_fenced || change.landed;
  session.extras->group.reset();
}

template <class B, class L>
void Engine<B, L>::settle_applied(SessionCore& session, Cut& cut, Change& change,
                                  Result<Saved>& result) {
  if (change.version != 0) session.version = change.version;
  if (session.tie == Tie::looked && change.epoch != 0) {
    session.epoch = change.epoch;
    session.tie = Tie::holds;
  }
  hear_time(change.now, cut.sent);
  // Somebody asks for the record, so nothing was renewed: what was refused keeps its pause.
  const bool is_in_vain = cut.aim == Aim::hold && change.release_requested;
  if (cut.has_data) {
    session.saved.store(cut.generation, std::memory_order_relaxed);
    session.save_at = TimePoint{};
    session.not_before = cut.sent + min_gap_of(session);
    if (session.keeps_durable) session.saved_as_encoded();
    session.stored_bytes = cut.stored;
    session.encoded_crc = cut.crc;
    session.has_record = change.data != nullptr;
    session.updated = change.now;
    if (session.created == WallTime{}) session.created = change.now;
    ++metrics_.saves;
    metrics_.bytes_saved += cut.stored;
  } else {
    ++metrics_.renewals;
    if (session.failures != 0 && !is_in_vain) session.not_before = TimePoint{};
  }
  if (!session.counted && cut.aim != Aim::give_back) ++session.load_count;
  session.counted = true;
  session.renews_alone = false;
  if (!is_in_vain) session.failures = 0;
  settle_parts(session, cut, change);

  const bool gives_back = change.lease == LeaseChange::release;
  if (failed(cut.refused))
    result = cut.refused;
  else
    result = Saved{cut.has_data, session.version, session.stored_bytes, session.updated};
  if (is_save(cut) || failed(cut.refused)) saved_event(session, result);
  if (gives_back) {
    if (cut.aim == Aim::release) ++metrics_.releases;
    if (cut.reason == Reason::handover) ++metrics_.handovers;
    if (cut.is_aside) quarantine(session, cut, change);
    if (failed(cut.refused)) {  // the game may listen and still need to know which player it was
      log(LogLevel::error, "released without its last changes: " + cut.refused.message());
    }
    return end(session, State::released, cut.reason, !failed(cut.refused) && !session.dirty());
  }
  if (change.lease == LeaseChange::renew && !change.release_requested) {
    session.renewed = cut.sent;
    if (session.state == State::suspect) change_state(session, State::open);
  }
  if (change.release_requested && session.state != State::releasing) {
    session.ending = Reason::handover;
    change_state(session, State::releasing);
  }
  session.check_wanted = false;
  if (session.wants_saves() && !session.listed) became_dirty(session);
  reschedule(session);
}

/// Takes over what rode in the commit beside the data, and the messages that came back with the
/// reply.
template <class B, class L>
void Engine<B, L>::settle_parts(SessionCore& session, Cut& cut, Change& change) {
  if (change.messages.empty() && !session.extras) return;
  SessionExtras& extras = session.more();
  std::erase_if(extras.inbox, [&](const WaitingMessage& waiting) {
    return std::find(cut.acknowledged.begin(), cut.acknowledged.end(), waiting.message.position) !=
           cut.acknowledged.end();
  });
  extras.sends.erase(extras.sends.begin(),
                     extras.sends.begin() + static_cast<std::ptrdiff_t>(cut.messages.size()));
  metrics_.messages_sent += cut.messages.size();
  for (const Send& send : cut.sends) {
    if (send.delivered) continue;
    if (extras.outbox_waiting++ == 0) relay_soon(session, now() + options_.relay);
  }
  if (change.forget_receipts != 0) {
    std::erase_if(extras.receipts,
                  [&](const Receipt& receipt) { return receipt.day <= change.forget_receipts; });
    extras.receipts_forgotten = (std::max)(extras.receipts_forgotten, change.forget_receipts);
  }
  const auto granted = static_cast<std::ptrdiff_t>(cut.receipts.size());
  extras.receipts.insert(extras.receipts.end(), cut.receipts.begin(), cut.receipts.end());
  extras.pending_receipts.erase(extras.pending_receipts.begin(),
                                extras.pending_receipts.begin() + granted);
  if (has_expired_message(session, backend_time())) postpone_messages(session);
  if (change.messages.empty()) return;
  for (Message& message : change.messages) {
    extras.seen_position = (std::max)(extras.seen_position, message.position);
    extras.inbox.push_back({std::move(message)});
  }
  Event event;
  event.kind = Event::Kind::messages;
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::settle_fenced(SessionCore& session, Cut& cut, Change& change,
                                 Result<Saved>& result) {
  undo(session, cut);
  const std::string_view what =
      change.erased ? "the record was erased" : "another session has the record";
  const bool is_locked =
      change.claims == Claims::unleased && !change.erased && change.holder.left > Duration::zero();
  Error error =
      Error(is_locked ? Errc::locked : Errc::fenced, std::string(what) + "; nothing was written")
          .for_key(session.key());
  if (!change.holder.owner.nobody()) {
    error = std::move(error).held_by(
        {std::string(change.holder.owner.server.view()), change.holder.epoch,
         std::chrono::duration_cast<std::chrono::milliseconds>(change.holder.age)});
  }
  // An earlier try of this very commit had landed before somebody else took over: then nothing is
  // lost but what was edited since.
  const bool had_landed = change.landed && !failed(cut.refused);
  if (had_landed && cut.has_data) session.saved = cut.generation;
  if (had_landed)
    result = Saved{cut.has_data, session.version, cut.stored, session.updated};
  else
    result = error;
  if (is_save(cut)) saved_event(session, result);
  ++metrics_.lost;
  end(session, State::lost, Reason::lost, had_landed && !session.dirty());
}

template <class B, class L>
void Engine<B, L>::settle_failed(SessionCore& session, Cut& cut, const Error& error,
                                 Result<Saved>& result) {
  undo(session, cut);
  Error named = error;
  result = std::move(named).for_key(session.key());
  ++metrics_.saves_failed;
  back_off(session);
  const bool may_pass = persist::may_pass(error);
  const bool says_more = cut.has_data || session.group() != nullptr;
  session.renews_alone = !may_pass && says_more && cut.aim < Aim::hold;
  if (cut.has_data && error == Errc::unknown_outcome) {
    session.stored_bytes = cut.stored;  // nothing equals what may be stored: the next save writes
    session.encoded_crc = ~cut.crc;
  }
  if (is_save(cut)) saved_event(session, result);
  if (holds_lease(session) && cut.aim != Aim::give_back) {
    Event event;
    event.kind = Event::Kind::renewal_failed;
    event.attempts_left = attempts_left(session);
    event.error = result.error();
    tell(session, std::move(event));
  }
  if ((cut.aim == Aim::save || cut.aim == Aim::force) && cut.reason != Reason::autosave) {
    session.save_wanted = true;  // somebody asked for it
    session.force_wanted = session.force_wanted || cut.aim == Aim::force;
  }
  if (cut.aim == Aim::release && session.state != State::releasing) {
    session.ending = cut.reason;
    change_state(session, State::releasing);
  }
  reschedule(session);
}

/// What was cut is as if it had not been: it goes with the next commit, under a number of its own.
template <class B, class L>
void Engine<B, L>::undo(SessionCore& session, Cut& cut) {
  if (cut.has_ids) session.more().user_ids.changed = true;
  if (cut.has_metadata) session.more().metadata.changed = true;
}

/// The next try comes after a pause that doubles up to 20 s, less up to a quarter of it, so that
/// servers that failed together do not come back together.
template <class B, class L>
void Engine<B, L>::back_off(SessionCore& session) {
  const int doublings = (std::min)(static_cast<int>(session.failures), 5);
  if (session.failures < 8000) ++session.failures;
  const Duration pause = (std::min)(Duration(1s) * (1 << doublings), Duration(20s));
  const Duration less =
      pause / 4 *
      static_cast<std::int64_t>((session.number * 2654435761U + session.failures) % 256) / 256;
  session.not_before = now() + pause - less;
}

template <class B, class L>
void Engine<B, L>::saved_event(SessionCore& session, const Result<Saved>& result) {
  // Where there are no sessions the caller hears it, and what was overtaken is tried again.
  if (!has_sessions<L> || (result ? !is_heard(session) : result.error() == Errc::busy)) return;
  Event event;
  event.kind = Event::Kind::saved;
  event.saved = result;
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::tell_dropped(SessionCore& session) {
  std::vector<std::string> dropped = session.take_dropped();
  if (dropped.empty()) return;
  Event event;
  event.kind = Event::Kind::dropped_fields;
  event.paths = std::move(dropped);
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::change_state(SessionCore& session, State to) {
  const State from = session.state.exchange(to);
  if (!is_heard(session)) return;
  Event event;
  event.kind = Event::Kind::state_changed;
  event.from = from;
  event.to = to;
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::lose(SessionCore& session, const TransactionGroup& group) {
  const Lock hold(mutex_);
  if (session.group() != &group) return;
  session.extras->group.reset();
  if (ended(session.state)) return;
  end(session, State::lost, Reason::lost, false);
  give_back_later(session);
}

template <class B, class L>
void Engine<B, L>::end(SessionCore& session, State state, Reason reason, bool was_saved) {
  const Lock hold(mutex_);
  if (ended(session.state)) return;
  const SessionPtr alive(&session);
  tell_lease(session, LeaseUse::over);
  due_.remove(session);
  registry_.remove(session);
  session.ending = reason;
  session.was_saved = was_saved;
  const bool was_open = session.state != State::loading && !session.gives_back && has_sessions<L>;
  if (session.handles.load(std::memory_order_acquire) != 0)
    retired_.insert(session);
  else
    session.detach();
  if (was_open)
    change_state(session, state);
  else
    session.state = state;
  session.end_was_told = was_open && was_saved && !is_heard(session);  // to nobody
  if (was_open && !session.end_was_told) {
    Event event;
    event.kind = Event::Kind::released;
    event.reason = reason;
    event.was_saved = was_saved;
    tell(session, std::move(event));
  }
  if (session.extras) answer(session, session.extras->asked, last_word(session, state));
  if (session.group() == nullptr) return;
  // A transaction that was not durable when a partner ended is stored for none of them. The
  // partners are ended by `drain`, each under the lock of its own store only.
  broken_.push_back(std::exchange(session.extras->group, nullptr));
}

}  // namespace persist::inline PERSIST_ABI
