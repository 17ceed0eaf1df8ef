#pragma once

#include <persist/clock.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/record/requests.hpp>

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// One page of records whose outboxes wait: what they hold is posted, in order per receiver, and
/// what was accepted is taken out. `perform` may run on any thread and knows nothing of the store.
///
/// Needs no lease: a message is known by its sender's number, so posting it again changes nothing,
/// and taking it out names it. A server that dies in between leaves a message that the next one
/// posts again.
struct Relay {
  StoreId store{};
  Hash128 birth{};
  RecordLimits limits{};
  std::string after;  ///< the last record of the page before
  TimePoint sent{};

  RelayRequest list;
  bool all_sent = true;
  std::vector<std::vector<OutgoingMessage>> taken;  ///< per record of the page
  std::vector<RelayRequest> takes;                  ///< views of both

  template <class Backend>
  void perform(Backend& backend) {
    list.store = store;
    list.after = after;
    backend.relay(std::span(&list, 1));
    send_on(backend);
    take_out(backend);
  }
  [[nodiscard]] bool is_last_page() const noexcept { return list.waiting.size() < list.most; }

 private:
  /// One batch posts the next message of each sender to each receiver. Two from one to another are
  /// never in one batch: where the first has no room a smaller one behind it might have, and the
  /// first would then pass for a repeat.
  template <class Backend>
  void send_on(Backend& backend) {
    const auto& waiting = list.waiting;
    taken.resize(waiting.size());
    std::vector<std::vector<const OutgoingMessage*>> left(waiting.size());
    std::vector<Hash128> senders;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      senders.push_back(key_hash(birth, waiting[i].key));
      for (const OutgoingMessage& message : waiting[i].messages)
        left[i].push_back(&message);
    }
    std::vector<PostRequest> posts;
    std::vector<std::pair<std::size_t, const OutgoingMessage*>> asked;
    using Receiver = std::pair<std::uint32_t, std::string_view>;
    const auto receiver_of = [](const OutgoingMessage& m) {
      return Receiver(m.store.index, m.key);
    };
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
          post.limits = &limits;
          asked.emplace_back(i, message);
          return true;
        });
      }
      if (!posts.empty()) backend.post(std::span(posts));
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
  }
  /// What is not taken out is posted again, which changes nothing.
  template <class Backend>
  void take_out(Backend& backend) {
    for (std::size_t i = 0; i < list.waiting.size(); ++i) {
      if (taken[i].empty()) continue;
      RelayRequest& take = takes.emplace_back();
      take.store = store;
      take.take_from = list.waiting[i].key;
      take.take = taken[i];
    }
    if (!takes.empty()) backend.relay(std::span(takes));
  }
};

}  // namespace persist::inline PERSIST_ABI
