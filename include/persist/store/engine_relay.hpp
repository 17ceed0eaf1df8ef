#pragma once

#include <persist/store/engine_poll.hpp>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

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
  const bool all_sent = send_on(list.waiting);
  const bool left_behind = failed(list.error) || !to_the_end || !all_sent;
  const Lock hold(mutex_);
  if (!failed(list.error)) {
    hear_time(list.now, sent);
    forget_sent(list, to_the_end);
    // The next call goes on behind these, so that full receivers hold up nobody else's messages.
    relay_after_ = to_the_end ? std::string() : std::move(list.waiting.back().key);
  }
  // A receiver that is full stays full until its owner plays: looking every few seconds is often
  // enough.
  next_relay_ = now() + (left_behind ? options_.relay : 4 * options_.relay);
  if (options_.relay <= Duration::zero()) next_relay_ = TimePoint::max();
}

/// Posts what waits in those records and takes out what was accepted; whether that is all of it.
///
/// One batch posts the next message of each sender to each receiver. Two from one to another are
/// never in one batch: where the first has no room a smaller one behind it might have, and the
/// first would then pass for a repeat.
template <class B, class L>
bool Engine<B, L>::send_on(const std::vector<RelayRequest::Waiting>& waiting) {
  std::vector<std::vector<OutgoingMessage>> taken(waiting.size());
  std::vector<std::vector<const OutgoingMessage*>> left(waiting.size());
  std::vector<Hash128> senders;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    senders.push_back(hash(waiting[i].key));
    for (const OutgoingMessage& message : waiting[i].messages)
      left[i].push_back(&message);
  }
  bool all_sent = true;
  std::vector<PostRequest> posts;
  std::vector<std::pair<std::size_t, const OutgoingMessage*>> asked;
  using Receiver = std::pair<std::uint32_t, std::string_view>;
  const auto receiver_of = [](const OutgoingMessage& m) { return Receiver(m.store.index, m.key); };
  do {
    posts.clear(), asked.clear();
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      std::set<Receiver> in_batch;
      std::erase_if(left[i], [&](const OutgoingMessage* message) {
        if (!in_batch.insert(receiver_of(*message)).second) return false;
        PostRequest& post = posts.emplace_back();
        post.store = message->store;
        post.key = message->key;
        post.origin = {senders[i], message->epoch, message->number, {}};
        post.message = message->view();
        post.limits = &limits_;
        asked.emplace_back(i, message);
        return true;
      });
    }
    if (!posts.empty()) backend_.post(std::span(posts));
    for (std::size_t at = 0; at < posts.size(); ++at) {
      const auto& [i, message] = asked[at];
      if (!failed(posts[at].error)) {
        taken[i].push_back(*message);
        continue;
      }
      all_sent = false;  // a later message must not overtake one that has no room
      std::erase_if(left[i], [&, to = receiver_of(*message)](const OutgoingMessage* each) {
        return receiver_of(*each) == to;
      });
    }
  } while (!posts.empty());
  return take_out(waiting, taken) && all_sent;
}

/// False where something was not taken out: it is posted again, which changes nothing.
template <class B, class L>
bool Engine<B, L>::take_out(const std::vector<RelayRequest::Waiting>& waiting,
                            const std::vector<std::vector<OutgoingMessage>>& taken) {
  std::vector<RelayRequest> takes;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (taken[i].empty()) continue;
    RelayRequest& take = takes.emplace_back();
    take.store = store_;
    take.take_from = waiting[i].key;
    take.take = taken[i];
  }
  if (takes.empty()) return true;
  backend_.relay(std::span(takes));
  bool all = true;
  const Lock hold(mutex_);
  for (const RelayRequest& take : takes) {
    all = all && !failed(take.error);
    if (failed(take.error)) continue;
    metrics_.messages_relayed += take.take.size();
    if (SessionCore* here = registry_.find(take.take_from); here != nullptr && here->extras)
      here->extras->outbox_waiting -= (std::min)(here->extras->outbox_waiting, take.take.size());
  }
  return all;
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
