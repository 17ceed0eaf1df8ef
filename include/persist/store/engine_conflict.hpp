#pragma once

#include <persist/store/engine_settle.hpp>

#include <algorithm>

// What a load does that did not get the record.

namespace persist::inline PERSIST_ABI {

/// An attempt failed, and may have been carried out all the same.
template <class B, class L>
void Engine<B, L>::unanswered(SessionCore& session, const Error& error) {
  LoadState& load = *session.load();
  const bool may_pass = persist::may_pass(error);
  if (may_pass) load.unheard_of = true;
  // The request may stand already: it is left once, so that a newer one is not put aside by it.
  if (load.intent == Intent::request) load.intent = Intent::keep_request;
  if (!may_pass || load.once || now() >= load.deadline || !load.has_waiters())
    return give_up(session, Error(error).for_key(session.key()));
  back_off(session);
  load.next_try = session.not_before;
}

/// Ends the load with that error: at once, or, where something of it may stand in the record, with
/// one more attempt that takes it back.
template <class B, class L>
void Engine<B, L>::give_up(SessionCore& session, Error error) {
  LoadState& load = *session.load();
  if (!load.asked && !load.unheard_of) return load_done(session, std::move(error));
  load.error = std::move(error);
  load.intent = Intent::withdraw;
  load.next_try = now();
}

template <class B, class L>
void Engine<B, L>::held(SessionCore& session, const HeldBy& holder) {
  LoadState& load = *session.load();
  const bool is_ours = holder.asker == owner_of(session);
  load.asked = load.asked || is_ours;
  if (!load.unheard_of) load.sent.reset();
  if (!load.has_waiters())
    return give_up(
        session,
        Error(Errc::cancelled, "nobody waits for this load any more").for_key(session.key()));
  if (load.conflict == Conflict::steal && !load.once && load.attempts <= 8) {
    load.intent = Intent::steal;
    load.seen_epoch = holder.epoch;
    load.seen_renewals = holder.renewals;
    load.next_try = now();
    return;
  }
  if (load.conflict != Conflict::request || load.once)
    return give_up(session, locked_error(session, holder, "it was not asked to let go"));
  if (!load.asked && holder.left <= Duration::zero()) {  // free, but for one who may be gone
    load.intent = Intent::request;
    load.next_try = now();
    return;
  }
  if (!is_ours && !holder.asker.nobody())
    return give_up(session,
                   locked_error(session, holder, "a newer request came from another server"));
  if (now() >= load.deadline)
    return give_up(session,
                   locked_error(session, holder, "the holder did not let go before the deadline"));
  if (!load.asked) {  // the attempt that was to leave the request was lost on its way
    load.intent = Intent::request;
    load.next_try = now();
    return;
  }
  load.intent = Intent::keep_request;
  // Where a hint does not reach us we look again after 1, 2, 4, then every 5 s, and when the lease
  // runs out.
  const Duration pause =
      (std::min)(Duration(1s) * (1 << (std::min)(load.attempts - 1, 3U)), Duration(5s));
  load.next_try = (std::min)({now() + pause, now() + holder.left + 1ms, load.deadline});
}

template <class B, class L>
Error Engine<B, L>::locked_error(const SessionCore& session, const HeldBy& holder,
                                 std::string detail) {
  return Error(Errc::locked, std::move(detail))
      .for_key(session.key())
      .held_by({std::string(holder.owner.server.view()), holder.epoch,
                std::chrono::duration_cast<std::chrono::milliseconds>(holder.age)});
}

}  // namespace persist::inline PERSIST_ABI
