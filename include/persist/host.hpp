#pragma once

#include <persist/host/rounds.hpp>
#include <persist/host/stop_signals.hpp>
#include <persist/host/timer.hpp>
#include <persist/host/walk_calls.hpp>
#include <persist/store.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Threads for stores: a program that wants them includes this; persist.hpp does not, because the
// library starts none by itself.

namespace persist::inline PERSIST_ABI {

/// Does the waiting for stores that are attached to it: their rounds are prepared and completed in
/// `poll`, in the game's tick, and performed on lanes, which are threads.
///
/// Every call that reaches storage has a twin here that returns a `Future` at once. A twin may be
/// called from any thread; it answers as the call it is the twin of, and beside that `invalid` (the
/// store is not attached here), `full` (too many calls wait), `timeout`, `cancelled`, `closed` (the
/// Host is shutting down, or the store has left). Answers, and what follows them, run in `poll`.
///
/// Thread rule: all that is no twin belongs to the thread that polls, and so do the stores. It must
/// outlive what its lanes do: the destructor waits for calls of backends that have not returned,
/// answers all that wait with `cancelled`, and leaves stores and sessions as they are.
class Host : public HostWalkCalls {
 public:
  explicit Host(HostOptions options = {})
      : HostWalkCalls(std::make_shared<HostCore>(std::move(options))) {
    if (!core_->lanes.by_hand())
      timer_.emplace(core_->clock, core_->timer_wake, [this] { return run_timer(); });
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() {
    if (HostVisit::is_inside(core_.get()))
      detail::fatal("a Host was destroyed inside one of its own completions");
    core_->closing = true;
    timer_.reset();
    for (const auto& group : groups_) {
      group->bring_home([&] {
        group->end_calls(nullptr, Error(Errc::cancelled, "the Host was destroyed"), false);
      });
      group->take_out_all();
    }
    core_->lanes.stop();  // a lane that hands something back holds the core a moment longer
  }

  /// Drives the store from now on, until it is destroyed or detached. Stores on one database share
  /// their batches. `busy`: it has a Host.
  template <class Store>
  Result<void> attach(Store& store) {
    core_->lives();
    using Backend = typename Store::Stack::Backend;
    constexpr bool is_shared = Store::Stack::Access::is_shared;
    for (const auto& group : groups_) {
      if (group->kind() != HostRounds<Backend>::kind() || group->is_shared() != is_shared) continue;
      auto& rounds = static_cast<HostRounds<Backend>&>(*group);
      if (rounds.holds(store.core().backend())) return add(rounds, store);
    }
    auto rounds = std::make_shared<HostRounds<Backend>>(core_, store.core().backend(), is_shared);
    {
      const std::lock_guard hold(groups_mutex_);
      groups_.push_back(rounds);
    }
    return add(*rounds, store);
  }
  /// Takes the store back: waits for what is out, and ends the calls of it with `closed`.
  template <class Store>
  void detach(Store& store) {
    if (HostSeat* seat = seat_of(store.core().driver())) seat->group.take_out(*seat);
  }

  /// Once a tick: takes in what lanes have done, starts calls, answers others, and sends what is
  /// due on its way. Waits for nothing. Returns when it wants to be called next, if nothing comes
  /// before.
  TimePoint poll() {
    core_->polls_here();
    TimePoint next = TimePoint::max();
    each_group([&](HostGroup& group) {
      if (!group.is_shared()) next = (std::min)(next, group.poll());
    });
    return next;
  }
  /// Sleeps until something came that `poll` has to look at, or until then: for a program that has
  /// no tick. Waits on the Host's clock.
  void wait(TimePoint until) { core_->clock.wait_until(until, core_->wake); }
  /// With no lanes of its own: performs one thing that waits for one, here; false if nothing does.
  bool run_lane() { return core_->lanes.run_one(); }
  /// With no lanes of its own: what the timer's thread does otherwise, which is to have leases
  /// renewed while nobody polls. Returns when it is to be called next.
  TimePoint run_timer() {
    std::vector<std::shared_ptr<HostGroup>> groups;
    {
      const std::lock_guard hold(groups_mutex_);
      groups = groups_;
    }
    TimePoint next = TimePoint::max();
    for (const auto& group : groups)
      next = (std::min)(
          next, group->is_shared() ? pump(*group) : group->renew_leases(core_->clock.now()));
    return next;
  }
  [[nodiscard]] HostMetrics metrics() const {
    return {core_->rounds,   core_->calls,          core_->refused,
            core_->timeouts, core_->blocking_calls, core_->stall_renewals};
  }

  /// Takes no more calls (`closed`), calls off what has not begun and loads that wait for a holder,
  /// waits for what is out, and saves and gives back every session of every store, in batches. Says
  /// what it could not do within that time; that stays with the stores, which still try when they
  /// are polled or destroyed. Waits, and runs completions here meanwhile.
  ///
  /// When four fifths of the time have gone, what is still not saved is spilled, in stores that
  /// have a folder for it (`StoreOptions::spill`), and `late(report so far)` is called, once. A
  /// session whose commit is inside a backend that hangs can be neither saved nor spilled.
  ShutdownReport shutdown(Duration within,
                          const std::function<void(const ShutdownReport&)>& late = {});

  /// Has SIGINT and SIGTERM set `stop_requested`, and nothing else; see `StopSignals`.
  static Result<void> stop_on_signals() { return StopSignals::listen(); }
  [[nodiscard]] static bool stop_requested() noexcept { return StopSignals::requested(); }

  // Twins.
  /// Waits for a holder until the load's own deadline, `begin_deadline` where it says none: then
  /// `locked`. A load that was called off, or whose answer nobody takes, gives the record back.
  template <class Store, class K>
  Future<Result<typename Store::Session>> load(Store& store, const K& key,
                                               typename Store::LoadOptions options = {},
                                               CallOptions call = {}) {
    using Stack = typename Store::Stack;
    using KeyValue = typename Stack::KeyValue;
    auto& core = store.core();
    if (call.deadline <= Duration::zero())
      call.deadline = patience_beyond(
          options.deadline > Duration::zero() ? options.deadline : core.options().begin_deadline);
    return ask<Result<typename Store::Session>>(
        core.driver(), call,
        [&core, key = static_cast<KeyValue>(key), options = std::move(options)](auto state) {
          auto loading = std::make_shared<persist::Loading<Stack>>(
              StoreCalls<Stack>(core).begin(key, options));
          state->take_back = [loading] { loading->cancel(); };
          when_ready(core, *loading, [state, loading] { state->answer(loading->take()); });
        });
  }
  /// Joins a save that waits, and goes behind one that is out. While the session is being edited it
  /// waits for that to end.
  template <class S>
  Future<Result<Saved>> save(const Session<S>& session, SaveOptions options = {},
                             CallOptions call = {}) {
    return ask_session(session, call,
                       [options](Session<S>& of) { return of.request_save(options); });
  }
  /// As `Session::release`; answers what the first attempt came to, and `poll` goes on trying.
  template <class S>
  Future<Result<Saved>> release(const Session<S>& session, Reason reason = Reason::asked,
                                CallOptions call = {}) {
    return ask_session(session, call,
                       [reason](Session<S>& of) { return of.request_release(reason); });
  }

  // Without a session. They go out at the next poll. `fn` runs on the stores' thread.
  template <class Store, class K>
  Future<Result<Peeked<typename Store::DataType>>> peek(Store& store, const K& key,
                                                        PeekOptions options = {},
                                                        CallOptions call = {}) {
    using Calls = StoreCalls<typename Store::Stack>;
    using R = Result<Peeked<typename Store::DataType>>;
    return ask_key<R>(store, key, call, [options](auto& ask) {
      Calls calls(ask.core);
      if (options.live && options.version == 0 && calls.find(ask.key()))
        return ask.answer(calls.peek(ask.key(), options));
      ask.on_lane(Priority::save, [version = options.version](Calls& of, SpelledKey spelled) {
        return of.peek(spelled, {.version = version});
      });
    });
  }
  template <class Store, class K>
  Future<Result<Inspection>> inspect(Store& store, const K& key, CallOptions call = {}) {
    return ask_key<Result<Inspection>>(store, key, call, [](auto& ask) {
      ask.on_lane(Priority::bulk,
                  [](auto& calls, SpelledKey spelled) { return calls.inspect(spelled); });
    });
  }
  template <class Store, class K, class F>
  auto update(Store& store, const K& key, F fn, UpdateOptions options = {}, CallOptions call = {}) {
    using What = detail::UpdateCall<typename Store::Stack, F>;
    return change(store, key, call, std::make_shared<What>(std::move(fn), options));
  }
  template <class Store, class K>
  Future<Result<Overwritten>> overwrite(Store& store, const K& key, typename Store::DataType data,
                                        CallOptions call = {}) {
    using What = detail::OverwriteChange<typename Store::Stack>;
    auto what = std::make_shared<What>(std::move(data));
    if (const Result<void> valid = what->valid(); !valid)
      return answered<Result<Overwritten>>(valid.error());
    return change(store, key, call, std::move(what));
  }
  template <class Store, class K>
  Future<Result<void>> erase(Store& store, const K& key, EraseOptions options = {},
                             CallOptions call = {}) {
    return ask_key<Result<void>>(store, key, call, [options](auto& ask) {
      if (Error no = ask.core.refusal(); failed(no)) return ask.answer(std::move(no));
      auto request = std::make_shared<EraseRequest>();
      ask.on_lane(
          Priority::save,
          [request, options](auto& calls, SpelledKey spelled) {
            return calls.core().erase_stored(spelled.text, options.drop_outbox, *request);
          },
          [request](auto& core, SpelledKey spelled) { core.end_erased(spelled.text, *request); });
    });
  }
  template <class Store, class K, class M>
  Future<Result<Posted>> post(Store& store, const K& key, const M& message,
                              const PostOptions& options = {}, CallOptions call = {}) {
    return ask_key<Result<Posted>>(
        store, key, call, [message, options, id = std::string(options.id)](auto& ask) {
          ask.on_lane(Priority::save, [=](auto& calls, SpelledKey spelled) {
            PostOptions told = options;
            told.id = id;
            return calls.post(spelled, message, told);
          });
        });
  }
  template <class Store, class K, class F>
  Future<Result<Grant>> grant_once(Store& store, const K& key, ReceiptId receipt, F fn,
                                   CallOptions call = {}) {
    using What = detail::ReceiptCall<detail::GrantChange, typename Store::Stack, F>;
    return change(store, key, call, std::make_shared<What>(receipt, std::move(fn)));
  }
  template <class Store, class K, class F>
  Future<Purchase> purchase(Store& store, const K& key, ReceiptId receipt, F fn,
                            CallOptions call = {}) {
    using What = detail::ReceiptCall<detail::PurchaseChange, typename Store::Stack, F>;
    return change(store, key, call, std::make_shared<What>(receipt, std::move(fn)));
  }
  template <class Store, class K>
  Future<Result<std::vector<InboxMessage>>> peek_inbox(Store& store, const K& key,
                                                       CallOptions call = {}) {
    using R = Result<std::vector<InboxMessage>>;
    return ask_key<R>(store, key, call, [](auto& ask) {
      ask.on_lane(Priority::bulk,
                  [](auto& calls, SpelledKey spelled) { return calls.peek_inbox(spelled); });
    });
  }
  template <class Store, class K>
  Future<Result<void>> remove_message(Store& store, const K& key, std::uint64_t position,
                                      CallOptions call = {}) {
    return ask_key<Result<void>>(store, key, call, [position](auto& ask) {
      if (ask.change_live([=](auto& session) { return session.remove_message(position); })) return;
      ask.on_lane(Priority::save, [position](auto& calls, SpelledKey spelled) {
        return calls.remove_stored_message(spelled.text, position);
      });
    });
  }
  template <class Store, class K>
  Future<Result<std::vector<KeptVersion>>> versions(Store& store, const K& key,
                                                    VersionsOptions options = {},
                                                    CallOptions call = {}) {
    using R = Result<std::vector<KeptVersion>>;
    return ask_key<R>(store, key, call, [options](auto& ask) {
      ask.on_lane(Priority::bulk, [=](auto& calls, SpelledKey spelled) {
        return calls.versions(spelled, options);
      });
    });
  }
  template <class Store, class K>
  Future<Result<Saved>> restore(Store& store, const K& key, std::uint64_t version,
                                CallOptions call = {}) {
    using What = detail::RestoreChange<typename Store::Stack>;
    return change(store, key, call, std::make_shared<What>(version));
  }
  template <class Store>
  Future<Result<KeyPage>> scan(Store& store, std::string after = {}, std::size_t most = 1000,
                               CallOptions call = {}) {
    using Ask = KeyAsk<typename Store::Stack, Result<KeyPage>>;
    auto& core = store.core();
    return ask<Result<KeyPage>>(
        core.driver(), call, [&core, after = std::move(after), most](auto state) {
          Ask(core, state, {}).on_lane(Priority::bulk, [=](auto& calls, SpelledKey) {
            return calls.scan(after, most);
          });
        });
  }
  /// `transact(a, b, …, fn)` over open sessions: `pending`; it is durable with the next save of any
  /// of them.
  template <class... Args>
  Future<Result<Transacted>> transact(Args&&... sessions_then_function) {
    return detail::function_first(
        [this](auto& fn, auto&... sessions) { return this->transact_all(fn, sessions...); },
        sessions_then_function...);
  }

 private:
  /// Handlers attach stores meanwhile.
  template <class F>
  void each_group(F use) {
    for (std::size_t i = 0; i < groups_.size(); ++i)
      use(*std::shared_ptr<HostGroup>(groups_[i]));
  }
  template <class Rounds, class Store>
  Result<void> add(Rounds& rounds, Store& store) {
    if (rounds.add(store.core())) return success;
    return Error(Errc::busy, "the store \"" + store.name() + "\" is attached to a Host already");
  }
  /// What is still there, if anything, and whether it can go on without this thread.
  struct Left {
    std::size_t sessions = 0;
    std::size_t out = 0;
    bool moves = false;
  };
  [[nodiscard]] Left ask_all_to_end();
  /// Has it polled if it is due. Returns when it will be.
  TimePoint pump(HostGroup& group) {
    const TimePoint due = group.next_pump();
    if (due > core_->clock.now()) return due;
    group.pump();
    return TimePoint::max();
  }
  [[nodiscard]] std::size_t spill_rest();
  void fill(ShutdownReport& report) const;

  std::vector<std::shared_ptr<HostGroup>> groups_;
  std::mutex groups_mutex_;  ///< for the timer; this thread reads without
  std::optional<HostTimer> timer_;
};

inline Host::Left Host::ask_all_to_end() {
  Left left;
  each_group([&](HostGroup& group) {
    group.each_store([&](DrivenStore& store) {
      left.sessions += store.ask_all_to_end();
      left.moves = left.moves || store.can_any_end();
    });
    left.out += group.out();
  });
  left.moves = left.moves || left.out != 0;
  return left;
}

inline std::size_t Host::spill_rest() {
  std::size_t spilled = 0;
  each_group([&](HostGroup& group) {
    group.each_store([&](DrivenStore& store) { spilled += store.spill_rest(); });
  });
  return spilled;
}

inline void Host::fill(ShutdownReport& report) const {
  report.left.clear();
  report.out = 0;
  for (const auto& group : groups_) {
    group->each_store([&](DrivenStore& store) { store.list_left(report.left); });
    report.out += group->out();
  }
}

inline ShutdownReport Host::shutdown(Duration within,
                                     const std::function<void(const ShutdownReport&)>& late) {
  ShutdownReport report;
  core_->closing = true;
  const TimePoint deadline = after(core_->clock.now(), within);
  TimePoint late_at = after(core_->clock.now(), within / 5 * 4);
  each_group([&](HostGroup& group) {
    report.cancelled +=
        group.end_calls(nullptr, Error(Errc::cancelled, "the Host is shutting down"), true);
  });
  report.sessions = ask_all_to_end().sessions;
  for (const auto& group : groups_)
    if (group->is_shared()) group->pump();
  while (true) {
    TimePoint next = (std::min)(poll(), run_timer());
    const Left left = ask_all_to_end();
    if (left.sessions == 0 && left.out == 0) break;
    if (run_lane()) continue;
    const TimePoint now = core_->clock.now();
    if (now >= late_at && late_at < deadline) {
      report.spilled += spill_rest();
      fill(report);
      if (late) late(report);
      late_at = deadline;
    }
    if (now >= deadline || !left.moves) break;
    wait((std::min)(next, late_at));
  }
  report.spilled += spill_rest();  // what came home since
  fill(report);
  return report;
}

}  // namespace persist::inline PERSIST_ABI
