#pragma once

#include <persist/detail/caught.hpp>
#include <persist/store/engine_settle.hpp>

#include <algorithm>

// What a load does that did not get the record.

namespace persist::inline PERSIST_ABI {

/// An attempt failed, and may have been carried out all the same.
template <class B, class L>
void Engine<B, L>::unanswered(SessionCore& session, const Error& error) {
  LoadState& load = *session.load();
  const bool may_pass = persist::may_pass(error);
  if (may_pass && load.intent != Intent::look) load.unheard_of = true;
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

/// What is to be done about the holder. A function of the game's runs without the lock, as it may
/// wait for a thread that waits for this store.
template <class B, class L>
Decision Engine<B, L>::decide(const SessionCore& session, LoadState& load, const HeldBy& holder) {
  std::function<Decision(const Obstacle&)> ask;  // who joins may bring one meanwhile
  Obstacle met{session.key(), holder.owner.server.view(), holder.epoch, holder.age, holder.left};
  {
    const Lock hold(mutex_);
    if (!load.ask || load.once || load.intent == Intent::withdraw) return load.conflict;
    // This attempt did what was decided, or a hint had it come before its time.
    if (load.intent == Intent::request && load.looks != 0) return load.decided;
    if (now() < load.look_at) return {load.decided.what, load.look_at - now()};
    met.waited = now() - load.began;
    met.attempts = ++load.looks;
    met.asked = load.asked || holder.asker == owner_of(session);
    ask = load.ask;
    ++visits_;
  }
  const Result<Decision> decided =
      detail::caught("the function of conflict::Ask", [&] { return ask(met); });
  if (!decided) log(LogLevel::error, decided.error().message() + "; that is taken for a refusal");
  Decision what = decided ? *decided : Decision();
  const Lock hold(mutex_);
  --visits_;
  what.what = (std::max)(what.what, load.conflict);  // what others want who wait for the same load
  load.look_at = after(now(), what.pause);
  return load.decided = what;
}

/// The record was found held: what the next attempt is, and when, or the end of the load.
template <class B, class L>
void Engine<B, L>::held(SessionCore& session, const HeldBy& holder, const Decision& decided) {
  LoadState& load = *session.load();
  const bool is_ours = holder.asker == owner_of(session);
  load.asked = load.asked || is_ours;
  if (!load.unheard_of) load.sent.reset();
  if (!load.has_waiters())
    return give_up(
        session,
        Error(Errc::cancelled, "nobody waits for this load any more").for_key(session.key()));
  const auto again = [&](Intent intent) { load.intent = intent, load.next_try = now(); };
  Conflict what = load.once ? Conflict::refuse : decided.what;
  if (what == Conflict::steal && load.steals++ >= 8) what = Conflict::refuse;
  if (what == Conflict::refuse)
    return give_up(session, locked_error(session, holder, "it was not asked to let go"));
  if (what == Conflict::steal) {
    load.seen_epoch = holder.epoch;
    load.seen_renewals = holder.renewals;
    return again(Intent::steal);
  }
  TimePoint over_at = after(now(), holder.left + 1ms);
  if constexpr (!judges_leases<B>) {
    over_at = watch(load, holder);
    if (now() >= over_at) {
      load.seen_epoch = holder.epoch;
      load.seen_renewals = holder.renewals;
      return again(Intent::steal);
    }
  }
  const bool requests = what == Conflict::request;
  // Free, but for one who asked and may be gone.
  if (judges_leases<B> && requests && !load.asked && holder.left <= Duration::zero())
    return again(Intent::request);
  if (requests && load.has_asked && !is_ours && !holder.asker.nobody())
    return give_up(session,
                   locked_error(session, holder, "a newer request came from another server"));
  if (now() >= load.deadline)
    return give_up(session,
                   locked_error(session, holder, "the holder did not let go before the deadline"));
  // Not left yet, or the attempt that was to leave it was lost on its way.
  if (requests && !load.asked) return again(Intent::request);
  load.intent = is_ours ? Intent::keep_request : Intent::wait;
  // Where a hint does not reach us we look again after a while, and when the lease runs out.
  const Duration usual =
      (std::min)(Duration(1s) * (1 << (std::min)(load.attempts - 1, 3U)), Duration(5s));
  const Duration pause = decided.pause > Duration::zero() ? decided.pause : usual;
  load.next_try = (std::min)({after(now(), pause), over_at, load.deadline});
}

/// When the holder may be taken over from, if nothing is heard of it until then.
template <class B, class L>
TimePoint Engine<B, L>::watch(LoadState& load, const HeldBy& holder) const {
  if (load.watched_epoch != holder.epoch || load.watched_renewals != holder.renewals) {
    load.watched_epoch = holder.epoch;
    load.watched_renewals = holder.renewals;
    load.watched_since = now();
  }
  return after(load.watched_since, holder.lease + holder.lease / 10);
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
