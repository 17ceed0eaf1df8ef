#pragma once

#include <persist/store/engine_replay.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

// What a store cannot save when it closes goes to its spill journal.

namespace persist::inline PERSIST_ABI {

/// Writes each flight to the journal as an entry, those that could not be say why in their request.
template <class B, class L>
void Engine<B, L>::write_entries(std::span<Flight* const> flights, std::string_view why,
                                 std::uint64_t follows) {
  constexpr std::size_t at_once = 64;
  for (; !flights.empty(); flights = flights.subspan((std::min)(at_once, flights.size()))) {
    const auto some = flights.first((std::min)(at_once, flights.size()));
    std::vector<spill::Journal<>::Written> batch(some.size());
    std::vector<spill::Entry> entries(some.size());
    for (std::size_t i = 0; i < some.size(); ++i) {
      auto entry = spill::entry_of(*some[i], store_, about());
      if (entry) {
        entries[i] = *std::move(entry);
        sign(entries[i], why);
        entries[i].follows = follows;
        const auto encoded = spill::encode(entries[i], batch[i].bytes);
        if (!encoded) batch[i].error = encoded.error();
      } else {
        batch[i].error = entry.error();
      }
    }
    const Lock hold(mutex_);
    spill_->journal().write(batch);
    for (std::size_t i = 0; i < some.size(); ++i) {
      some[i]->spilled_as = batch[i].file;
      some[i]->request.error = batch[i].error;
      if (failed(batch[i].error)) continue;
      ++metrics_.spilled;
      spill_->wait_for({batch[i].file, entries[i].keys_in(spill_->self()), entries[i].at, follows,
                        Error(Errc::unavailable, entries[i].why)});
      spill_->next_try = (std::min)(spill_->next_try, now() + 1s);
    }
  }
}

template <class B, class L>
void Engine<B, L>::sign(spill::Entry& entry, std::string_view why) const {
  entry.at = backend_time();
  entry.server = server_.server.view();
  entry.why = why;
}

/// What was refused when its session ended is kept aside, for a person to look at, with all that
/// was to be saved with it.
template <class B, class L>
void Engine<B, L>::quarantine(SessionCore& session, Cut& cut, const Change& change,
                              const Flight& of) {
  const Lock hold(mutex_);
  Change whole;
  whole.store = change.store;
  whole.key = change.key, whole.fence = change.fence;
  whole.data = &cut.data, whole.schema = cut.schema;
  if (cut.has_indexed) whole.indexed = &cut.indexed;
  cut_rest(session, cut, whole);
  (void)keep_aside(
      spill::entry_of(std::span(&whole, 1), std::span(&cut, 1), spill::Places(store_, about(), of)),
      cut.refused, session.key());
}

/// Writes what is never sent by itself. Returns the name of its file, empty where there is none.
template <class B, class L>
std::string Engine<B, L>::keep_aside(Result<spill::Entry> entry, const Error& why,
                                     std::string_view key) {
  const Lock hold(mutex_);
  spill::Journal<>::Written written;
  if (!entry) {
    written.error = entry.error();
  } else {
    entry->kind = spill::Kind::quarantined;
    sign(*entry, why.message());
    if (const auto encoded = spill::encode(*entry, written.bytes); !encoded)
      written.error = encoded.error();
    else if (!can_spill())
      written.error = spill_->error();
    else
      spill_->journal().write(std::span(&written, 1));
  }
  if (failed(written.error)) {
    log(LogLevel::error, std::string(key) + ": its last changes were refused, and could not be " +
                             "kept aside: " + written.error.message());
    return {};
  }
  ++metrics_.quarantined;
  Spilled kept{Spilled::State::quarantined, written.file, entry->keys_in(spill_->self()), entry->at,
               why};
  tell_kept(kept);
  spill_->keep(std::move(kept));
  return written.file;
}

/// Keeps a transaction aside that cannot be sent because one partner's data is refused: whole, as
/// it would have been stored. False where there is no such data, or it could not be written.
template <class B, class L>
bool Engine<B, L>::quarantine_all(Flight& flight) {
  std::size_t culprit = flight.size();
  for (std::size_t i = 0; i < flight.size(); ++i) {
    Cut& cut = flight.cuts[i];
    if (!cut.is_aside) continue;
    culprit = i;
    Change& change = flight.changes[i];
    change.data = &cut.data, change.schema = cut.schema;
    if (cut.has_indexed) change.indexed = &cut.indexed;
    const Lock hold(mutex_);
    if (flight.hosts[i] == this) cut_rest(*flight.sessions[i], cut, change);
  }
  if (culprit == flight.size()) return false;
  const Error why = flight.cuts[culprit].refused;
  const std::string file =
      keep_aside(spill::entry_of(flight, store_, about()), why, flight.sessions[culprit]->key());
  if (file.empty()) return false;
  flight.spilled_as = file;
  for (std::size_t i = 0; i < flight.size(); ++i)
    if (!failed(flight.cuts[i].refused))
      flight.cuts[i].refused = Error(why.code(),
                                     "a partner's data was refused; all of the "
                                     "transaction is kept aside as " +
                                         file)
                                   .for_key(flight.sessions[i]->key());
  return true;
}

template <class B, class L>
void Engine<B, L>::unboard_all(Flight& flight) {
  const bool failed_to_spill = failed(flight.request.error);
  const Error why =
      failed_to_spill ? flight.request.error : Error(Errc::closed, "the store is closing");
  for (std::size_t i = 0; i < flight.size(); ++i)
    flight.hosts[i]->unboard(*flight.sessions[i], flight.cuts[i], false, why);
}

/// Commits that were sent and whose outcome nobody knows are kept as they are.
template <class B, class L>
std::size_t Engine<B, L>::spill_unknown() {
  std::vector<Flight*> flights;
  {
    const Lock hold(mutex_);
    std::erase_if(resends_, [&](const std::pair<TimePoint, Flight*>& resend) {
      const bool is_kept = resend.second->cuts[0].aim != Aim::give_back;
      if (is_kept) flights.push_back(resend.second);
      return is_kept;
    });
  }
  write_entries(flights, "nobody knows whether it was saved");
  std::size_t ended_here = 0;
  for (Flight* flight : flights) {
    if (!flight->spilled_as.empty()) {
      ended_here += end_unknown(*flight);
      recycle(*flight);
      continue;
    }
    log(LogLevel::error, "a commit could not be spilled: " + flight->request.error.message());
    const Lock hold(mutex_);
    resends_.emplace_back(now(), flight);
  }
  return ended_here;
}

template <class B, class L>
TimePoint Engine<B, L>::finish_unknown(bool keeps) {
  send_again_now();
  if (keeps && can_spill()) (void)spill_unknown();
  drain();
  const Lock hold(mutex_);
  TimePoint next = TimePoint::max();
  for (const auto& [at, flight] : resends_)
    next = (std::min)(next, at);
  return next;
}

/// The commit of a transaction that is to go again lies with the store that sent it, which may be
/// polled no more.
template <class B, class L>
TimePoint Engine<B, L>::finish_partners(bool keeps) {
  std::vector<std::shared_ptr<TransactionGroup>> groups;
  {
    const Lock hold(mutex_);
    for (const SessionPtr& session : everything())
      if (session->in_flight && session->group() != nullptr)
        groups.push_back(session->extras->group);
  }
  TimePoint next = TimePoint::max();
  for (const auto& group : groups)
    for (const TransactionGroup::Partner& partner : group->partners)
      if (partner.store.get() != this)
        next = (std::min)(next, partner.store->finish_unknown(keeps));
  return next;
}

/// Ends the sessions of a commit that is in the journal. What was edited behind it goes into an
/// entry that follows it: whether the one is in the database decides about the other.
template <class B, class L>
std::size_t Engine<B, L>::end_unknown(Flight& flight) {
  const auto goes_on = [&](std::size_t i) { return !ended(flight.sessions[i]->state); };
  bool has_more = false;
  for (std::size_t i = 0; i < flight.size(); ++i) {
    const SessionCore& session = *flight.sessions[i];
    has_more =
        has_more || (goes_on(i) && session.dirty() && session.edited != flight.cuts[i].generation);
  }
  for (std::size_t i = 0; i < flight.size(); ++i)
    if (flight.cuts[i].is_aside)
      quarantine(*flight.sessions[i], flight.cuts[i], flight.changes[i], flight);
  if (!has_more) return settle_spilled(flight);
  Flight& more = new_flight();  // without a group: what follows a transaction is none
  for (std::size_t i = 0; i < flight.size(); ++i) {
    if (!goes_on(i)) continue;
    SessionHost& host = *flight.hosts[i];
    host.unboard(*flight.sessions[i], flight.cuts[i], false,
                 Error(Errc::unknown_outcome, "nobody knows whether it was saved; it is spilled"));
    const Error no = host.board(*flight.sessions[i], Aim::release);
    if (failed(no)) {
      log(LogLevel::error, "what was edited behind that commit is not saved: " + no.message());
      continue;
    }
    more.add(flight.sessions[i], host);
    more.cuts[more.size() - 1].aim = Aim::release;
    more.cuts[more.size() - 1].reason = Reason::shutdown;
  }
  for (SessionHost* host : more.hosts)  // listeners hear of the one before the other begins
    host->drain();
  const auto before = spill::FileName::read(flight.spilled_as);
  const std::size_t ended_here = more.size() != 0 ? follow(more, before ? before->number : 0) : 0;
  recycle(more);
  return ended_here + settle_spilled(flight);
}

/// Writes what was edited behind a commit as an entry that follows it. What a rule refuses is kept
/// aside, and no partner's edits are lost for it.
template <class B, class L>
std::size_t Engine<B, L>::follow(Flight& more, std::uint64_t number) {
  if (!prepare_flight(more)) {
    log(LogLevel::error, "what was edited behind a commit of unknown outcome is not saved: " +
                             more.results[0].error().message());
    return 0;
  }
  for (std::size_t i = 0; i < more.size(); ++i)
    if (more.cuts[i].is_aside) quarantine(*more.sessions[i], more.cuts[i], more.changes[i], more);
  if (std::none_of(more.changes.begin(), more.changes.end(),
                   [](const Change& change) { return change.writes(); }))
    return unboard_all(more), 0;
  Flight* const one = &more;
  write_entries(std::span(&one, 1), "it was edited behind a commit of unknown outcome", number);
  return keep_or_end(more);
}

/// Ends the sessions of a flight whose entry was written; else they stay, and it is told.
template <class B, class L>
std::size_t Engine<B, L>::keep_or_end(Flight& flight) {
  if (!flight.spilled_as.empty()) return settle_spilled(flight);
  log(LogLevel::error, std::string(flight.sessions[0]->key()) +
                           ": could not be spilled: " + flight.request.error.message());
  unboard_all(flight);
  return 0;
}

/// Puts what the session has not saved into a flight that goes to the journal; null if there is
/// nothing, or it cannot be taken now.
template <class B, class L>
Flight* Engine<B, L>::cut_for_spill(SessionCore& session) {
  {
    const Lock hold(mutex_);
    if (ended(session.state) || session.state == State::loading || session.gives_back ||
        session.in_flight)
      return nullptr;
  }
  Flight& flight = new_flight();
  const auto nothing = [&]() -> Flight* { return recycle(flight), nullptr; };
  if (failed(assemble(flight, session, Aim::release, Reason::shutdown))) return nothing();
  for (std::size_t i = 0; i < flight.size(); ++i)  // partners too: none of them goes on
    flight.cuts[i].aim = Aim::release;
  if (!prepare_flight(flight)) {
    if (flight.group != nullptr && quarantine_all(flight)) (void)settle_spilled(flight);
    return nothing();
  }
  const auto says_something = [](const Change& change) {
    return change.data != nullptr || change.removes_data || change.user_ids != nullptr ||
           change.metadata != nullptr || !change.acknowledged.empty() || !change.sends.empty() ||
           !change.receipts.empty();
  };
  if (std::any_of(flight.changes.begin(), flight.changes.end(), says_something)) return &flight;
  const bool was_refused = flight.cuts[0].is_aside;
  if (was_refused) quarantine(session, flight.cuts[0], flight.changes[0]);
  unboard_all(flight);
  if (was_refused) end(session, State::lost, Reason::shutdown, false);
  return nothing();
}

/// Writes what is not saved to the journal and ends the sessions whose changes are there. Those
/// that have nothing to save, or are being edited, stay. Says how many ended.
template <class B, class L>
std::size_t Engine<B, L>::spill_rest() {
  {
    const Lock hold(mutex_);
    if (registry_.size() == 0 && resends_.empty()) return 0;
  }
  const std::size_t before = open_sessions();
  (void)finish_partners(true);
  std::size_t ended_here = before - open_sessions();
  if (!can_spill()) {
    if (!options_.spill.empty())
      log(LogLevel::error, "nothing can be spilled: " + spill_->error().message());
    return ended_here;
  }
  ended_here += spill_unknown();
  std::vector<Flight*> flights;
  const std::size_t not_cut = open_sessions();
  for (const SessionPtr& session : everything())
    if (Flight* flight = cut_for_spill(*session)) flights.push_back(flight);
  ended_here += not_cut - (std::min)(not_cut, open_sessions());  // what was kept aside
  write_entries(flights, "it could not be saved before the store closed");
  for (Flight* flight : flights) {
    ended_here += keep_or_end(*flight);
    recycle(*flight);
  }
  if (ended_here != 0)
    log(LogLevel::warning, "not saved, " + std::to_string(ended_here) +
                               (ended_here == 1 ? " session: its" : " sessions: their") +
                               " changes lie in " + options_.spill +
                               " and are sent at the next start");
  drain();
  return ended_here;
}

template <class B, class L>
std::size_t Engine<B, L>::settle_spilled(Flight& flight) {
  std::size_t ended_here = 0;
  for (std::size_t i = 0; i < flight.size(); ++i) {
    ended_here += flight.hosts[i] == this && !ended(flight.sessions[i]->state) ? 1U : 0U;
    flight.hosts[i]->settle(*flight.sessions[i], flight.cuts[i], flight.changes[i], flight,
                            flight.results[i]);
  }
  for (SessionHost* host : flight.hosts)
    if (host != this) host->drain();
  return ended_here;
}

/// Its changes are in the journal, with those of its partners: it writes no more.
template <class B, class L>
void Engine<B, L>::end_spilled(SessionCore& session, const Cut& cut, const Flight& flight,
                               Result<Saved>& to) {
  if (session.extras) session.extras->group.reset();
  if (failed(cut.refused))
    to = cut.refused;
  else
    to = Error(Errc::unavailable,
               "not saved but spilled as " + flight.spilled_as + "; it is sent again later")
             .for_key(session.key());
  saved_event(session, to);
  end(session, State::lost, Reason::shutdown, false);
}

}  // namespace persist::inline PERSIST_ABI
