#pragma once

#include <persist/detail/caught.hpp>
#include <persist/session/node.hpp>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

// What a session tells its listeners, and how messages reach their handlers.

namespace persist::inline PERSIST_ABI {

template <class S>
template <class F>
void SessionNode<S>::call_listeners(StoreCore<S>& core, F&& fire) {
  const auto done = detail::caught("a listener", [&]() -> Result<void> {
    fire();
    return success;
  });
  if (!done)
    core.log(LogLevel::error, std::string(key()) + ": " + std::string(done.error().detail()));
}

template <class S>
void SessionNode<S>::fire_saving(Reason reason) {
  auto& store = core();
  if (rare_) call_listeners(store, [&] { rare_.load()->signals.saving.fire(data_, reason); });
  call_listeners(store, [&] { store.fire_saving(*this, reason); });
}

template <class S>
void SessionNode<S>::remember_watched() {
  if (host() == nullptr) return;
  auto& core = this->core();
  auto& before = rare().before;
  call_listeners(core, [&] {
    before.clear();
    rare().signals.changed.remember(data_, before);
    std::vector<typename Watches<Data, typename S::Handle&>::Compare> of_store;
    core.listeners().changed.remember(data_, of_store);
    for (auto& compare : of_store)
      before.push_back([this, compare = std::move(compare)](const Data& now) {
        std::function<void()> told;
        if (auto tell = compare(now))
          told = [this, tell = std::move(tell)] {
            typename S::Handle self(*this);
            tell(self);
          };
        return told;
      });
  });
}

template <class S>
void SessionNode<S>::compare_watched() {
  if (host() == nullptr) return;
  auto& core = this->core();
  call_listeners(core, [&] {
    for (const auto& compare : std::exchange(rare().before, {})) {
      Event event;
      event.kind = Event::Kind::answer;
      event.call = compare(data_);
      if (!event.call) continue;
      const auto hold = core.lock();
      core.tell(*this, std::move(event));
      rare().changes_wait = true;
    }
  });
}

template <class S>
void SessionNode<S>::deliver(Event& event, SessionHost& store) {
  auto& core = static_cast<StoreCore<S>&>(store);
  if (event.kind == Event::Kind::messages) return handle_messages(core);
  tell(event, core);
}

/// Fires the session's signal and the store's. A failure that nobody listens to is written to the
/// log.
template <class S>
void SessionNode<S>::tell(Event& event, StoreCore<S>& core) {
  const auto& all = core.listeners();
  bool heard = false;
  const auto fire = [&](auto member, const auto& on_store, const auto&... args) {
    if (rare_) {
      const auto& on_session = rare_.load()->signals.*member;
      heard = on_session.has_handlers();
      call_listeners(core, [&] { on_session.fire(args...); });
    }
    if (!on_store.has_handlers()) return;
    heard = true;
    typename S::Handle self(*this);
    call_listeners(core, [&] { on_store.fire(self, args...); });
  };
  using Own = Signals<Data>;
  switch (event.kind) {
    case Event::Kind::state_changed:
      fire(&Own::state_changed, all.state_changed, event.from, event.to);
      break;
    case Event::Kind::saved:
      fire(&Own::saved, all.saved, event.saved);
      if (!heard && !event.saved)
        core.log(LogLevel::warning, "a save failed: " + event.saved.error().message());
      break;
    case Event::Kind::save_refused:
      fire(&Own::save_refused, all.save_refused, event.error);  // and `saved` says it too
      break;
    case Event::Kind::released:
      end_was_told = true;
      fire(&Own::released, all.released, event.reason, event.was_saved);
      if (!heard && !event.was_saved)
        core.log(LogLevel::warning, std::string(key()) + ": the session ended (" +
                                        std::string(name(event.reason)) +
                                        ") and its last changes were not saved");
      break;
    case Event::Kind::renewal_failed:
      fire(&Own::renewal_failed, all.renewal_failed, event.attempts_left);
      if (!heard) core.log(LogLevel::warning, "a lease was not renewed: " + event.error.message());
      break;
    case Event::Kind::dropped_fields:
      fire(&Own::dropped_fields, all.dropped_fields, event.paths);
      if (!heard)
        core.log(LogLevel::warning,
                 std::string(key()) +
                     ": fields that this build does not know were dropped, the first " +
                     event.paths.front());
      break;
    case Event::Kind::answer:
      call_listeners(core, event.call);
      break;
    case Event::Kind::messages:
      break;
  }
}

/// Gives each waiting message to its handler: higher priority first, then in the order they came.
/// One that has no handler waits, one whose handler failed three times is put aside until the next
/// load; neither holds up others. Until then one that failed holds up what its sender sent behind
/// it with the same priority, and nobody else's: order is a sender's, and what was posted from
/// outside has none. What was handled is acknowledged by the commit that saves its effect.
template <class S>
void SessionNode<S>::handle_messages(StoreCore<S>& core) {
  constexpr std::uint8_t most_tries = 3;
  const std::unique_lock<SessionLock> reading(lock_);
  if (in_game == InGame::never || failed(ends())) return;
  if (in_function || edit_guards != 0 || state == State::loading)
    return core.postpone_messages(*this);
  std::vector<WaitingMessage> waiting;
  {
    const auto hold = core.lock();
    if (!extras) return;
    for (const WaitingMessage& each : extras->inbox)
      if (!each.handled && each.tries < most_tries) waiting.push_back(each);
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const WaitingMessage& a, const WaitingMessage& b) {
                     return a.message.priority > b.message.priority;
                   });
  std::vector<std::pair<Hash128, std::uint8_t>> held_up;  // senders, with the priority
  for (const WaitingMessage& each : waiting) {
    if (edit_guards != 0) return core.postpone_messages(*this);  // a handler left one open
    const Message& message = each.message;
    const std::pair line(message.origin.source, message.priority);
    if (std::find(held_up.begin(), held_up.end(), line) != held_up.end()) continue;
    const bool expired = message.expires <= core.backend_time();
    const auto* handler =
        expired ? nullptr
                : core.find_handler(rare_ ? &rare_.load()->handlers : nullptr, message.type);
    if (!expired && handler == nullptr) continue;
    Result<void> done = success;
    if (expired)
      mark_dirty();
    else
      done = on_copy([&](Data& copy) { return handler->handle(copy, message); });
    if (ended(state)) return;
    const auto hold = core.lock();
    const auto at = std::find_if(
        extras->inbox.begin(), extras->inbox.end(),
        [&](const WaitingMessage& w) { return w.message.position == message.position; });
    if (at == extras->inbox.end()) continue;
    if (done) {
      at->handled = true;
      ++core.metrics().messages_handled;
      continue;
    }
    ++core.metrics().messages_failed;
    core.log(LogLevel::warning, std::string(key()) + ": the handler of a message (" + message.type +
                                    ") failed: " + done.error().message());
    if (++at->tries == most_tries) {
      core.log(LogLevel::error, std::string(key()) + ": a message (" + message.type +
                                    ") is put aside until the next load");
      continue;
    }
    held_up.push_back(line);  // of a post that is its id, which no other message has
    core.postpone_messages(*this);
  }
}

}  // namespace persist::inline PERSIST_ABI
