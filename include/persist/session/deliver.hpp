#pragma once

#include <persist/detail/caught.hpp>
#include <persist/session/node.hpp>

#include <string>
#include <utility>
#include <vector>

// What a session tells its listeners.

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
  StoreCore<S>* const store = this->store();
  if (store == nullptr) return;  // another thread has ended it
  if (rare_) call_listeners(*store, [&] { rare_.load()->signals.saving.fire(data_, reason); });
  call_listeners(*store, [&] { store->fire_saving(*this, reason); });
}

template <class S>
void SessionNode<S>::remember_watched() {
  StoreCore<S>* const here = store();
  if (here == nullptr) return;
  auto& core = *here;
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
  StoreCore<S>* const here = store();
  if (here == nullptr) return;
  auto& core = *here;
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

/// Fires the session's signal and the store's. Says whether anybody listens.
template <class S>
template <class Member, class OnStore, class... Args>
bool SessionNode<S>::fire(StoreCore<S>& core, Member member, const OnStore& on_store,
                          const Args&... args) {
  bool heard = false;
  if (rare_) {
    const auto& on_session = rare_.load()->signals.*member;
    heard = on_session.has_handlers();
    call_listeners(core, [&] { on_session.fire(args...); });
  }
  if (!on_store.has_handlers()) return heard;
  typename S::Handle self(*this);
  call_listeners(core, [&] { on_store.fire(self, args...); });
  return true;
}

/// A failure that nobody listens to is written to the log.
template <class S>
void SessionNode<S>::tell(Event& event, StoreCore<S>& core) {
  const auto& all = core.listeners();
  bool heard = false;
  const auto fire = [&](auto member, const auto& on_store, const auto&... args) {
    heard = this->fire(core, member, on_store, args...);
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
    case Event::Kind::released: {
      const auto hold = core.lock();
      end_was_told = true;
    }
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

}  // namespace persist::inline PERSIST_ABI
