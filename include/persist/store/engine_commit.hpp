#pragma once

#include <persist/codec/envelope.hpp>
#include <persist/store/engine_open.hpp>

#include <algorithm>

// What leaves of a session in a commit.

namespace persist::inline PERSIST_ABI {

/// The checksum an envelope carries, to tell whether the record is what was stored last.
[[nodiscard]] inline std::uint32_t stored_checksum(ByteView envelope) noexcept {
  using Layout = codec::EnvelopeLayout;
  return envelope.size() < Layout::size
             ? 0
             : load_little<std::uint32_t>(envelope.data() + Layout::checksum);
}

template <class B, class L>
Flight& Engine<B, L>::new_flight() {
  const Lock hold(mutex_);
  if (idle_flights_.empty()) return *flights_.emplace_back(std::make_unique<Flight>());
  Flight* flight = idle_flights_.back();
  idle_flights_.pop_back();
  return *flight;
}

template <class B, class L>
void Engine<B, L>::recycle(Flight& flight) {
  const Lock hold(mutex_);
  flight.clear();
  idle_flights_.push_back(&flight);
}

template <class B, class L>
Error Engine<B, L>::board(SessionCore& session, Aim aim) {
  const Lock hold(mutex_);
  if (ended(session.state) || session.state == State::loading)
    return Error(Errc::closed, "the session is not open").for_key(session.key());
  if (session.tie == Tie::none && aim != Aim::release && aim != Aim::give_back)
    return ephemeral(session.key());
  if (session.in_flight)
    return Error(Errc::busy, "a save of this session is under way").for_key(session.key());
  if (session.in_function)
    return Error(Errc::busy, "a handler, grant or transaction of this session is running")
        .for_key(session.key());
  // An open guard keeps the data back, not the renewal; but partners of a transaction only go with
  // their data.
  if (session.edit_guards != 0 && aim < Aim::hold &&
      (aim != Aim::renew || session.group() != nullptr))
    return Error(Errc::busy, "an edit guard of this session is open").for_key(session.key());
  session.in_flight = true;
  tell_lease(session, LeaseUse::taken);
  return Errc{};
}

template <class B, class L>
void Engine<B, L>::unboard(SessionCore& session, Cut& cut, bool over, const Result<Saved>& result) {
  const Lock hold(mutex_);
  undo(session, cut);
  session.in_flight = false;
  tell_lease(session, LeaseUse::free);
  if (!ended(session.state)) {
    if (failed(cut.refused))
      saved_event(session, cut.refused);
    else if (result.is(Errc::unknown_outcome))  // it was out: listeners heard that it began
      saved_event(session, result);
  }
  answer(session, cut.asked, result);
  if (!over || session.group() == nullptr) return;
  session.extras->group->durable = true;
  session.extras->group.reset();
}

/// Puts the session into the flight and, where a transaction is not durable yet, its partners. All
/// are marked as out, or on an error none.
template <class B, class L>
Error Engine<B, L>::assemble(Flight& flight, SessionCore& session, Aim aim, Reason reason) {
  const auto add = [&](SessionCore& each, SessionHost& host, Aim its_aim, Reason its_reason) {
    Error no = host.board(each, its_aim);
    if (failed(no)) return no;
    flight.add(SessionPtr(&each), host);
    flight.cuts[flight.size() - 1].aim = its_aim;
    flight.cuts[flight.size() - 1].reason = its_reason;
    return Error(Errc{});
  };
  Error no = add(session, *this, aim, reason);
  if (failed(no)) return no;
  {
    const Lock hold(mutex_);
    if (session.extras && aim < Aim::hold) flight.group = session.extras->group;
  }
  if (flight.group == nullptr) return no;
  for (const TransactionGroup::Partner& partner : flight.group->partners) {
    if (partner.session.get() == &session) continue;
    no = add(*partner.session, *partner.store, Aim::save, Reason::transaction);
    if (failed(no)) break;
  }
  if (failed(no))
    for (std::size_t i = 0; i < flight.size(); ++i)
      flight.hosts[i]->unboard(*flight.sessions[i], flight.cuts[i], false, no);
  return no;
}

/// Cuts every session of the flight. False where nothing is to be written: then the results are
/// final and nobody is out.
template <class B, class L>
bool Engine<B, L>::prepare_flight(Flight& flight) {
  flight.changes.resize(flight.size());
  flight.results.resize(flight.size());
  bool any = false;
  Error no{Errc{}};
  for (std::size_t i = 0; i < flight.size(); ++i) {
    SessionCore& session = *flight.sessions[i];
    flight.hosts[i]->cut(session, flight.cuts[i], flight.changes[i]);
    const Cut& cut = flight.cuts[i];
    // A transaction is written whole or not at all, and no record is given back behind an edit.
    if (failed(cut.refused) && (flight.group != nullptr || ended(session.state))) no = cut.refused;
    if (cut.held_back && (flight.size() > 1 || cut.aim != Aim::renew))
      no = Error(Errc::busy, "the data is being edited").for_key(session.key());
    any = any || flight.changes[i].writes() || (cut.aim > Aim::force && !cut.is_silent);
  }
  if (const Change& only = flight.changes[0];
      !failed(no) && flight.cuts[0].is_silent && only.lease == LeaseChange::release) {
    flight.changes[0].now = backend_time();
    flight.request.outcome = CommitRequest::Outcome::applied;
    any = true;
  }
  if (any && !failed(no)) {
    flight.request.changes = std::span(flight.changes);
    const TimePoint sent = now();
    for (std::size_t i = 0; i < flight.size(); ++i)
      flight.cuts[i].sent = sent;
    return true;
  }
  for (std::size_t i = 0; i < flight.size(); ++i) {
    SessionCore& session = *flight.sessions[i];
    const Error& why = failed(no) ? no : flight.cuts[i].refused;
    flight.results[i] =
        failed(why)
            ? Result<Saved>(why)
            : Result<Saved>(Saved{false, session.version, session.stored_bytes, session.updated});
    // A transaction that changed nothing is over.
    flight.hosts[i]->unboard(session, flight.cuts[i], !failed(why) && flight.size() > 1,
                             flight.results[i]);
  }
  return false;
}

template <class B, class L>
void Engine<B, L>::cut(SessionCore& session, Cut& cut, Change& change) {
  Lock hold(mutex_);
  // Its store was closed meanwhile, by another thread, or a listener had it erased.
  const auto is_gone = [&] {
    if (!ended(session.state)) return false;
    cut.refused = Error(Errc::closed, "the session has ended").for_key(session.key());
    return true;
  };
  if (is_gone()) return;
  const bool answers = cut.aim < Aim::renew || cut.aim == Aim::release;
  if (answers && session.extras) cut.asked.swap(session.extras->asked);
  // What a running function has sent belongs to its success.
  const bool is_wanted = cut.aim != Aim::release || options_.save_on_release ||
                         session.is_offline || session.group() != nullptr;
  const bool may_read =
      is_wanted && session.edit_guards == 0 && !session.in_function && session.tie != Tie::none;
  if (session.tie == Tie::none && session.dirty()) cut.refused = ephemeral(session.key());
  cut.key.append(session.key());
  if (may_read && wants_data(session, cut.aim)) {
    // Where somebody else has the session's lock it is being edited or looked at, and stays due.
    const bool readable = session.try_lock();
    if (readable) {
      const Result<void> ready = session.pull();
      if (is_heard(session)) tell_saving(session, cut.reason, hold);
      cut.held_back = session.edit_guards != 0;  // a handler keeps one open
      if (!cut.held_back && !ended(session.state)) cut_data(session, ready, cut, change);
      session.unlock();
    }
    cut.held_back = cut.held_back || !readable;
    if (is_gone()) return;
  }
  const bool data_is_whole = failed(cut.refused) ? false : (cut.has_data || !session.dirty());
  const bool has_to_say = session.tie == Tie::holds || session.wants_saves() || cut.has_data;
  if (data_is_whole && may_read && has_to_say && cut.aim < Aim::hold)
    cut_rest(session, cut, change);
  address(session, cut, change);
  cut.is_silent = session.tie != Tie::holds && !change.writes();
}

/// Listeners run without the store's lock: they may wait for a thread that waits for this store.
template <class B, class L>
void Engine<B, L>::tell_saving(SessionCore& session, Reason reason, Lock& hold) {
  preparers_.push_back(std::this_thread::get_id());
  hold.unlock();
  session.fire_saving(reason);
  hold.lock();
  preparers_.erase(std::find(preparers_.begin(), preparers_.end(), std::this_thread::get_id()));
}

/// What a change says beside its content: whose it is, under which number, and what becomes of the
/// lease.
template <class B, class L>
void Engine<B, L>::address(SessionCore& session, const Cut& cut, Change& change) {
  change.store = store_;
  change.key = as_text(cut.key);
  change.fence = {session.epoch, owner_of(session), ++session.write};
  if (session.tie == Tie::looked) {
    change.claims = L::kind == LockKind::optimistic ? Claims::unleased : Claims::anyway;
    change.seen_version = session.version;
  }
  change.limits = &limits_;
  change.history = history_;
  change.seen_position = session.extras ? session.extras->seen_position : 0;
  const bool gives_back = cut.aim == Aim::release || cut.aim == Aim::give_back;
  if (gives_back)
    change.lease = LeaseChange::release;
  else if constexpr (L::is_leased)
    change.lease = LeaseChange::renew;
  change.lease_length = options_.lease;
  // A load that came to nothing does not count as one.
  if (cut.aim == Aim::give_back && !session.counted) change.load_count = session.load_count;
}

/// Whether a commit with that aim looks at the data. That of a pending transaction always does: its
/// partners are in it, with theirs.
template <class B, class L>
bool Engine<B, L>::wants_data(const SessionCore& session, Aim aim) const {
  switch (aim) {
    case Aim::save:
      return session.wants_saves();
    case Aim::renew:
      return session.dirty() && (session.group() != nullptr || !in_gap(session));
    case Aim::hold:
    case Aim::give_back:
      return false;
    case Aim::release:
      return session.tie == Tie::holds || session.wants_saves();
    default:
      return true;
  }
}

/// Whether something leaves beside the data. The data goes with it even where it is equal, because
/// the record's version grows with data only, and whoever claims the record by what it saw of that
/// must not let the same message or purchase take effect again.
[[nodiscard]] inline bool says_more(const SessionCore& session) {
  if (!session.extras) return false;
  const SessionExtras& extras = *session.extras;
  return !extras.sends.empty() || !extras.pending_receipts.empty() ||
         std::any_of(extras.inbox.begin(), extras.inbox.end(),
                     [](const WaitingMessage& each) { return each.handled; });
}

/// Encodes the data and decides whether it has to be written.
template <class B, class L>
void Engine<B, L>::cut_data(SessionCore& session, const Result<void>& ready, Cut& cut,
                            Change& change) {
  cut.generation = session.edited;
  const bool touched = session.dirty();
  const Result<bool> exists = ready ? session.encode(cut) : ready.error();
  if (!exists) {
    cut.refused = exists.error();
  } else if (const std::size_t most = most_bytes(cut.wrap == nullptr); cut.data.size() > most) {
    cut.refused = Error(Errc::too_large, "the record has " + std::to_string(cut.data.size()) +
                                             " bytes; the limit is " + std::to_string(most))
                      .for_key(session.key());
  }
  if (failed(cut.refused)) {
    if (spill_ != nullptr && ready && cut.aim == Aim::release) {
      cut.data.clear();
      cut.is_aside = true;
      cut.is_aside = session.encode(cut).value_or(false);
    }
    ++metrics_.saves_refused;
    Event event;
    event.kind = Event::Kind::save_refused;
    event.error = cut.refused;
    tell(session, std::move(event));
    return;
  }
  cut.bytes = cut.stored = static_cast<std::uint32_t>(cut.data.size());
  cut.crc = *exists ? stored_checksum(cut.data) : 0;
  // What is wrapped has another length when it is stored; the checksum is over the length too.
  const bool same = session.has_record == *exists && cut.crc == session.encoded_crc &&
                    (cut.bytes == session.stored_bytes || cut.wrap != nullptr);
  const bool must = cut.aim == Aim::force || (cut.aim == Aim::release && session.skips_equal);
  if (same && !must && (!touched || (session.skips_equal && !says_more(session)))) {
    session.saved.store(cut.generation, std::memory_order_relaxed);  // what is stored is all
    session.save_at = TimePoint{};
    if (session.skips_equal) stamp(session);
    return;
  }
  cut.has_data = true;
  if (cut.drops) tell_dropped(session);
  if (*exists)
    change.data = &cut.data, change.schema = cut.schema;
  else
    change.removes_data = true;
  if (cut.has_indexed) change.indexed = &cut.indexed;
}

/// What belongs to the same moment as the data: acknowledgements, receipts, messages, user ids,
/// metadata.
template <class B, class L>
void Engine<B, L>::cut_rest(SessionCore& session, Cut& cut, Change& change) {
  if (!session.extras) return;
  SessionExtras& extras = *session.extras;
  for (const WaitingMessage& waiting : extras.inbox)
    if (waiting.handled) cut.acknowledged.push_back(waiting.message.position);
  change.acknowledged = cut.acknowledged;

  cut.messages = extras.sends;
  for (const OutgoingMessage& message : cut.messages) {
    Send send;
    send.store = message.store;
    send.key = message.key;
    send.number = message.number;
    send.message = message.view();
    cut.sends.push_back(send);
  }
  change.sends = cut.sends;

  cut.receipts = extras.pending_receipts;
  change.receipts = cut.receipts;
  change.forget_receipts = forget_through(extras.receipts, backend_time());
  if (std::exchange(extras.user_ids.changed, false)) {
    cut.has_ids = true;
    cut.user_ids = extras.user_ids.value;
    change.user_ids = &cut.user_ids;
  }
  if (std::exchange(extras.metadata.changed, false)) {
    cut.has_metadata = true;
    cut.metadata = extras.metadata.value;
    change.metadata = &cut.metadata;
  }
}

}  // namespace persist::inline PERSIST_ABI
