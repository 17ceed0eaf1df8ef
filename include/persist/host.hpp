#pragma once

#include <persist/host/rounds.hpp>
#include <persist/store.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <string_view>
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
class Host {
 public:
  explicit Host(HostOptions options = {}) : core_(std::make_shared<HostCore>(std::move(options))) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() {
    if (HostVisit::is_inside(*core_))
      detail::fatal("a Host was destroyed inside one of its own completions");
    core_->closing = true;
    for (const auto& group : groups_) {
      group->bring_home();
      group->end_calls(nullptr, Error(Errc::cancelled, "the Host was destroyed"), false);
      group->take_out_all();
    }
    core_->lanes.stop();  // a lane that hands something back holds the core a moment longer
  }

  /// Drives the store from now on, until it is destroyed or detached. Stores on one database share
  /// their batches. `busy`: it has a Host.
  template <class Store>
  Result<void> attach(Store& store) {
    using Backend = typename Store::Stack::Backend;
    for (const auto& group : groups_) {
      if (group->kind() != HostRounds<Backend>::kind()) continue;
      auto& rounds = static_cast<HostRounds<Backend>&>(*group);
      if (rounds.holds(store.core().backend())) return add(rounds, store);
    }
    auto rounds = std::make_shared<HostRounds<Backend>>(core_, store.core().backend());
    groups_.push_back(rounds);
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
    for (std::size_t i = 0; i < groups_.size(); ++i)
      next = (std::min)(next, std::shared_ptr<HostGroup>(groups_[i])->poll());
    return next;
  }
  /// Sleeps until something came that `poll` has to look at, or until then: for a program that has
  /// no tick. Waits on the Host's clock.
  void wait(TimePoint until) { core_->clock.wait_until(until, core_->wake); }
  /// With no lanes of its own: performs one thing that waits for one, here; false if nothing does.
  bool run_lane() { return core_->lanes.run_one(); }
  [[nodiscard]] HostMetrics metrics() const {
    return {core_->rounds,   core_->calls,          core_->refused,
            core_->timeouts, core_->blocking_calls, core_->stall_renewals};
  }

  /// Takes no more calls (`closed`), calls off what has not begun and loads that wait for a holder,
  /// waits for what is out, and saves and gives back every session of every store, in batches. Says
  /// what it could not do within that time; that stays with the stores, which still try when they
  /// are polled or destroyed. Waits, and runs completions here meanwhile.
  ///
  /// `late(report so far)` is called once, when four fifths of the time have gone and something is
  /// still not saved: the moment to keep it elsewhere.
  ShutdownReport shutdown(Duration within,
                          const std::function<void(const ShutdownReport&)>& late = {});

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
    if (call.deadline <= Duration::zero()) {
      const bool says = options.deadline > Duration::zero();
      call.deadline = (says ? options.deadline : core.options().begin_deadline);
      call.deadline = after(TimePoint(call.deadline), core_->options.patience).time_since_epoch();
    }
    return ask<Result<typename Store::Session>>(
        core.driver(), call,
        [&core, key = static_cast<KeyValue>(key), options = std::move(options)](auto state) {
          auto loading = std::make_shared<persist::Loading<Stack>>(
              StoreCalls<Stack>(core).begin(key, options));
          state->take_back = [loading] { loading->cancel(); };
          loading->when_ready([state, loading] { state->answer(loading->take()); });
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

 private:
  template <class Rounds, class Store>
  Result<void> add(Rounds& rounds, Store& store) {
    if (rounds.add(store.core())) return success;
    return Error(Errc::busy, "the store \"" + store.name() + "\" is attached to a Host already");
  }
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
  /// Has `request(session)` called there, and answers what its next save comes to.
  template <class S, class F>
  Future<Result<Saved>> ask_session(const Session<S>& session, const CallOptions& call, F request) {
    auto* store = static_cast<StoreCore<S>*>(session.node().host());
    if (store == nullptr) {
      auto state = std::make_shared<AnswerState<Result<Saved>>>();
      state->fail(Error(Errc::closed, "the session has ended").for_key(session.id()));
      return Future<Result<Saved>>(std::move(state));
    }
    return ask<Result<Saved>>(store->driver(), call, [request, of = session](auto state) mutable {
      if (const Result<void> asked = request(of); !asked)
        state->answer(asked.error());
      else
        of.node().core().expect_save(of.node(),
                                     [state](const Result<Saved>& saved) { state->answer(saved); });
    });
  }

  /// What is still there, if anything, and whether it can go on without this thread.
  struct Left {
    std::size_t sessions = 0;
    std::size_t out = 0;
    bool moves = false;
  };
  [[nodiscard]] Left ask_all_to_end();
  void fill(ShutdownReport& report) const;

  std::shared_ptr<HostCore> core_;
  std::vector<std::shared_ptr<HostGroup>> groups_;
};

inline Host::Left Host::ask_all_to_end() {
  Left left;
  for (const auto& group : groups_) {
    group->each_store([&](DrivenStore& store) {
      left.sessions += store.ask_all_to_end();
      left.moves = left.moves || store.can_any_end();
    });
    left.out += group->out();
  }
  left.moves = left.moves || left.out != 0;
  return left;
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
  TimePoint late_at = late ? after(core_->clock.now(), within / 5 * 4) : TimePoint::max();
  for (const auto& group : groups_)
    report.cancelled +=
        group->end_calls(nullptr, Error(Errc::cancelled, "the Host is shutting down"), true);
  report.sessions = ask_all_to_end().sessions;
  while (true) {
    const TimePoint next = poll();
    const Left left = ask_all_to_end();
    if (left.sessions == 0 && left.out == 0) break;
    if (run_lane()) continue;
    const TimePoint now = core_->clock.now();
    if (now >= late_at) {
      fill(report);
      late(report);
      late_at = TimePoint::max();
    }
    if (now >= deadline || !left.moves) break;
    wait((std::min)({next, deadline, late_at}));
  }
  fill(report);
  return report;
}

}  // namespace persist::inline PERSIST_ABI
