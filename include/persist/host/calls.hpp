#pragma once

#include <persist/host/changes.hpp>
#include <persist/store/transact.hpp>

#include <algorithm>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// How the twins of a Host come to the stores' thread: what they have in common. Any thread.
class HostCalls {
 protected:
  explicit HostCalls(std::shared_ptr<HostCore> core) noexcept : core_(std::move(core)) {}

  /// The store's place in this Host, or null.
  [[nodiscard]] HostSeat* seat_of(Driver* driver) const noexcept {
    auto* seat = static_cast<HostSeat*>(driver);  // only Hosts drive
    return seat != nullptr && &seat->group.host() == core_.get() ? seat : nullptr;
  }
  /// Has `start(state)` called on the stores' thread.
  template <class R, class F>
  Future<R> ask(Driver* driver, const CallOptions& call, F start) {
    auto state = std::make_shared<AnswerState<R>>();
    const Duration time =
        call.deadline > Duration::zero() ? call.deadline : core_->options.patience;
    if (HostSeat* seat = seat_of(driver))
      seat->group.submit(
          *seat, state, [kept = std::make_shared<F>(std::move(start)), state] { (*kept)(state); },
          after(core_->clock.now(), time));
    else
      state->fail(Error(Errc::invalid, "the store is not attached to this Host"));
    return Future<R>(std::move(state));
  }
  template <class R>
  [[nodiscard]] static Future<R> answered(Error error) {
    auto state = std::make_shared<AnswerState<R>>();
    state->fail(std::move(error));
    return Future<R>(std::move(state));
  }
  [[nodiscard]] Duration patience_beyond(Duration time) const noexcept {
    return time < longest_pause ? time + (std::min)(core_->options.patience, longest_pause) : time;
  }
  /// The same for a call on a key, which is spelled here: it may be an object of this thread's.
  template <class R, class Store, class K, class F>
  Future<R> ask_key(Store& store, const K& key, const CallOptions& call, F start) {
    using Stack = typename Store::Stack;
    KeyBuffer spelled;
    if (auto fits = key::spell_checked<typename Stack::Key>(key, spelled); !fits)
      return answered<R>(fits.error());
    auto& core = store.core();
    return ask<R>(
        core.driver(), call,
        [&core, start = std::move(start), text = std::string(spelled.view())](auto state) {
          KeyAsk<Stack, R> asked(core, state, text);
          start(asked);
        });
  }
  template <class Store, class K, class Change>
  Future<typename Change::Answer> change(Store& store, const K& key, CallOptions call,
                                         std::shared_ptr<Change> what) {
    using Stack = typename Store::Stack;
    using KeyValue = typename Stack::KeyValue;
    std::optional<KeyValue> value;
    if constexpr (std::constructible_from<KeyValue, const K&>)
      value.emplace(static_cast<KeyValue>(key));
    else
      static_assert(std::default_initializable<KeyValue>,
                    "this change of a record needs the key itself, because an empty one cannot be "
                    "made of the key's type");
    return ask_key<typename Change::Answer>(store, key, call, [what, value](auto& ask) {
      std::make_shared<HostChange<Stack, Change>>(ask, value, what)->begin();
    });
  }
  template <class F, class... S>
  Future<Result<Transacted>> transact_all(F fn, const Session<S>&... sessions) {
    using R = Result<Transacted>;
    Driver* first = nullptr;
    bool all_here = true;
    const auto look = [&](const auto& session, auto* store) {
      Driver* driver = store == nullptr ? nullptr : store->driver();
      all_here = all_here && seat_of(driver) != nullptr;
      if (first == nullptr) first = driver;
      (void)session;
    };
    (look(sessions, static_cast<StoreCore<S>*>(sessions.node().host())), ...);
    if (!all_here)
      return answered<R>(Error(Errc::invalid, "a partner of the transaction is not of this Host"));
    return ask<R>(
        first, {}, [all = std::tuple(sessions...), fn = std::move(fn)](auto state) mutable {
          state->answer(
              std::apply([&](auto&... each) { return request_transaction(fn, each...); }, all));
        });
  }
  /// Has `request(session)` called there, and answers what its next save comes to.
  template <class S, class F>
  Future<Result<Saved>> ask_session(const Session<S>& session, const CallOptions& call, F request) {
    auto* store = static_cast<StoreCore<S>*>(session.node().host());
    if (store == nullptr)
      return answered<Result<Saved>>(
          Error(Errc::closed, "the session has ended").for_key(session.id()));
    return ask<Result<Saved>>(store->driver(), call, [request, of = session](auto state) mutable {
      if (const Result<void> asked = request(of); !asked) return (void)state->answer(asked.error());
      expect_save(of.node().core(), of,
                  [state](const Result<Saved>& saved) { state->answer(saved); });
      (void)request(of);  // another thread may have done it before anybody was to hear of it
    });
  }

  std::shared_ptr<HostCore> core_;
};

}  // namespace persist::inline PERSIST_ABI
