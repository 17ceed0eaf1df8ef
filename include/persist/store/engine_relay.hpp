#pragma once

#include <persist/store/engine_poll.hpp>

#include <algorithm>
#include <set>

namespace persist::inline PERSIST_ABI {

/// Posts what waits in the outboxes of this store's records, in order per receiver, and takes out
/// what was accepted.
///
/// Needs no lease: a message is known by its sender's number, so posting it again changes nothing,
/// and taking it out names it. A server that dies in between leaves a message that the next one
/// posts again.
template <class B, class L>
void Engine<B, L>::relay() {
  RelayRequest list;
  list.store = store_;
  std::string after;  // of our own: another thread may relay too
  {
    const Lock hold(mutex_);
    after = relay_after_;
  }
  list.after = after;
  const TimePoint sent = now();
  backend_.relay(std::span(&list, 1));
  const bool to_the_end = list.waiting.size() < list.most;
  bool left_behind = failed(list.error) || !to_the_end;
  for (const RelayRequest::Waiting& record : list.waiting) {
    const Hash128 sender = hash(record.key);
    std::vector<OutgoingMessage> taken;
    std::set<std::string_view> full;  // a later message must not overtake one that has no room
    for (const OutgoingMessage& message : record.messages) {
      if (full.contains(message.key)) continue;
      PostRequest post;
      post.store = message.store;
      post.key = message.key;
      post.origin = {sender, message.epoch, message.number, {}};
      post.message = message.view();
      post.limits = &limits_;
      backend_.post(std::span(&post, 1));
      if (failed(post.error))
        full.insert(message.key);
      else
        taken.push_back(message);
    }
    left_behind = left_behind || !full.empty();
    if (taken.empty()) continue;
    RelayRequest take;
    take.store = store_;
    take.take_from = record.key;
    take.take = taken;
    backend_.relay(std::span(&take, 1));
    if (failed(take.error)) {  // they are posted again, which changes nothing
      left_behind = true;
      continue;
    }
    const Lock hold(mutex_);
    metrics_.messages_relayed += taken.size();
    if (SessionCore* here = registry_.find(record.key); here != nullptr && here->extras)
      here->extras->outbox_waiting -= (std::min)(here->extras->outbox_waiting, taken.size());
  }
  const Lock hold(mutex_);
  if (!failed(list.error)) {
    hear_time(list.now, sent);
    if (to_the_end && relay_after_.empty()) forget_sent(list.waiting);
    // The next call goes on behind these, so that full receivers hold up nobody else's messages.
    relay_after_ = to_the_end ? std::string() : std::move(list.waiting.back().key);
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

/// Sessions here whose messages another server has sent on: `waiting` is all that still waits.
template <class B, class L>
void Engine<B, L>::forget_sent(const std::vector<RelayRequest::Waiting>& waiting) {
  std::erase_if(senders_, [&](const SessionPtr& session) {
    if (ended(session->state) || session->in_flight) return ended(session->state);
    const bool waits = std::any_of(waiting.begin(), waiting.end(),
                                   [&](const auto& each) { return each.key == session->key(); });
    if (!waits && session->extras) session->extras->outbox_waiting = 0;
    return !waits;
  });
}

}  // namespace persist::inline PERSIST_ABI
