#pragma once

#include <persist/store/engine_spill.hpp>

#include <algorithm>

// The end of a store.

namespace persist::inline PERSIST_ABI {

template <class B, class L>
std::size_t Engine<B, L>::close_all(TimePoint deadline) {
  RoundPartner<B>* self = this;
  // At 80 % of the time what is not saved is spilled, if there is a folder for it; the rest of the
  // time is for what is left.
  const TimePoint begun = now();
  TimePoint spill_at = begun < deadline ? begun + (deadline - begun) / 5 * 4 : deadline;
  std::size_t spilled = 0;
  while (true) {
    std::vector<SessionPtr> all = everything();
    for (const SessionPtr& session : all) {
      const Lock hold(mutex_);
      if (LoadState* load = session->load()) {
        for (LoadState::Waiter& waiter : load->waiters)
          waiter.waits = false;
        call_off(*session);
      } else {
        request_release(*session, Reason::shutdown);
      }
    }
    const TimePoint next = poll_partners<B>(std::span(&self, 1), Duration::zero(), clock_);
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
    if (!Access::is_shared && !gives_back && !can_any_leave()) break;
    clock_.wait_until((std::min)(next, spill_at), wakes_->wake());
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
  for (const auto& [at, flight] : resends_)
    flight->clear();
  resends_.clear();
}

}  // namespace persist::inline PERSIST_ABI
