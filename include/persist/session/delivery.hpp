#pragma once

#include <persist/session/deliver.hpp>
#include <persist/session/inbox_message.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

// How messages reach their handlers.

namespace persist::inline PERSIST_ABI {

/// Gives each waiting message to its handler: higher priority first, then in the order they came.
///
/// One that has no handler waits; one whose handler failed three times is a dead letter, put aside
/// until it is tried again or the record is loaded again. Neither holds up others. Until then one
/// that failed holds up what its sender sent behind it with the same priority, and nobody else's:
/// order is a sender's, and what was posted from outside has none. What was handled is acknowledged
/// by the commit that saves its effect; so is one whose time is over, with or without a handler.
template <class S>
class Delivery {
 public:
  using Node = SessionNode<S>;
  using Handler = typename Node::Handler;

  Delivery(Node& node, StoreCore<S>& core) : node_(node), core_(core) {}

  void run() {
    collect();
    for (std::size_t i = 0; i < waiting_.size() && goes_on(); ++i) {
      if (waiting_[i].handled || is_held_up(waiting_[i].message)) continue;
      const bool is_over = has_expired(waiting_[i].message);
      const Handler* handler = core_.find_handler(node_, waiting_[i].message.type, is_over);
      if (handler != nullptr)
        give_all(*handler, together(i, *handler));
      else if (is_over)
        drop(waiting_[i]);
    }
  }

 private:
  using Line = std::pair<Hash128, std::uint8_t>;  ///< a sender, with the priority
  using Places = std::vector<std::size_t>;        ///< in `waiting_`

  [[nodiscard]] static Line line_of(const Message& message) noexcept {
    return {message.origin.source, message.priority};  // of a post it is its id, which no other has
  }
  [[nodiscard]] bool is_held_up(const Message& message) const {
    return std::find(held_up_.begin(), held_up_.end(), line_of(message)) != held_up_.end();
  }
  [[nodiscard]] bool has_expired(const Message& message) const {
    return message.expires <= core_.backend_time();
  }
  /// A handler may have ended the session, or left a guard open.
  [[nodiscard]] bool goes_on() {
    if (ended(node_.state)) return false;
    if (node_.edit_guards == 0) return true;
    core_.postpone_messages(node_);
    return false;
  }

  void collect() {
    const auto hold = core_.lock();
    if (!node_.extras) return;
    for (const WaitingMessage& each : node_.extras->inbox)
      if (!each.handled && each.tries < most_message_tries) waiting_.push_back(each);
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const WaitingMessage& a, const WaitingMessage& b) {
                       return a.message.priority > b.message.priority;
                     });
  }
  /// That message, and what a handler of many takes with it: the next ones of its type, as far as
  /// none of them would overtake another message of its sender.
  [[nodiscard]] Places together(std::size_t first, const Handler& handler) const {
    Places batch{first};
    if (!handler.is_batch) return batch;
    const Message& head = waiting_[first].message;
    std::vector<Line> behind_others;
    for (std::size_t i = first + 1; i < waiting_.size(); ++i) {
      const Message& each = waiting_[i].message;
      if (waiting_[i].handled || is_held_up(each)) continue;
      const Line line = line_of(each);
      const bool overtakes =
          std::find(behind_others.begin(), behind_others.end(), line) != behind_others.end();
      if (each.type == head.type && has_expired(each) == handler.is_of_expired && !overtakes)
        batch.push_back(i);
      else
        behind_others.push_back(line);
    }
    return batch;
  }
  /// One that fails among many is found by giving them one by one.
  void give_all(const Handler& handler, const Places& batch) {
    if (batch.size() > 1 && give(handler, batch)) return;
    for (const std::size_t at : batch) {
      if (!goes_on()) return;
      if (!is_held_up(waiting_[at].message)) give(handler, std::span(&at, 1));
    }
  }
  bool give(const Handler& handler, std::span<const std::size_t> batch) {
    std::vector<const Message*> messages;
    for (const std::size_t at : batch)
      messages.push_back(&waiting_[at].message);
    const Result<void> done = node_.on_copy([&](auto& copy) {
      return handler.handle(copy, std::span(std::as_const(messages)), node_);
    });
    if (ended(node_.state)) return true;
    if (!done && batch.size() > 1) return false;
    for (const std::size_t at : batch)
      done ? was_handled(waiting_[at]) : has_failed(waiting_[at], done.error());
    return true;
  }
  /// Calls `use` with the message as the session has it, if it has it still.
  template <class F>
  void in_inbox(const WaitingMessage& which, F&& use) {
    const auto hold = core_.lock();
    for (WaitingMessage& each : node_.extras->inbox)
      if (each.message.position == which.message.position) return use(each);
  }
  void was_handled(WaitingMessage& message) {
    message.handled = true;
    in_inbox(message, [&](WaitingMessage& own) {
      own.handled = true;
      ++core_.metrics().messages_handled;
    });
  }
  void has_failed(WaitingMessage& message, const Error& why) {
    core_.log(LogLevel::warning, std::string(node_.key()) + ": the handler of a message (" +
                                     message.message.type + ") failed: " + why.message());
    bool is_dead = false;
    in_inbox(message, [&](WaitingMessage& own) {
      ++core_.metrics().messages_failed;
      is_dead = ++own.tries == most_message_tries;
      message.tries = own.tries;
    });
    if (is_dead)
      return node_.tell_dead_letter(core_, InboxMessage(message.message, message.tries), why);
    held_up_.push_back(line_of(message.message));
    core_.postpone_messages(node_);
  }
  /// Nobody wants to know that its time is over.
  void drop(WaitingMessage& message) {
    node_.mark_dirty();
    message.handled = true;
    in_inbox(message, [&](WaitingMessage& own) {
      own.handled = true;
      ++core_.metrics().messages_expired;
    });
    core_.log(LogLevel::warning, std::string(node_.key()) + ": a message (" + message.message.type +
                                     ") expired before anybody handled it");
  }

  Node& node_;
  StoreCore<S>& core_;
  std::vector<WaitingMessage> waiting_;
  std::vector<Line> held_up_;
};

template <class S>
void SessionNode<S>::handle_messages(StoreCore<S>& core) {
  const std::unique_lock<SessionLock> reading(lock_);
  if (in_game == InGame::never) return;
  const typename S::Handle self(*this);  // or it would lose its store where another thread ends it
  if (failed(ends())) return;
  if (in_function || edit_guards != 0 || state == State::loading)
    return core.postpone_messages(*this);
  Delivery<S>(*this, core).run();
}

/// Tells it at once: messages are handled among the listeners.
template <class S>
void SessionNode<S>::tell_dead_letter(StoreCore<S>& core, const InboxMessage& letter,
                                      const Error& why) {
  if (!fire(core, &Signals<Data>::dead_letter, core.listeners().dead_letter, letter, why))
    core.log(LogLevel::error, std::string(key()) + ": a message (" + letter.type +
                                  ") is put aside until the next load");
}

}  // namespace persist::inline PERSIST_ABI
