#pragma once

#include <persist/store/engine_poll.hpp>
#include <persist/store/relay.hpp>

#include <algorithm>
#include <string>
#include <utility>

// Messages that wait in outboxes.

namespace persist::inline PERSIST_ABI {

/// Sends on what waits, in this call.
template <class B, class L>
void Engine<B, L>::relay() {
  Relay relay;
  if (!begin_relay(relay)) return;
  relay.perform(backend_);
  end_relay(relay);
}

template <class B, class L>
bool Engine<B, L>::begin_relay(Relay& relay) {
  const Lock hold(mutex_);
  relay.sent = now();
  if (relay.sent < next_relay_) return false;
  relay.store = store_;
  relay.birth = birth_;
  relay.limits = limits_;
  relay.after = relay_after_;      // of its own: another thread may relay too
  next_relay_ = TimePoint::max();  // until this one has ended
  return true;
}

template <class B, class L>
void Engine<B, L>::end_relay(Relay& relay) {
  const bool to_the_end = relay.is_last_page();
  bool left_behind = failed(relay.list.error) || !to_the_end || !relay.all_sent;
  const Lock hold(mutex_);
  for (const RelayRequest& take : relay.takes) {
    left_behind = left_behind || failed(take.error);
    if (failed(take.error)) continue;
    metrics_.messages_relayed += take.take.size();
    if (SessionCore* here = registry_.find(take.take_from); here != nullptr && here->extras)
      here->extras->outbox_waiting -= (std::min)(here->extras->outbox_waiting, take.take.size());
  }
  if (!failed(relay.list.error)) {
    hear_time(relay.list.now, relay.sent);
    forget_sent(relay.list, to_the_end);
    // The next call goes on behind these, so that full receivers hold up nobody else's messages.
    relay_after_ = to_the_end ? std::string() : std::move(relay.list.waiting.back().key);
  }
  // A receiver that is full stays full until its owner plays: looking every few seconds is often
  // enough.
  next_relay_ = now() + (left_behind ? options_.relay : 4 * options_.relay);
  if (options_.relay <= Duration::zero()) next_relay_ = TimePoint::max();
}

/// Messages of that session wait, which had none that did.
template <class B, class L>
void Engine<B, L>::relay_soon(SessionCore& session, TimePoint at) {
  if (options_.relay <= Duration::zero()) return;
  next_relay_ = (std::min)(next_relay_, at);
  senders_.emplace_back(&session);
}

/// Sessions here whose messages another server has sent on: the page has what still waits of the
/// keys that it goes over.
template <class B, class L>
void Engine<B, L>::forget_sent(const RelayRequest& page, bool to_the_end) {
  std::erase_if(senders_, [&](const SessionPtr& session) {
    if (ended(session->state) || session->in_flight) return ended(session->state);
    const auto& waiting = page.waiting;
    if (session->key() <= page.after || (!to_the_end && session->key() > waiting.back().key))
      return false;
    const bool waits = std::any_of(waiting.begin(), waiting.end(),
                                   [&](const auto& each) { return each.key == session->key(); });
    if (!waits && session->extras) session->extras->outbox_waiting = 0;
    return !waits;
  });
}

}  // namespace persist::inline PERSIST_ABI
