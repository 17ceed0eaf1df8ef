#pragma once

#include <persist/store/engine_spill.hpp>

#include <algorithm>
#include <iterator>

// The end of a store.

namespace persist::inline PERSIST_ABI {

template <class B, class L>
std::size_t Engine<B, L>::ask_all_to_end() {
  const std::vector<SessionPtr> all = everything();
  const Lock hold(mutex_);
  for (const SessionPtr& session : all) {
    if (LoadState* load = session->load()) {
      for (LoadState::Waiter& waiter : load->waiters)
        waiter.waits = false;
      call_off(*session);
    } else {
      request_release(*session, Reason::shutdown);
    }
  }
  return all.size() + resends_.size();
}

template <class B, class L>
bool Engine<B, L>::can_any_end() {
  const Lock hold(mutex_);
  return Access::is_shared || !resends_.empty() || can_any_leave();
}

template <class B, class L>
void Engine<B, L>::list_left(std::vector<LeftOpen>& into) {
  for (const SessionPtr& session : everything())
    into.push_back({name_, std::string(session->key()), session->dirty()});
}

template <class B, class L>
bool Engine<B, L>::drive(Driver* driver) {
  Driver* none = nullptr;
  if (driver != nullptr && !driver_.compare_exchange_strong(none, driver)) return false;
  const Lock hold(mutex_);
  for (const SessionPtr& session : registry_.all()) {
    if (!session->in_flight) tell_lease(*session, driver ? LeaseUse::free : LeaseUse::over);
    if (!session->in_flight && session->load() == nullptr) reschedule(*session);
  }
  driver_ = driver;
  return true;
}

/// Whoever renewed it knows more of the lease than the session does: the numbers, and the time.
template <class B, class L>
void Engine<B, L>::hear_of_renewal(std::string_view key, std::uint64_t number) {
  const Lock hold(mutex_);
  SessionCore* session = nullptr;
  registry_.each(key, [&](SessionCore& each) {
    if (each.number == number) session = &each;
  });
  if (session == nullptr || session->in_flight) return;
  tell_lease(*session, LeaseUse::free);
  if (session->state == State::suspect && now() < trusted_until(*session))
    change_state(*session, State::open);
  reschedule(*session);
}

template <class B, class L>
std::size_t Engine<B, L>::close_all(TimePoint deadline) {
  RoundPartner<B>* self = this;
  waits_for_storage();
  // At 80 % of the time what is not saved is spilled, if there is a folder for it; the rest of the
  // time is for what is left.
  const TimePoint begun = now();
  TimePoint spill_at = begun < deadline ? begun + (deadline - begun) / 5 * 4 : deadline;
  std::size_t spilled = 0;
  while (true) {
    (void)ask_all_to_end();
    const TimePoint partners_next = finish_partners(false);
    const TimePoint next =
        (std::min)(partners_next, poll_partners<B>(std::span(&self, 1), Duration::zero(), clock_));
    // What still goes back of sessions that have ended goes now, or waits for its lease to run out.
    const bool gives_back = [&] {
      const Lock hold(mutex_);
      return !resends_.empty();
    }();
    if (open_sessions() == 0 && !gives_back) break;
    if (now() >= spill_at) {
      spilled += spill_rest();
      spill_at = deadline;
    }
    if (now() >= deadline) break;
    // What keeps them here is this thread's own, and does not end while we wait.
    if (!Access::is_shared && !gives_back && partners_next == TimePoint::max() && !can_any_leave())
      break;
    sleep_until((std::min)(next, spill_at));
  }
  return open_sessions() + spilled;
}

template <class B, class L>
bool Engine<B, L>::can_any_leave() {
  const Lock hold(mutex_);
  const std::vector<SessionPtr> all = everything();
  return std::any_of(all.begin(), all.end(), [](const auto& each) { return can_leave(*each); });
}

/// Every session that has not ended, also those whose load waits for a release.
template <class B, class L>
std::vector<SessionPtr> Engine<B, L>::everything() {
  const Lock hold(mutex_);
  std::vector<SessionPtr> all = registry_.all();
  all.insert(all.end(), queued_loads_.begin(), queued_loads_.end());
  return all;
}

template <class B, class L>
void Engine<B, L>::let_go() {
  (void)spill_rest();
  std::vector<SessionPtr> all = everything();
  {
    const Lock hold(mutex_);
    closing_ = true;
    queued_loads_.clear();
  }
  for (const SessionPtr& session : all) {
    Lock hold(mutex_);
    if (session->load() != nullptr) {
      load_done(*session, Error(Errc::closed, "the store was closed").for_key(session->key()));
    } else if (!session->gives_back) {
      log(LogLevel::error, std::string(session->key()) +
                               ": the store was closed before its last changes were saved");
    }
    hold.unlock();
    end(*session, State::lost, Reason::shutdown, false);
  }
  drain();
  Lock hold(mutex_);
  if constexpr (Access::is_shared) {
    // Another thread, whose commit has a partner here, still tells listeners of this store.
    while (draining_ || !preparers_.empty()) {
      hold.unlock();
      std::this_thread::yield();
      hold.lock();
    }
  }
  for (const SessionPtr& session : retired_.all()) {
    retired_.remove(*session);
    session->detach();
  }
  // A commit that would have gone again holds the stores of its partners, and this is one of them.
  std::vector<SaveAnswer> asked;
  for (const auto& [at, flight] : resends_) {
    for (std::size_t i = 0; i < flight->size(); ++i)
      std::move(flight->cuts[i].asked.begin(), flight->cuts[i].asked.end(),
                std::back_inserter(asked));
    flight->clear();
  }
  resends_.clear();
  hold.unlock();
  const Result<Saved> unknown = Error(Errc::unknown_outcome, "the store was closed before a reply");
  for (const SaveAnswer& each : asked)
    each(unknown);
}

template <class B, class L>
bool Engine<B, L>::is_busy() {
  const Lock hold(mutex_);
  const auto runs = [](const SessionPtr& session) { return session->in_function.load(); };
  const std::vector<SessionPtr> open = everything();
  const std::vector<SessionPtr> gone = retired_.all();
  const auto self = std::this_thread::get_id();
  const bool drains = draining_ && (!Access::is_shared || drainer_ == self);
  const bool prepares = std::find(preparers_.begin(), preparers_.end(), self) != preparers_.end();
  return drains || prepares || visits_ != 0 || detail::HookScope::active() ||
         std::any_of(open.begin(), open.end(), runs) || std::any_of(gone.begin(), gone.end(), runs);
}

}  // namespace persist::inline PERSIST_ABI
