// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "persist.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <signal.h>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// What a Host is told at run time.
struct HostOptions {
  /// Threads that call the backends. None: `run_lane` does that, on the thread that calls it.
  std::size_t lanes = 2;
  /// How many calls may wait for their answers; one more is `full`.
  std::size_t queue = 10'000;
  /// How long a call waits that says nothing else, and a load beyond its own deadline.
  Duration patience = std::chrono::seconds(30);
  /// For how long leases are renewed while the game does not call `poll`.
  Duration max_stall = std::chrono::minutes(5);
  /// How many operations a second one database is asked for; zero: any number. What is over it
  /// waits, the less urgent longer; renewals never do.
  std::size_t budget = 0;
  Clock* clock = nullptr;  ///< that of the stores; the machine's when null
  Log log{};
};

/// What one call of a Host is told.
struct CallOptions {
  Duration deadline = Duration::zero();  ///< instead of the Host's `patience`: then `timeout`
};

/// What became of a shutdown.
struct ShutdownReport {
  std::size_t sessions = 0;    ///< that were open, or on their way, when it began
  std::size_t cancelled = 0;   ///< calls that had not begun
  std::size_t spilled = 0;     ///< sessions whose changes are in the local journal, and saved later
  std::vector<LeftOpen> left;  ///< what is still there: with changes (`dirty`), or only its lease
  std::size_t out = 0;         ///< calls of backends that had not returned
  /// Nothing is left of it here: it is saved, or in the local journal (`spilled`).
  [[nodiscard]] bool complete() const noexcept { return left.empty() && out == 0; }
};

/// What a Host has done since it was made.
struct HostMetrics {
  std::uint64_t rounds = 0;          ///< batches that went to a lane
  std::uint64_t calls = 0;           ///< that were taken
  std::uint64_t refused = 0;         ///< calls that were `full`
  std::uint64_t timeouts = 0;        ///< calls that gave up
  std::uint64_t blocking_calls = 0;  ///< on the thread that polls, of which there should be none
  std::uint64_t stall_renewals = 0;  ///< leases that were renewed while nobody polled
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Something for a lane: `perform` runs there, `complete` on the thread that answers. What it
/// brings along is bytes and numbers, or waits until it is complete.
class LaneTask {
 public:
  LaneTask() = default;
  LaneTask(const LaneTask&) = delete;
  LaneTask& operator=(const LaneTask&) = delete;
  virtual ~LaneTask() = default;

  virtual void perform() = 0;
  virtual void complete() = 0;
  /// It was performed: the last call on the lane. Hands itself back to who completes it.
  virtual void hand_back(std::unique_ptr<LaneTask> self) = 0;
};

/// The threads that wait for storage. What has the higher priority goes first, and within one what
/// came first.
class Lanes {
 public:
  explicit Lanes(std::size_t count) {
    threads_.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      threads_.emplace_back([this] { work(); });
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  ~Lanes() { stop(); }

  /// Waits for what is queued and performed. By who is no lane.
  void stop() {
    {
      const std::lock_guard hold(mutex_);
      ends_ = true;
    }
    came_.notify_all();
    for (std::thread& thread : threads_)
      thread.join();
    threads_.clear();
  }

  /// Whether this thread performs something, and may wait for storage.
  [[nodiscard]] static bool is_here() noexcept { return is_here_(); }
  [[nodiscard]] bool by_hand() const noexcept { return threads_.empty(); }
  void push(std::unique_ptr<LaneTask> task, Priority priority) {
    {
      const std::lock_guard hold(mutex_);
      if (ends_) return;
      queues_[static_cast<std::size_t>(priority)].push_back(std::move(task));
    }
    came_.notify_one();
  }
  /// Where there are no threads, or on a lane that has to wait for others: performs one task on
  /// this one. False where none waits.
  bool run_one() {
    if (!by_hand() && !is_here()) return false;  // it has better to do than to wait for storage
    std::unique_lock hold(mutex_);
    std::unique_ptr<LaneTask> task = take();
    hold.unlock();
    if (!task) return false;
    perform(std::move(task));
    return true;
  }

 private:
  static void perform(std::unique_ptr<LaneTask> task) {
    const bool was_here = std::exchange(is_here_(), true);
    task->perform();
    is_here_() = was_here;
    LaneTask& done = *task;
    done.hand_back(std::move(task));
  }
  [[nodiscard]] static bool& is_here_() noexcept {
    thread_local bool here = false;
    return here;
  }
  [[nodiscard]] std::unique_ptr<LaneTask> take() {
    for (auto& queue : queues_) {
      if (queue.empty()) continue;
      auto task = std::move(queue.front());
      queue.pop_front();
      return task;
    }
    return nullptr;
  }
  void work() {
    std::unique_lock hold(mutex_);
    while (true) {
      if (auto task = take()) {
        hold.unlock();
        perform(std::move(task));
        hold.lock();
      } else if (ends_) {
        return;
      } else {
        came_.wait(hold);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable came_;
  std::array<std::deque<std::unique_ptr<LaneTask>>, priorities> queues_;
  bool ends_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Says that completions of a Host may be running on this thread, for as long as it lives.
class HostVisit {
 public:
  HostVisit(const void* group, const void* host) noexcept
      : group_(group), host_(host), outer_(innermost()) {
    innermost() = this;
  }
  HostVisit(const HostVisit&) = delete;
  HostVisit& operator=(const HostVisit&) = delete;
  ~HostVisit() { innermost() = outer_; }

  /// `of`: a group or a Host's core.
  [[nodiscard]] static bool is_inside(const void* of) noexcept {
    for (const HostVisit* visit = innermost(); visit != nullptr; visit = visit->outer_)
      if (visit->group_ == of || visit->host_ == of) return true;
    return false;
  }

 private:
  [[nodiscard]] static const HostVisit*& innermost() noexcept {
    thread_local const HostVisit* visit = nullptr;
    return visit;
  }

  const void* group_;
  const void* host_;
  const HostVisit* outer_;
};

/// What all groups of a Host share: its lanes, its clock, and who polls it.
class HostCore {
 public:
  explicit HostCore(HostOptions told)
      : options(std::move(told)),
        clock(options.clock != nullptr ? *options.clock : SystemClock::instance()),
        lanes(options.lanes) {}

  /// One more call waits for its answer; false where there is no room for it, and that is its
  /// answer.
  [[nodiscard]] bool take_call() noexcept {
    const bool fits = waiting_.fetch_add(1) < options.queue;
    ++(fits ? calls : refused);
    return fits;
  }
  void call_is_answered() noexcept { --waiting_; }

  void polls_here() {
    poller_ = std::this_thread::get_id();
    lives();
  }
  /// The stores' thread is not away.
  void lives() {
    const TimePoint now = clock.now();
    if (now - polled() > options.max_stall) timer_wake.notify();  // it had given up
    polled_ = now.time_since_epoch().count();
  }
  /// When somebody last polled.
  [[nodiscard]] TimePoint polled() const noexcept { return TimePoint(Duration(polled_.load())); }
  [[nodiscard]] bool is_polled_here() const noexcept {
    return poller_.load() == std::this_thread::get_id() && !Lanes::is_here();
  }
  /// The thread that polls is about to wait for storage.
  void waits_here(std::string_view what) {
    ++blocking_calls;
#if PERSIST_HAS_CHECKS
    detail::fatal(
        (std::string(what) + "; take the Host's twin of that call, or detach the store first")
            .c_str());
#else
    (void)what;
#endif
  }

  HostOptions options;
  Clock& clock;
  Wake wake;        ///< something came that a poll has to look at
  Wake timer_wake;  ///< or the timer
  std::atomic<bool> closing{false};
  std::atomic<std::uint64_t> rounds{0}, calls{0}, refused{0}, timeouts{0}, blocking_calls{0},
      stall_renewals{0};
  Lanes lanes;

 private:
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::thread::id> poller_{};
  std::atomic<Duration::rep> polled_{0};
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// What a future asks of the Host that made it.
class FutureHome {
 public:
  /// Has `call` made where answers are given: among the completions of the store's thread.
  virtual void post(std::function<void()> call) = 0;
  /// Whether waiting here would keep what is waited for from happening: then it is said so and,
  /// where the program goes on, `help` does some of it.
  [[nodiscard]] virtual bool blocks_itself() = 0;
  virtual void help() = 0;
  /// Calls were called off.
  virtual void look_at_calls() = 0;
  virtual void answered(const Error* threw) = 0;

 protected:
  ~FutureHome() = default;
};

/// What a call and its future share, whatever the answer's type.
class CallState {
 public:
  CallState() = default;
  CallState(const CallState&) = delete;
  CallState& operator=(const CallState&) = delete;
  virtual ~CallState() = default;

  /// Answers with that error, unless there is an answer.
  virtual bool fail(Error error) = 0;
  [[nodiscard]] bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
  void cancel() {
    if (ready() || cancelled_.exchange(true)) return;
    if (const auto home = home_.lock()) home->look_at_calls();
  }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  /// Nobody waits for the answer any more.
  [[nodiscard]] bool is_over() const noexcept { return ready() || cancelled(); }

  // Of the Host's thread.
  TimePoint deadline = TimePoint::max();
  std::function<void()> take_back;  ///< undoes what has begun, where that can be
  std::function<void()> goes_on;    ///< what `deadline` is the time of, if it is not the end

  void belongs_to(std::weak_ptr<FutureHome> home) { home_ = std::move(home); }

 protected:
  [[nodiscard]] std::shared_ptr<FutureHome> home() const { return home_.lock(); }
  std::mutex mutex_;
  Wake wake_;
  std::atomic<bool> ready_{false};

 private:
  std::atomic<bool> cancelled_{false};
  std::weak_ptr<FutureHome> home_;
};

/// The same with the answer. `R` is a Result.
template <class R>
class AnswerState final : public CallState {
 public:
  /// Gives the answer, once; whoever waits for it is called here. False: there was one.
  bool answer(R value) {
    if (cancelled()) value = R(Error(Errc::cancelled, "the call was called off"));
    std::function<void(R)> next;
    std::optional<R> told;
    {
      const std::lock_guard hold(mutex_);
      if (ready_) return false;
      next = std::exchange(next_, nullptr);
      (next ? told : value_).emplace(std::move(value));
      ready_.store(true, std::memory_order_release);
    }
    take_back = nullptr, goes_on = nullptr;
    Result<void> done = success;
    if (told) done = run(next, *std::move(told));
    wake_.notify();
    if (const auto home = this->home()) home->answered(done ? nullptr : &done.error());
    return true;
  }
  bool fail(Error error) override { return answer(R(std::move(error))); }

  void then(std::function<void(R)> next) {
    {
      const std::lock_guard hold(mutex_);
      if (!ready_) {
        next_ = std::move(next);
        return;
      }
    }
    // `std::function` wants to be copied, and an answer need not: it goes along in a pointer.
    auto value = std::make_shared<R>(take());
    auto call = [next = std::move(next), value] { next(std::move(*value)); };
    if (const auto home = this->home())
      home->post(std::move(call));
    else
      call();
  }
  [[nodiscard]] R get() {
    const auto home = this->home();
    const bool blocks = !ready() && home != nullptr && home->blocks_itself();
    while (!ready())
      blocks ? home->help() : wake_.wait_for(Duration::max());
    return take();
  }
  [[nodiscard]] R take() {
    const std::lock_guard hold(mutex_);
    if (!value_) return R(Error(Errc::invalid, "the answer of this call was taken before"));
    return *std::exchange(value_, std::nullopt);
  }

 private:
  static Result<void> run(const std::function<void(R)>& next, R value) {
    return detail::caught("what was to follow a call", [&]() -> Result<void> {
      next(std::move(value));
      return success;
    });
  }

  std::optional<R> value_;
  std::function<void(R)> next_;
};

/// The answer of a call of a Host, which comes later. Dropping it changes nothing: the call goes
/// on, and its answer is dropped; a session among them is released as any whose last handle goes.
///
/// Thread rule: one thread at a time. A future that holds a session of a store for one thread is
/// that thread's once it is ready.
template <class R>
class Future {
 public:
  using value_type = R;

  Future() = default;
  explicit Future(std::shared_ptr<AnswerState<R>> state) : state_(std::move(state)) {}

  /// Whether `get` has an answer. Of one that was never given out or was taken, yes: `invalid`.
  [[nodiscard]] bool ready() const noexcept { return !state_ || state_->ready(); }
  /// The answer, once. Waits for it: on the thread that polls its Host that ends the program, in a
  /// debug build; in a release build it is counted, and polls until the answer is there.
  [[nodiscard]] R get() {
    return state_ ? state_->get() : R(Error(Errc::invalid, "this future is of no call"));
  }
  /// Calls `fn(answer)` where completions run, never inside this call; once, instead of `get`. What
  /// it throws is written to the log.
  template <class F>
  void then(F&& fn) {
    if (!state_) return;
    // As above: what is only moved goes along in a pointer.
    auto kept = std::make_shared<std::decay_t<F>>(std::forward<F>(fn));
    std::exchange(state_, nullptr)->then([kept](R answer) { (*kept)(std::move(answer)); });
  }
  /// The call is not wanted any more. One that has not begun, or waits for a holder, ends with
  /// `cancelled`, at the next poll; what is on its way to storage arrives all the same, and its
  /// answer is dropped; a load gives the record back by itself.
  void cancel() {
    if (state_) state_->cancel();
  }

  /// Does what `cancel` does, at any time and on any thread: also when something was to follow.
  [[nodiscard]] std::function<void()> canceller() const {
    return [state = std::weak_ptr<CallState>(state_)] {
      if (const auto call = state.lock()) call->cancel();
    };
  }

  // `co_await host.load(…)`: goes on where completions run.
  [[nodiscard]] bool await_ready() const noexcept { return ready(); }
  template <class Handle>
  void await_suspend(Handle waiting) {
    waits_ = std::make_shared<std::optional<R>>();
    std::exchange(state_, nullptr)->then([waits = waits_, waiting](R answer) mutable {
      waits->emplace(std::move(answer));
      waiting.resume();
    });
  }
  [[nodiscard]] R await_resume() { return waits_ ? *std::move(*waits_) : get(); }

 private:
  std::shared_ptr<AnswerState<R>> state_;
  std::shared_ptr<std::optional<R>> waits_;  ///< of a coroutine
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// A renewal that was made while the stores' thread was away.
struct RenewedLease {
  StoreId store{};
  std::string key;
  std::uint64_t number = 0;  ///< of the session
};

/// The leases of sessions for one thread, so that another thread can renew them while that one does
/// not poll. Beside a session's lease lies its own next write number; whoever sends a commit takes
/// one from here, so no number is used twice. Any thread; the lock is held for some comparisons.
///
/// A session is free, or taken: a commit of it is on its way, which may be one that must go again
/// as it is, and no other may come before it. What is renewed here is heard of at the next poll;
/// until then numbers and times here are the newer ones.
class HostLeases {
 public:
  /// `wake` is told when something is to be looked at sooner than was said.
  explicit HostLeases(Wake* wake = nullptr) noexcept : wake_(wake) {}

  /// What the stores' thread says of a session; `ticket` comes back with what is newest.
  void tell(LeaseTicket& ticket, LeaseUse use) {
    const std::lock_guard hold(mutex_);
    auto at = tickets_.find(ticket.fence.owner.session);
    if (use == LeaseUse::over) {
      if (at == tickets_.end()) return;
      at->second.newest(ticket);
      tickets_.erase(at);
      return;
    }
    if (at == tickets_.end()) at = add(ticket);
    at->second.newest(ticket);
    at->second.taken = use == LeaseUse::taken;
  }
  /// What a lane learned of commits and acquisitions, before the stores' thread hears of it.
  void hear(std::span<const CommitRequest> commits, TimePoint sent) {
    const std::lock_guard hold(mutex_);
    for (const CommitRequest& commit : commits)
      for (const Change& change : commit.changes)
        if (Ticket* ticket = find(change.fence.owner)) hear(*ticket, commit, change, sent);
  }
  void hear(std::span<const AcquireRequest> acquires, TimePoint sent, Duration renew) {
    const std::lock_guard hold(mutex_);
    for (const AcquireRequest& each : acquires) {
      const bool holds = each.is_to_be_read() && each.intent != Intent::look;
      if (!holds || each.lease <= Duration::zero() || renew <= Duration::zero()) continue;
      LeaseTicket ticket{each.store, each.key, each.record.fence, each.lease, renew, sent};
      ticket.fence.owner = each.owner;
      if (find(each.owner) == nullptr) add(ticket);
    }
  }

  /// One batch of renewals.
  struct Batch {
    std::vector<std::string> keys;
    std::vector<Change> changes;
    std::vector<CommitRequest> commits;
    TimePoint sent{};
  };
  /// Adds the renewals that are overdue by a quarter of what lies between two, where nobody polled
  /// for as long: those that the stores' thread should have made. Returns when to look again.
  TimePoint collect(TimePoint now, TimePoint polled, Batch& batch);
  /// Takes the replies.
  std::size_t heard(Batch& batch);
  /// What was renewed since this was asked last.
  [[nodiscard]] std::vector<RenewedLease> take_renewed() {
    const std::lock_guard hold(mutex_);
    return std::exchange(renewed_, {});
  }
  [[nodiscard]] std::size_t size() {
    const std::lock_guard hold(mutex_);
    return tickets_.size();
  }

 private:
  struct Ticket {
    StoreId store{};
    std::string key;
    Fence fence{};
    Duration lease{};
    Duration renew{};
    TimePoint renewed{};
    bool taken = false;
    bool over = false;  ///< somebody newer has the record: its session will hear of it

    void newest(LeaseTicket& ticket) {
      fence.write = ticket.fence.write = (std::max)(fence.write, ticket.fence.write);
      renewed = ticket.renewed = (std::max)(renewed, ticket.renewed);
    }
    [[nodiscard]] TimePoint due() const noexcept { return after(renewed, renew + renew / 4); }
  };
  using Tickets = std::unordered_map<std::uint64_t, Ticket>;
  using Due = std::pair<TimePoint, std::uint64_t>;

  [[nodiscard]] Ticket* find(std::uint64_t number) {
    const auto at = tickets_.find(number);
    return at == tickets_.end() ? nullptr : &at->second;
  }
  /// What was spilled by an earlier process has numbers of its own.
  [[nodiscard]] Ticket* find(const Owner& owner) {
    Ticket* const ticket = find(owner.session);
    return ticket != nullptr && ticket->fence.owner == owner ? ticket : nullptr;
  }
  Tickets::iterator add(const LeaseTicket& ticket) {
    const std::uint64_t number = ticket.fence.owner.session;
    const auto at = tickets_
                        .emplace(number, Ticket{ticket.store, std::string(ticket.key), ticket.fence,
                                                ticket.lease, ticket.renew, ticket.renewed})
                        .first;
    due_.emplace(at->second.due(), number);
    if (at->second.due() < planned_ && wake_ != nullptr) wake_->notify();
    return at;
  }
  static void hear(Ticket& ticket, const CommitRequest& commit, const Change& change,
                   TimePoint sent) {
    using Outcome = CommitRequest::Outcome;
    const bool landed = commit.outcome == Outcome::applied || commit.outcome == Outcome::repeated;
    // A release, or several records together, goes again with the same number where its outcome is
    // not known: then nothing may come before it.
    if (change.lease != LeaseChange::renew || (!landed && commit.changes.size() > 1)) return;
    ticket.taken = commit.outcome == Outcome::fenced;
    ticket.fence.write = (std::max)(ticket.fence.write, change.fence.write);
    if (landed && !change.release_requested) ticket.renewed = (std::max)(ticket.renewed, sent);
  }

  std::mutex mutex_;
  Wake* wake_;
  TimePoint planned_ = TimePoint::max();
  Tickets tickets_;  ///< by the number of the session
  /// When to look at a ticket; one that was renewed since is put back. One place a ticket.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<RenewedLease> renewed_;
};

inline TimePoint HostLeases::collect(TimePoint now, TimePoint polled, Batch& batch) {
  const std::lock_guard hold(mutex_);
  batch.sent = now;
  while (!due_.empty() && due_.top().first <= now) {
    const std::uint64_t number = due_.top().second;
    due_.pop();
    Ticket* ticket = find(number);
    if (ticket == nullptr || ticket->over) continue;
    const TimePoint stalled = after(polled, ticket->renew / 4);
    const TimePoint due = (std::max)(ticket->due(), stalled);
    if (!ticket->taken && due <= now) {
      batch.keys.push_back(ticket->key);
      Change& change = batch.changes.emplace_back();
      ++ticket->fence.write;
      change.store = ticket->store;
      change.fence = ticket->fence;
      change.lease = LeaseChange::renew;
      change.lease_length = ticket->lease;
      change.seen_position = (std::numeric_limits<std::uint64_t>::max)();  // messages can wait
    }
    // Where a commit is out, or this one fails, it is looked at again before long.
    due_.emplace(due > now ? due : after(now, ticket->renew / 4), number);
  }
  for (std::size_t i = 0; i < batch.changes.size(); ++i) {
    batch.changes[i].key = batch.keys[i];
    batch.commits.push_back({.changes = std::span(&batch.changes[i], 1)});
  }
  planned_ = due_.empty() ? TimePoint::max() : due_.top().first;
  return planned_;
}

inline std::size_t HostLeases::heard(Batch& batch) {
  using Outcome = CommitRequest::Outcome;
  std::size_t done = 0;
  const std::lock_guard hold(mutex_);
  for (const CommitRequest& commit : batch.commits) {
    const Change& change = commit.changes[0];
    Ticket* ticket = find(change.fence.owner.session);
    if (ticket == nullptr) continue;
    ticket->over = ticket->over || commit.outcome == Outcome::fenced;
    if (commit.outcome != Outcome::applied && commit.outcome != Outcome::repeated) continue;
    if (!change.release_requested) ticket->renewed = (std::max)(ticket->renewed, batch.sent);
    renewed_.push_back({change.store, std::string(change.key), change.fence.owner.session});
    ++done;
  }
  return done;
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Tasks of one record are performed one after the other, as they came: here those wait that came
/// while another was on its way. For one thread at a time.
class LaneTurns {
 public:
  /// Of which store, and how the key is spelled.
  using Record = std::pair<const void*, std::string>;
  struct Waiting {
    std::unique_ptr<LaneTask> task;
    Priority priority = Priority::save;
  };

  /// Whether nothing of that record is on its way: then this is, from now on. Otherwise it is kept.
  [[nodiscard]] bool begin(const Record& of, Waiting& next) {
    const auto [at, is_first] = records_.try_emplace(of);
    if (is_first) return true;
    at->second.push_back(std::move(next));
    return false;
  }
  /// What was on its way has ended. The next, which is on its way from now on, or no task.
  [[nodiscard]] Waiting end(const Record& of) {
    const auto at = records_.find(of);
    if (at->second.empty()) return records_.erase(at), Waiting{};
    Waiting next = std::move(at->second.front());
    at->second.pop_front();
    return next;
  }

 private:
  std::map<Record, std::deque<Waiting>> records_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

class HostGroup;

/// A store's place in a Host.
class HostSeat : public Driver {
 public:
  HostSeat(HostGroup& of, DrivenStore& driven) noexcept : group(of), store(driven) {}
  void leave() final;
  void blocking_call(std::string_view name) final;
  void tell_lease(LeaseTicket& ticket, LeaseUse use) final;

  HostGroup& group;
  DrivenStore& store;
  bool has_left = false;  ///< the store is of this Host no more; under the group's lock
};

/// Stores on one database that are polled together, and the calls that were made of them: all that
/// does not depend on the backend's type. What is said to run on the stores' thread runs inside
/// `poll`.
///
/// A call goes three ways, and no other: `submit` queues a function that starts it on the stores'
/// thread; what that begins is carried on by the stores' own rounds, or by a task of its own for a
/// lane (`on_lane`); and whoever ends it answers the call's state, again on the stores' thread.
class HostGroup : public FutureHome, public std::enable_shared_from_this<HostGroup> {
 public:
  /// `kind` tells groups of different types of backends apart; `is_shared`: all threads may use the
  /// stores, so any lane is their thread.
  HostGroup(std::shared_ptr<HostCore> host, const void* kind, bool is_shared)
      : kind_(kind),
        is_shared_(is_shared),
        host_(std::move(host)),
        leases_(&host_->timer_wake),
        budget_(host_->options.budget) {}
  HostGroup(const HostGroup&) = delete;
  HostGroup& operator=(const HostGroup&) = delete;
  virtual ~HostGroup() = default;

  [[nodiscard]] HostCore& host() noexcept { return *host_; }
  [[nodiscard]] const void* kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_shared() const noexcept { return is_shared_; }
  [[nodiscard]] HostLeases& leases() noexcept { return leases_; }

  // Any thread.
  /// Has `start` called on the stores' thread; or answers `full`, or `closed`.
  void submit(const HostSeat& seat, std::shared_ptr<CallState> state, std::function<void()> start,
              TimePoint deadline) {
    state->belongs_to(weak_from_this());
    state->deadline = deadline;
    if (!host_->take_call())
      return (void)state->fail(
          Error(Errc::full, "too many calls of this Host wait for their answers"));
    bool has_left = false;
    {
      const std::lock_guard hold(mutex_);
      has_left = seat.has_left;
      if (!has_left && !host_->closing)
        queued_.push_back({&seat, std::exchange(state, nullptr), std::move(start)});
    }
    if (!state) return wake();
    state->fail(Error(Errc::closed, has_left ? "the store is no longer of this Host"
                                             : "the Host is shutting down"));
  }
  void post(std::function<void()> call) final {
    {
      const std::lock_guard hold(mutex_);
      posted_.push_back(std::move(call));
    }
    wake();
  }
  /// Makes the call on the stores' thread, here if this is that: listeners, and whoever waits for a
  /// session, are told on any thread where the stores are everybody's.
  template <class F>
  void on_stores_thread(F call) {
    if (!is_shared_ || HostVisit::is_inside(this)) return call();
    post(std::move(call));
  }
  void look_at_calls() final {
    look_ = true;
    wake();
  }
  void take_home(std::unique_ptr<LaneTask> task) {
    {
      const std::lock_guard hold(mutex_);
      home_.push_back(std::move(task));
    }
    came_.notify_all();
    wake();
  }
  [[nodiscard]] bool blocks_itself() final;
  void help() final;
  void answered(const Error* threw) final {
    look_ = true;
    host_->call_is_answered();
    if (threw != nullptr) host_->options.log.write(LogLevel::error, threw->detail());
  }

  /// Has a lane poll, where lanes are the stores' threads.
  void pump();
  /// When a lane is to poll next.
  [[nodiscard]] TimePoint next_pump() const noexcept {
    return TimePoint(Duration(next_pump_.load()));
  }
  [[nodiscard]] bool waits_in_vain() const {
    return HostVisit::is_inside(host_.get()) || (!is_shared_ && host_->is_polled_here());
  }

  // The stores' thread; where that may be any, one after the other.
  TimePoint poll();
  /// Has `perform` called on a lane, and then `complete` here.
  template <class P, class C>
  void on_lane(Priority priority, P perform, C complete) {
    send(make_call(std::move(perform), std::move(complete)), priority);
  }
  template <class P, class C>
  [[nodiscard]] std::unique_ptr<LaneTask> make_call(P perform, C complete);
  /// The same within the budget: it waits behind what came before, and what is more urgent.
  void send(std::unique_ptr<LaneTask> task, Priority priority) {
    ++held_;
    waiting_[static_cast<std::size_t>(priority)].push_back(std::move(task));
    send_waiting(priority, false);
  }
  /// The same, and behind the tasks of that record that came before; `end_turn` follows when it has
  /// come home.
  void send_in_turn(const LaneTurns::Record& of, std::unique_ptr<LaneTask> task,
                    Priority priority) {
    LaneTurns::Waiting next{std::move(task), priority};
    if (turns_.begin(of, next)) return send(std::move(next.task), priority);
    ++held_;
  }
  void end_turn(const LaneTurns::Record& of) {
    LaneTurns::Waiting next = turns_.end(of);
    if (!next.task) return;
    --held_;
    send(std::move(next.task), next.priority);
  }
  void send_now(std::unique_ptr<LaneTask> task, Priority priority) {
    ++out_;
    host_->lanes.push(std::move(task), priority);
  }
  /// Waits for what is out and takes it in; then calls `then`, before anything else goes out.
  template <class F>
  void bring_home(F then);
  /// Of a call that has begun: has `then` called at that time, which ends it no more.
  void call_at(CallState& state, TimePoint when, std::function<void()> then);
  /// From now on no call of that store is taken.
  void close(HostSeat& seat) {
    const std::lock_guard hold(mutex_);
    seat.has_left = true;
  }
  /// Ends the calls of that store, or of all, that have not been answered.
  std::size_t end_calls(const HostSeat* seat, const Error& why, bool queued_only);
  /// Tasks that have not come home, or wait for their budget or their turn.
  [[nodiscard]] std::size_t out() const noexcept { return out_ + held_; }
  [[nodiscard]] Budget& budget() noexcept { return budget_; }
  virtual void take_out(HostSeat& seat) = 0;
  virtual void take_out_all() = 0;
  /// For the timer, on any thread: has leases renewed whose time has come while nobody polls.
  /// Returns when to look again.
  virtual TimePoint renew_leases(TimePoint now) = 0;
  virtual void each_store(const std::function<void(DrivenStore&)>& use) = 0;

 protected:
  [[nodiscard]] std::unique_lock<std::recursive_mutex> my_turn() { return std::unique_lock(turn_); }
  virtual void begin_poll() = 0;
  virtual void leave_poll() noexcept = 0;
  virtual void send_rounds() = 0;
  /// When a store is due next.
  [[nodiscard]] virtual TimePoint finish_poll() = 0;

 private:
  struct Call {
    const HostSeat* seat;
    std::shared_ptr<CallState> state;
    std::function<void()> start;
  };
  struct Visit {
    explicit Visit(HostGroup& of) : group(of), here(&of, &of.host()) { group.begin_poll(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() { group.leave_poll(); }
    HostGroup& group;
    HostVisit here;
  };
  TimePoint poll_once();
  void wake() {
    if (is_shared_) pump();
    host_->wake.notify();
  }
  struct Pump;
  void take_in();
  void begin_calls();
  bool send_waiting(Priority least, bool over_budget);
  void end_late_calls(TimePoint now);
  /// Calls `use` with what is on the list now, one after the other: what waits for its turn stays
  /// there, so that a poll inside one of them finds it.
  template <class T, class F>
  void take_each(std::deque<T>& list, F use) {
    std::unique_lock hold(mutex_);
    for (std::size_t left = list.size(); left != 0 && !list.empty(); --left) {
      T one = std::move(list.front());
      list.pop_front();
      hold.unlock();
      use(std::move(one));
      hold.lock();
    }
  }
  void call_posted();

  const void* kind_;
  bool is_shared_;
  std::shared_ptr<HostCore> host_;
  HostLeases leases_;
  Budget budget_;
  std::array<std::deque<std::unique_ptr<LaneTask>>, priorities> waiting_;  ///< for the budget
  LaneTurns turns_;
  std::recursive_mutex turn_;  ///< of who is the stores' thread now
  std::atomic<bool> again_{false};
  std::atomic<bool> pump_waits_{false};
  std::atomic<Duration::rep> next_pump_{TimePoint::max().time_since_epoch().count()};
  int leaving_ = 0;   ///< nothing goes out
  std::mutex mutex_;  ///< of the next three
  std::condition_variable came_;
  std::deque<Call> queued_;
  std::deque<std::function<void()>> posted_;
  std::deque<std::unique_ptr<LaneTask>> home_;
  std::atomic<bool> look_{false};  ///< calls were called off or answered

  std::vector<Call> begun_;
  TimePoint first_deadline_ = TimePoint::max();
  std::atomic<std::size_t> out_{0};
  std::atomic<std::size_t> held_{0};  ///< tasks that are not out yet
};

inline void HostSeat::leave() {
  if (HostVisit::is_inside(&group))
    detail::fatal("a store was destroyed inside one of its own handlers");
  group.take_out(*this);
}
inline void HostSeat::tell_lease(LeaseTicket& ticket, LeaseUse use) {
  group.leases().tell(ticket, use);
}
inline void HostSeat::blocking_call(std::string_view name) {
  if (group.is_shared() || !group.waits_in_vain()) return;
  group.host().waits_here("the thread that polls a Host waits for the store \"" +
                          std::string(name) + "\", which that Host drives");
}

/// Where another thread is at it, that one looks again before it goes.
inline TimePoint HostGroup::poll() {
  TimePoint next = TimePoint::max();
  do {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn) return TimePoint::max();
    again_ = false;
    next = poll_once();
    if (is_shared_ && next != TimePoint::max()) {  // here, or an earlier answer came last
      next_pump_ = next.time_since_epoch().count();
      host_->timer_wake.notify();
    }
  } while (is_shared_ && again_);
  return next;
}

/// One at a time, and none more often than something came.
struct HostGroup::Pump final : LaneTask {
  explicit Pump(std::shared_ptr<HostGroup> of) : group(std::move(of)) {}
  void perform() override {
    group->pump_waits_ = false;
    group->poll();
    group->host().wake.notify();
  }
  void complete() override {}
  void hand_back(std::unique_ptr<LaneTask>) override {}
  std::shared_ptr<HostGroup> group;
};

inline void HostGroup::pump() {
  again_ = true;
  next_pump_ = TimePoint::max().time_since_epoch().count();
  if (!pump_waits_.exchange(true))
    host_->lanes.push(std::make_unique<Pump>(shared_from_this()), Priority::closing);
}

inline TimePoint HostGroup::poll_once() {
  const Visit visit(*this);
  take_in();
  call_posted();
  begin_calls();
  const TimePoint now = host_->clock.now();
  if (look_.exchange(false) || now >= first_deadline_) end_late_calls(now);
  // What somebody waits for goes before autosaves, and bulk behind all.
  send_waiting(Priority::save, false);
  if (leaving_ == 0) send_rounds();
  TimePoint next = finish_poll();
  const bool all_sent = send_waiting(Priority::bulk, false);
  if (budget_.left(now) == 0) {  // what is due may be a renewal, so it is looked at now and then
    const TimePoint refill = budget_.next(now);
    next = (std::max)(next, (std::min)(refill, after(now, std::chrono::milliseconds(100))));
    if (!all_sent) next = (std::min)(next, refill);
  }
  return (std::min)(next, first_deadline_);
}

/// Sends what the budget has room for; false where something waits on.
inline bool HostGroup::send_waiting(Priority least, bool over_budget) {
  const TimePoint now = host_->clock.now();
  for (std::size_t i = 0; i <= static_cast<std::size_t>(least); ++i)
    for (auto& queue = waiting_[i]; !queue.empty(); queue.pop_front()) {
      if (!over_budget && budget_.left(now) == 0) return false;
      budget_.spend(1);
      --held_;
      send_now(std::move(queue.front()), static_cast<Priority>(i));
    }
  return true;
}

/// What lanes have done.
inline void HostGroup::take_in() {
  take_each(home_, [&](std::unique_ptr<LaneTask> task) {
    --out_;
    task->complete();
    const std::lock_guard hold(mutex_);
    came_.notify_all();
  });
}

/// What follows calls that were answered before they were told what follows.
inline void HostGroup::call_posted() {
  take_each(posted_, [&](const std::function<void()>& call) {
    const Result<void> done = detail::caught("what was to follow a call", [&]() -> Result<void> {
      call();
      return success;
    });
    if (!done) host_->options.log.write(LogLevel::error, done.error().detail());
  });
}

template <class F>
void HostGroup::bring_home(F then) {
  std::unique_lock turn(turn_);
  ++leaving_;
  while (true) {
    {
      const Visit visit(*this);
      take_in();
      call_posted();
      (void)finish_poll();
      send_waiting(Priority::bulk, true);
    }
    if (out_ == 0) break;
    turn.unlock();
    if (!host_->lanes.run_one()) {
      std::unique_lock hold(mutex_);
      came_.wait(hold, [&] { return !home_.empty() || out_ == 0; });
    }
    turn.lock();
  }
  then();
  --leaving_;
}

}  // namespace persist::inline PERSIST_ABI

// The beginning and the end of calls, and what they have done on lanes.

namespace persist::inline PERSIST_ABI {

namespace detail {
template <class P, class C>
class LaneCall final : public LaneTask {
 public:
  LaneCall(std::shared_ptr<HostGroup> group, P perform, C complete)
      : group_(std::move(group)), perform_(std::move(perform)), complete_(std::move(complete)) {}
  void perform() override { perform_(); }
  void complete() override { complete_(); }
  void hand_back(std::unique_ptr<LaneTask> self) override {
    const std::shared_ptr<HostGroup> group = group_;
    group->take_home(std::move(self));
  }

 private:
  std::shared_ptr<HostGroup> group_;
  P perform_;
  C complete_;
};
}  // namespace detail

template <class P, class C>
std::unique_ptr<LaneTask> HostGroup::make_call(P perform, C complete) {
  return std::make_unique<detail::LaneCall<P, C>>(shared_from_this(), std::move(perform),
                                                  std::move(complete));
}

/// Inside the poll of the Host that drives that store: has `then()` called on the stores' thread
/// once the load has come to its end.
template <class Core, class Loading, class F>
void when_ready(Core& core, Loading& loading, F then) {
  auto group = static_cast<HostSeat*>(core.driver())->group.shared_from_this();
  loading.when_ready(
      [group = std::move(group), then = std::move(then)] { group->on_stores_thread(then); });
}
/// The same with `then(saved)`, once the session's next save has.
template <class Core, class Session, class F>
void expect_save(Core& core, const Session& session, F then) {
  auto group = static_cast<HostSeat*>(core.driver())->group.shared_from_this();
  core.expect_save(session.node(),
                   [group = std::move(group), then = std::move(then)](const Result<Saved>& saved) {
                     group->on_stores_thread([then, saved] { then(saved); });
                   });
}

inline void HostGroup::begin_calls() {
  take_each(queued_, [&](Call call) {
    first_deadline_ = (std::min)(first_deadline_, call.state->deadline);
    const std::function<void()> start = std::exchange(call.start, nullptr);
    const std::shared_ptr<CallState> state = call.state;
    begun_.push_back(std::move(call));
    if (!state->cancelled() && host_->clock.now() < state->deadline) start();
  });
}

inline void HostGroup::call_at(CallState& state, TimePoint when, std::function<void()> then) {
  state.deadline = when;
  state.goes_on = std::move(then);
  first_deadline_ = (std::min)(first_deadline_, when);
}

inline void HostGroup::end_late_calls(TimePoint now) {
  std::vector<std::shared_ptr<CallState>> late;
  std::vector<std::function<void()>> due;
  first_deadline_ = TimePoint::max();
  std::erase_if(begun_, [&](const Call& call) {
    if (call.state->ready()) return true;
    if (now >= call.state->deadline && call.state->goes_on && !call.state->cancelled()) {
      due.push_back(std::exchange(call.state->goes_on, nullptr));
      call.state->deadline = TimePoint::max();
    }
    const bool ends = call.state->cancelled() || now >= call.state->deadline;
    if (ends)
      late.push_back(call.state);
    else
      first_deadline_ = (std::min)(first_deadline_, call.state->deadline);
    return ends;
  });
  for (const std::shared_ptr<CallState>& state : late) {
    const std::function<void()> undo = std::exchange(state->take_back, nullptr);
    if (state->cancelled()) {
      state->fail(Error(Errc::cancelled, "the call was called off"));
    } else {
      ++host_->timeouts;
      state->fail(Error(Errc::timeout, "no answer came before the call's deadline"));
    }
    if (undo) undo();
  }
  for (const std::function<void()>& each : due)
    each();
}

inline std::size_t HostGroup::end_calls(const HostSeat* seat, const Error& why, bool queued_only) {
  const HostVisit here(this, host_.get());
  std::vector<Call> ended;
  const auto take = [&](auto& from) {
    std::erase_if(from, [&](Call& call) {
      const bool is_meant = seat == nullptr || call.seat == seat;
      if (is_meant && !call.state->ready()) ended.push_back(call);
      return is_meant;
    });
  };
  {
    const std::lock_guard hold(mutex_);
    take(queued_);
  }
  if (!queued_only) take(begun_);
  for (const Call& call : ended) {
    const std::function<void()> undo = std::exchange(call.state->take_back, nullptr);
    call.state->fail(why);
    if (undo) undo();
  }
  return ended.size();
}

inline bool HostGroup::blocks_itself() {
  if (!waits_in_vain()) return false;
  host_->waits_here("the thread that polls a Host waits for a Future of that Host");
  return true;
}

/// For a program that goes on although it waits where it polls.
inline void HostGroup::help() {
  poll();
  if (host_->lanes.run_one() || out_ == 0) return;
  std::unique_lock hold(mutex_);
  came_.wait(hold, [&] { return !home_.empty() || out_ == 0; });
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The rounds of stores on one database: prepared and completed on the stores' thread, performed on
/// a lane. At most as many are out as there are lanes; what becomes due meanwhile makes up the
/// next, so that slow storage is asked in larger batches and not more often.
template <class Backend>
class HostRounds final : public HostGroup {
 public:
  HostRounds(std::shared_ptr<HostCore> host, Backend database, bool is_shared)
      : HostGroup(std::move(host), kind(), is_shared), database_(std::move(database)) {}

  [[nodiscard]] static const void* kind() noexcept {
    static const char tag = 0;
    return &tag;
  }
  [[nodiscard]] bool holds(const Backend& other) const { return database_.same_database(other); }
  /// False where the store has a Host already.
  template <class Engine>
  [[nodiscard]] bool add(Engine& engine) {
    const auto turn = my_turn();
    auto seat = std::make_unique<Seat>(*this, engine);
    if (!engine.drive(seat.get())) return false;
    seats_.push_back(std::move(seat));
    return true;
  }
  /// The seat stays: another thread may be about to make a call of it.
  void take_out(HostSeat& seat) override {
    bring_home([&] {
      close(seat);
      end_calls(&seat, Error(Errc::closed, "the store is no longer of this Host"), false);
      (void)seat.store.drive(nullptr);
      const auto at = std::find_if(seats_.begin(), seats_.end(),
                                   [&](const auto& each) { return each.get() == &seat; });
      if (at == seats_.end()) return;  // what followed one of its calls was quicker
      left_.push_back(std::move(*at));
      seats_.erase(at);
    });
  }
  TimePoint renew_leases(TimePoint now) override;
  void take_out_all() override {
    while (!seats_.empty())
      take_out(*seats_.back());
  }
  void each_store(const std::function<void(DrivenStore&)>& use) override {
    const auto turn = my_turn();
    const HostVisit here(this, &host());
    for (const Seat* seat : all())
      use(seat->store);
  }

 protected:
  void begin_poll() override {
    hear_of_renewals();
    for (Seat* seat : all())
      seat->partner.begin_poll(), visited_.push_back(&seat->partner);
    visits_.push_back(seats_.size());
  }
  void leave_poll() noexcept override {
    for (std::size_t i = visits_.back(); i != 0; --i) {
      visited_.back()->leave_poll();
      visited_.pop_back();
    }
    visits_.pop_back();
  }
  void send_rounds() override;
  TimePoint finish_poll() override {
    TimePoint next = TimePoint::max();
    for (const Seat* seat : all())
      next = (std::min)(next, seat->store.finish_poll());
    return is_full() ? TimePoint::max() : next;
  }

 private:
  struct Seat final : HostSeat {
    template <class Engine>
    Seat(HostGroup& of, Engine& engine)
        : HostSeat(of, engine),
          partner(engine),
          id(engine.store()),
          renew(Engine::Access::is_shared ? Duration::zero() : engine.options().renew) {}
    RoundPartner<Backend>& partner;
    StoreId id;
    Duration renew;
  };
  struct Part {
    RoundPartner<Backend>& partner;
    Duration renew;
    Manifest mine{};
  };
  /// A round, on its way.
  struct Trip {
    Round round;
    std::vector<Part> parts;
    TimePoint sent{};

    [[nodiscard]] std::span<const AcquireRequest> acquires_of(const Part& part) const {
      return std::span(round.acquires).subspan(part.mine.first_acquire, part.mine.acquires);
    }
  };
  struct Renewals;
  void perform(Trip& trip);
  void complete(Trip& trip);
  void hear_of_renewals();
  [[nodiscard]] bool is_full() {
    return rounds_out_ >= (std::max)(host().options.lanes, std::size_t{1});
  }
  /// A copy: handlers attach stores and take others out.
  [[nodiscard]] std::vector<Seat*> all() const {
    std::vector<Seat*> seats;
    seats.reserve(seats_.size());
    for (const auto& seat : seats_)
      seats.push_back(seat.get());
    return seats;
  }

  Backend database_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::vector<std::unique_ptr<Seat>> left_;
  std::vector<RoundPartner<Backend>*> visited_;
  std::vector<std::size_t> visits_;
  std::size_t rounds_out_ = 0;
};

template <class Backend>
void HostRounds<Backend>::send_rounds() {
  const auto seats = all();
  if (!is_full()) {
    auto trip = std::make_shared<Trip>();
    trip->sent = host().clock.now();
    trip->parts.reserve(seats.size());
    for (Seat* seat : seats) {
      Part& part = trip->parts.emplace_back(Part{seat->partner, seat->renew});
      part.mine.most = budget().left(trip->sent);
      part.partner.prepare(trip->round, part.mine);
      budget().spend(part.mine.flights.size() + part.mine.acquires);
    }
    if (!trip->round.empty()) {
      ++rounds_out_;
      ++host().rounds;
      send_now(make_call([this, trip] { perform(*trip); }, [this, trip] { complete(*trip); }),
               Priority::closing);
    }
  }
  for (Seat* seat : seats) {
    auto relay = std::make_shared<Relay>();
    if (!seat->store.begin_relay(*relay)) continue;
    on_lane(
        Priority::bulk, [this, relay] { relay->perform(database_); },
        [store = &seat->store, relay] { store->end_relay(*relay); });
  }
}

/// On a lane. Where the stores' thread stays away after this, their leases are renewed all the
/// same.
template <class Backend>
void HostRounds<Backend>::perform(Trip& trip) {
  trip.round.perform(database_);
  leases().hear(trip.round.commits, trip.sent);
  for (const Part& part : trip.parts)
    leases().hear(trip.acquires_of(part), trip.sent, part.renew);
}

template <class Backend>
void HostRounds<Backend>::complete(Trip& trip) {
  --rounds_out_;
  for (Part& part : trip.parts)
    part.partner.complete(trip.round, part.mine);
}

template <class Backend>
void HostRounds<Backend>::hear_of_renewals() {
  for (const RenewedLease& renewed : leases().take_renewed())
    for (const Seat* seat : all())
      if (seat->id == renewed.store) seat->store.hear_of_renewal(renewed.key, renewed.number);
}

/// A batch of renewals: nobody waits for it but the table of leases.
template <class Backend>
struct HostRounds<Backend>::Renewals final : LaneTask {
  Renewals(std::shared_ptr<HostGroup> of, Backend database, HostLeases::Batch renewals)
      : group(std::move(of)), backend(std::move(database)), batch(std::move(renewals)) {}
  void perform() override {
    backend.commit(std::span(batch.commits));
    group->host().stall_renewals += group->leases().heard(batch);
  }
  void complete() override {}
  void hand_back(std::unique_ptr<LaneTask>) override {}
  std::shared_ptr<HostGroup> group;
  Backend backend;
  HostLeases::Batch batch;
};

template <class Backend>
TimePoint HostRounds<Backend>::renew_leases(TimePoint now) {
  const TimePoint polled = host().polled();
  if (now - polled > host().options.max_stall) return TimePoint::max();
  HostLeases::Batch batch;
  const TimePoint next = leases().collect(now, polled, batch);
  if (!batch.commits.empty())
    host().lanes.push(std::make_unique<Renewals>(shared_from_this(), database_, std::move(batch)),
                      Priority::renewal);
  return (std::min)(next, after(polled, host().options.max_stall + Duration(1)));
}

}  // namespace persist::inline PERSIST_ABI

// The signals that ask a program to stop; see detail/os.hpp for what a port has to replace.

namespace persist::inline PERSIST_ABI::detail::os {

/// SIGINT and SIGTERM, and who handled them before. Signals belong to the program and not to an
/// object of it, so there is one.
struct StopHandlers {
  static constexpr int count = 2;
  static constexpr int numbers[count] = {SIGINT, SIGTERM};
  struct sigaction before[count] = {};
  std::atomic<void (*)() noexcept> note{nullptr};
  std::mutex mutex;  ///< of who installs
  bool installed = false;
};
inline StopHandlers& stop_handlers() noexcept {
  static StopHandlers handlers;
  return handlers;
}

/// Runs in the signal: what it calls may be called there, as far as this library's part goes.
inline void on_signal(int number, siginfo_t* info, void* context) {
  const int kept = errno;
  StopHandlers& all = stop_handlers();
  if (const auto note = all.note.load()) note();
  for (int i = 0; i < StopHandlers::count; ++i) {
    if (StopHandlers::numbers[i] != number) continue;
    const struct sigaction& before = all.before[i];
    // Nobody handled it, whatever the flags: both kinds of handlers lie in one place.
    if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) continue;
    if ((before.sa_flags & SA_SIGINFO) != 0)
      before.sa_sigaction(number, info, context);
    else
      before.sa_handler(number);
  }
  errno = kept;
}

/// Calls `note` at each such signal from now on, and then who handled it before. System calls that
/// the signal interrupts go on. False where the system refuses.
inline bool on_stop_signals(void (*note)() noexcept) {
  StopHandlers& all = stop_handlers();
  const std::lock_guard hold(all.mutex);
  all.note = note;
  if (all.installed) return true;
  struct sigaction ours = {};
  ours.sa_sigaction = &on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&ours.sa_mask);
  bool good = true;
  for (int i = 0; i < StopHandlers::count; ++i) {
    // Asked for first: a signal may come between the two.
    good = ::sigaction(StopHandlers::numbers[i], nullptr, &all.before[i]) == 0 && good;
    good = ::sigaction(StopHandlers::numbers[i], &ours, nullptr) == 0 && good;
  }
  all.installed = good;
  return good;
}

}  // namespace persist::inline PERSIST_ABI::detail::os

namespace persist::inline PERSIST_ABI {

/// Whether somebody asked the program to stop (SIGINT, SIGTERM). Nothing else is done about it: the
/// game's loop looks, and calls `Host::shutdown`. One for the whole program, as signals are.
class StopSignals {
 public:
  /// Listens from the first call on. Who handled the signals before is called as well; where nobody
  /// did, they no longer end the program, which is what this is for. `io`: the system refuses.
  static Result<void> listen() {
    if (detail::os::on_stop_signals(&request)) return success;
    return Error(Errc::io, "SIGINT and SIGTERM cannot be handled").with_os(errno);
  }
  [[nodiscard]] static bool requested() noexcept { return stop.load(std::memory_order_relaxed); }
  /// As if one had come: for a console or a service that says it in another way. Any thread.
  static void request() noexcept { stop.store(true, std::memory_order_relaxed); }
  static void forget() noexcept { stop.store(false, std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler touches it");
  static inline std::atomic<bool> stop{false};
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// A thread that calls `tick` when it said that it wants to be called next, or when it is woken,
/// and sleeps otherwise.
class HostTimer {
 public:
  HostTimer(Clock& clock, Wake& wake, std::function<TimePoint()> tick)
      : wake_(wake), thread_([this, &clock, tick = std::move(tick)] {
          while (!ends_)
            clock.wait_until(tick(), wake_);
        }) {}
  HostTimer(const HostTimer&) = delete;
  HostTimer& operator=(const HostTimer&) = delete;
  ~HostTimer() {
    ends_ = true;
    wake_.notify();
    thread_.join();
  }

 private:
  Wake& wake_;
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace persist::inline PERSIST_ABI

// How the calls without a session go through a Host.

namespace persist::inline PERSIST_ABI {

/// A call on a key, on the stores' thread: whom to answer, and how to have a lane do it.
template <class S, class R>
class KeyAsk {
 public:
  using Calls = StoreCalls<S>;

  KeyAsk(StoreCore<S>& of, std::shared_ptr<AnswerState<R>> state, std::string spelled)
      : core(of), state_(std::move(state)), spelled_(std::move(spelled)) {}

  [[nodiscard]] SpelledKey key() const noexcept { return {spelled_}; }
  void answer(R value) const { state_->answer(std::move(value)); }
  [[nodiscard]] const std::shared_ptr<AnswerState<R>>& state() const noexcept { return state_; }

  /// Answers what `perform(calls, key)` does, which runs on a lane, behind what was asked of the
  /// same key before; `complete(core, key)` goes before the answer.
  template <class P, class C>
  void on_lane(Priority priority, P perform, C complete) const {
    auto result = std::make_shared<R>();
    const LaneTurns::Record turn{&core, spelled_};
    auto task = group().make_call(
        [self = *this, result, perform = std::move(perform)] {
          if (self.state_->is_over()) return;  // it waited here longer than its caller
          Calls calls(self.core);
          *result = perform(calls, self.key());
        },
        [self = *this, result, turn, complete = std::move(complete)] {
          self.group().end_turn(turn);
          complete(self.core, self.key());
          self.answer(std::move(*result));
        });
    group().send_in_turn(turn, std::move(task), priority);
  }
  template <class P>
  void on_lane(Priority priority, P perform) const {
    on_lane(priority, std::move(perform), [](StoreCore<S>&, SpelledKey) {});
  }
  /// Where a session of it is open here: has `change(session)` called, and answers what the next
  /// save comes to. False where none is.
  template <class F>
  bool change_live(F change) const {
    Calls calls(core);
    auto here = calls.find(key());
    if (!here) return false;
    Result<void> done = change(*here);
    if (done) {  // first: another thread may have it saved as soon as that was asked for
      expect_save(core, *here, [state = state_](const Result<Saved>& saved) {
        state->answer(saved ? R(success) : R(saved.error()));
      });
      done = here->request_save();
    }
    if (!done) answer(done.error());
    return true;
  }
  [[nodiscard]] HostGroup& group() const {
    return static_cast<HostSeat*>(core.driver())->group;  // this runs in its poll
  }

  StoreCore<S>& core;

 private:
  std::shared_ptr<AnswerState<R>> state_;
  std::string spelled_;
};

namespace detail {

/// What outlives the call that brought it.
template <class F>
struct Kept {
  F function;
  std::string id{};
};
template <class S, class F>
class UpdateCall : Kept<F>, public UpdateChange<S, F> {
 public:
  UpdateCall(F fn, UpdateOptions options)
      : Kept<F>{std::move(fn)}, UpdateChange<S, F>(Kept<F>::function, options) {}
  UpdateCall(const UpdateCall&) = delete;
};
template <template <class, class> class Change, class S, class F>
class ReceiptCall : Kept<F>, public Change<S, F> {
 public:
  ReceiptCall(ReceiptId receipt, F fn)
      : Kept<F>{std::move(fn), std::string(receipt.id)},
        Change<S, F>(with(receipt, Kept<F>::id), Kept<F>::function) {}
  ReceiptCall(const ReceiptCall&) = delete;

 private:
  static ReceiptId with(ReceiptId receipt, std::string_view id) {
    receipt.id = id;
    return receipt;
  }
};

}  // namespace detail

/// A change of a record by its key (store/changes.hpp) that waits for nothing: of a session of the
/// game's, or of one that it loads for itself and releases.
template <class S, class Change>
class HostChange : public std::enable_shared_from_this<HostChange<S, Change>> {
 public:
  using Answer = typename Change::Answer;
  using Ask = KeyAsk<S, Answer>;
  using KeyValue = typename S::KeyValue;

  HostChange(const Ask& ask, std::optional<KeyValue> value, std::shared_ptr<Change> change)
      : ask_(ask), value_(std::move(value)), change_(std::move(change)) {}

  void begin() {
    if (!Change::checks_live && begin_live()) return;
    if constexpr (!Change::checks) return load();
    auto fits = std::make_shared<Result<void>>();
    ask_.group().on_lane(
        Priority::save,
        [self = this->shared_from_this(), fits] {
          *fits = self->change_->check(self->ask_.core, self->ask_.key().text);
        },
        [self = this->shared_from_this(), fits] {
          if (!*fits) return self->ask_.answer(fits->error());
          if (!Change::checks_live || !self->begin_live()) self->load();
        });
  }

 private:
  [[nodiscard]] bool begin_live() {
    StoreCalls<S> calls(ask_.core);
    auto here = calls.find(ask_.key());
    if (here) change_live(*here);
    return here.has_value();
  }
  void change_live(Session<S>& session) {
    const Result<void> done = change_->apply(session, true);
    if (StoreCalls<S>::has_gone(session, done)) return begin_live() ? void() : load();
    if (!done) return ask_.answer(done.error());
    if (!change_->saves()) return ask_.answer(change_->answer(Saved{}, true));
    expect_save(ask_.core, session,
                [self = this->shared_from_this(), session](const Result<Saved>& saved) {
                  self->ask_.answer(self->change_->answer(saved, session.is_active()));
                });
    const Result<void> asked = session.request_save({.force = Change::forces});
    if (!asked && session.is_active()) ask_.answer(change_->answer(asked.error(), true));
  }
  void load() {
    if (ask_.state()->ready()) return;  // nobody waits any more
    StoreCalls<S> calls(ask_.core);
    const TimePoint deadline = after(ask_.core.now(), ask_.core.options().load_deadline);
    loading_.emplace(
        calls.begin(ask_.key(), value_, change_->load_options(), LoadKind::offline, deadline));
    ask_.state()->take_back = [self = this->shared_from_this()] { self->loading_->cancel(); };
    when_ready(ask_.core, *loading_, [self = this->shared_from_this()] { self->change_own(); });
  }
  void change_own() {
    ask_.state()->take_back = nullptr;
    auto loaded = loading_->take();
    if (!loaded) return goes_again(loaded.error()) ? load() : ask_.answer(loaded.error());
    Session<S>& session = *loaded;
    if (const Result<void> done = change_->apply(session, false); !done) {
      ask_.core.give_back_soon(session.node());
      return ask_.answer(done.error());
    }
    ask_.core.request_release(session.node(), Reason::asked);
    expect_save(ask_.core, session,
                [self = this->shared_from_this(), session](const Result<Saved>& saved) {
                  // What the caller is told has failed must not happen later: the record
                  // goes back as it was.
                  if (!saved && session.is_active() && !saved.is(Errc::unknown_outcome))
                    self->ask_.core.give_back_soon(session.node());
                  if (!saved && self->goes_again(saved.error())) return self->load();
                  self->ask_.answer(self->change_->answer(self->last(saved), false));
                });
  }

  /// What is said of the last try.
  [[nodiscard]] Result<Saved> last(const Result<Saved>& saved) const {
    constexpr bool many_write = !has_sessions<typename S::LockPolicy>;
    const bool was_late = many_write && (saved.is(Errc::fenced) || saved.is(Errc::busy));
    return was_late ? StoreCalls<S>::overtaken(saved.error().key()) : saved;
  }
  /// Whether somebody else was first, where many write one record.
  [[nodiscard]] bool goes_again(const Error& why) {
    if constexpr (has_sessions<typename S::LockPolicy>) return false;
    return (why == Errc::fenced || why == Errc::busy) && ++tries_ < StoreCalls<S>::most_tries;
  }

  Ask ask_;
  int tries_ = 0;
  std::optional<KeyValue> value_;
  std::shared_ptr<Change> change_;
  std::optional<Loading<S>> loading_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// An erasure of all that is a user's (store/erase_user.hpp) that waits for nothing: storage is
/// asked on lanes.
template <class S>
class HostErasure : public std::enable_shared_from_this<HostErasure<S>> {
 public:
  using Answer = Result<UserErased>;
  using State = AnswerState<Answer>;

  /// `until` is when it stops, between two records, with what it has done.
  HostErasure(StoreCore<S>& core, std::uint64_t user, EraseUserOptions options,
              std::shared_ptr<State> state, TimePoint until)
      : core_(core),
        user_(user),
        steps_(core, user, options),
        state_(std::move(state)),
        until_(until) {}

  void begin() {
    if (steps_.goes_on() && steps_.hurry_spilled() != 0) {
      if (core_.now() < until_ && waits_ < 30) {
        ++waits_;
        return group().call_at(*state_, after(core_.now(), 1s), [self = me()] { self->begin(); });
      }
      steps_.stop(steps_.spilled_waits());
    }
    find();
  }

 private:
  [[nodiscard]] std::shared_ptr<HostErasure> me() { return this->shared_from_this(); }
  [[nodiscard]] HostGroup& group() const {
    return static_cast<HostSeat*>(core_.driver())->group;  // this runs in its poll
  }
  [[nodiscard]] bool goes_on() {
    if (state_->is_over()) return false;
    if (steps_.goes_on() && group().host().closing)
      steps_.stop(Error(Errc::closed, "the Host is shutting down; call again for the rest"));
    if (steps_.goes_on() && core_.now() >= until_)
      steps_.stop(Error(Errc::timeout, "the deadline of the call came; call again for the rest"));
    if (steps_.goes_on()) return true;
    state_->answer(steps_.take_report());
    return false;
  }
  /// Once more as long as that finds records that were not there before.
  void find() {
    if (!goes_on()) return;
    auto keys = std::make_shared<Result<std::vector<std::string>>>();
    group().on_lane(
        Priority::bulk,
        [self = me(), keys] { *keys = StoreCalls<S>(self->core_).keys_of(self->user_); },
        [self = me(), keys] {
          if (self->steps_.take(std::move(*keys)))
            self->erase();
          else
            self->take_back();
        });
  }
  void erase() {
    if (!goes_on()) return;
    auto next = steps_.next();
    if (!next) return find();
    auto one = std::make_shared<typename UserErasure<S>::One>(*std::move(next));
    group().on_lane(
        Priority::bulk, [self = me(), one] { self->steps_.erase(*one); },
        [self = me(), one] {
          self->steps_.settle(*one);
          self->erase();
        });
  }
  void take_back() {
    if (!goes_on()) return;
    if (!steps_.takes_back()) return (void)state_->answer(steps_.take_report());
    group().on_lane(
        Priority::bulk, [self = me()] { self->steps_.find_inboxes(); },
        [self = me()] {
          self->steps_.take_out_here();
          if (!self->goes_on()) return;
          self->group().on_lane(
              Priority::bulk, [self] { self->steps_.take_out(); }, [self] { self->take_back(); });
        });
  }

  StoreCore<S>& core_;
  std::uint64_t user_;
  UserErasure<S> steps_;
  std::shared_ptr<State> state_;
  TimePoint until_;
  int waits_ = 0;
};

}  // namespace persist::inline PERSIST_ABI

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

namespace persist::inline PERSIST_ABI {

/// The twins of a store's calls about its boards and about what is a user's: `host.top<"coins">(
/// players, 10)`. What each answers is said there.
class HostIndexCalls : protected HostCalls {
 public:
  using HostCalls::HostCalls;

  template <detail::FixedString Name, class Store>
  auto top(Store& store, std::size_t count, std::optional<IndexPosition> after = {},
           CallOptions call = {}) {
    return look(store, call, [count, after = std::move(after)](auto& calls) {
      return calls.template page_of_board<Name>(true, count, after);
    });
  }
  template <detail::FixedString Name, class Store>
  auto bottom(Store& store, std::size_t count, std::optional<IndexPosition> after = {},
              CallOptions call = {}) {
    return look(store, call, [count, after = std::move(after)](auto& calls) {
      return calls.template page_of_board<Name>(false, count, after);
    });
  }
  template <detail::FixedString Name, class Store, class K>
  Future<Result<std::uint64_t>> rank(Store& store, const K& key, CallOptions call = {}) {
    return ask_key<Result<std::uint64_t>>(store, key, call, [](auto& ask) {
      ask.on_lane(Priority::bulk, [](auto& calls, SpelledKey spelled) {
        return calls.template rank_in_board<Name>(spelled);
      });
    });
  }
  template <detail::FixedString Name, class Store, class K>
  auto around(Store& store, const K& key, std::size_t beside, CallOptions call = {}) {
    using Board = detail::Board<Name, typename Store::Stack::Policy>;
    using R = Result<std::vector<typename Board::Row>>;
    return ask_key<R>(store, key, call, [beside](auto& ask) {
      ask.on_lane(Priority::bulk, [beside](auto& calls, SpelledKey spelled) {
        return calls.template around_in_board<Name>(spelled, beside);
      });
    });
  }
  template <detail::FixedString Name, class Store>
  auto index_size(Store& store, CallOptions call = {}) {
    return look(store, call, [](auto& calls) { return calls.template size_of_board<Name>(); });
  }
  template <class Store>
  auto keys_of(Store& store, std::uint64_t user, CallOptions call = {}) {
    return look(store, call, [user](auto& calls) { return calls.keys_of(user); });
  }
  template <class Store>
  auto export_user(Store& store, std::uint64_t user, CallOptions call = {}) {
    return look(store, call, [user](auto& calls) { return calls.export_user(user); });
  }

 private:
  /// Has `use(calls)` called on a lane.
  template <class Store, class F>
  auto look(Store& store, const CallOptions& call, F use) {
    using Stack = typename Store::Stack;
    using R = std::invoke_result_t<F&, StoreCalls<Stack>&>;
    auto& core = store.core();
    return ask<R>(core.driver(), call, [&core, use = std::move(use)](auto state) {
      KeyAsk<Stack, R>(core, state, {}).on_lane(Priority::bulk, [use](auto& calls, SpelledKey) {
        return use(calls);
      });
    });
  }
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// A walk over every record (store/for_each.hpp) that waits for nothing: storage is asked on lanes
/// and by the store's rounds, and everything else happens on the stores' thread, a page at a time.
template <class S, class F>
class HostWalk : private detail::Kept<F>,
                 private ForEach<S, F>,
                 public std::enable_shared_from_this<HostWalk<S, F>> {
 public:
  using Answer = Result<ForEachReport>;
  using State = AnswerState<Answer>;

  /// `until` is when it stops, between two pages, with what it has done.
  HostWalk(StoreCore<S>& core, F fn, ForEachOptions options, std::shared_ptr<State> state,
           TimePoint until)
      : detail::Kept<F>{std::move(fn)},
        ForEach<S, F>(core, detail::Kept<F>::function, std::move(options)),
        state_(std::move(state)),
        until_(until) {}

  void begin() {
    state_->take_back = [walk = this->weak_from_this()] {
      if (const auto self = walk.lock())
        for (Item& item : self->page_)
          item.loading.cancel();
    };
    go_on();
  }

 private:
  using Item = typename ForEach<S, F>::Item;

  [[nodiscard]] std::shared_ptr<HostWalk> me() { return this->shared_from_this(); }
  [[nodiscard]] HostGroup& group() const {
    return static_cast<HostSeat*>(this->core_.driver())->group;  // this runs in its poll
  }
  void end() { state_->answer(std::move(this->report_)); }

  /// Begins the next page.
  void go_on() {
    if (state_->is_over()) return;
    if (group().host().closing) {
      this->report_.error =
          Error(Errc::closed, "the Host is shutting down; `next` goes on from here");
      return end();
    }
    began_ = this->core_.now();
    if (began_ >= until_) {
      this->report_.error =
          Error(Errc::timeout, "the walk's deadline came; `next` goes on from here");
      return end();
    }
    if (!this->options_.only.empty()) return walk(this->next_told());
    auto page = std::make_shared<Result<KeyPage>>();
    group().on_lane(
        Priority::bulk, [self = me(), page] { *page = self->next_page(); },
        [self = me(), page] { self->walk(self->take(std::move(*page))); });
  }

  void walk(std::vector<std::string> keys) {
    if (state_->is_over()) return;
    if (failed(this->report_.error)) return end();
    keys_ = std::move(keys);
    if (this->options_.dry_run) return look();
    page_ = this->begin_page(keys_);
    left_ = page_.size() + 1;  // the last is this loop's own
    for (std::size_t i = 0; i < page_.size(); ++i)
      when_ready(this->core_, page_[i].loading, [self = me(), i] { self->change(self->page_[i]); });
    one_less();
  }
  void look() {
    auto reads = std::make_shared<std::vector<ReadRequest>>();
    group().on_lane(
        Priority::bulk, [self = me(), reads] { *reads = self->read(self->keys_); },
        [self = me(), reads] {
          if (self->state_->is_over()) return;
          self->look_at(std::move(*reads));
          self->end_page();
        });
  }
  void change(Item& item) {
    if (state_->is_over()) {  // what was loaded for it goes back
      if (auto session = item.loading.take()) this->core_.give_back_soon(session->node());
      return;
    }
    this->change_loaded(item);
    if (!item.saved) return one_less();
    expect_save(this->core_, *item.session, [self = me(), &item](const Result<Saved>&) {
      self->settle(item);
      self->one_less();
    });
  }
  void one_less() {
    if (--left_ == 0) end_page();
  }
  void end_page() {
    page_.clear();
    if (state_->is_over()) return;
    const Result<bool> more = detail::caught(
        "on_page", [this]() -> Result<bool> { return this->goes_on(keys_.size()); }, Errc::refused);
    if (!more) this->report_.error = more.error();
    if (!more || !*more) return end();
    const TimePoint next = this->earliest_next(began_, keys_.size());
    group().call_at(*state_, (std::min)(next, until_), [self = me()] { self->go_on(); });
  }

  std::shared_ptr<State> state_;
  TimePoint until_;
  TimePoint began_{};
  std::vector<std::string> keys_;  ///< of the page
  std::vector<Item> page_;
  std::size_t left_ = 0;  ///< of the page, that have not been dealt with
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The twins of what takes many steps: of walks over all records, of the erasure of a user, and of
/// what reads two states of a record.
class HostWalkCalls : public HostIndexCalls {
 public:
  using HostIndexCalls::HostIndexCalls;

  /// As the store's. `fn` and `on_page` run on the stores' thread, for a page in one poll: a small
  /// `page` keeps a tick short. A save that fails is not tried again but listed.
  ///
  /// A call deadline ends it between two pages, with `timeout` in the report and `next` to go on
  /// from; without one it takes as long as it takes. Called off, it stops behind the page that is
  /// out, and only `on_page` has told how far it came.
  template <class Store, class F>
  Future<Result<ForEachReport>> for_each(Store& store, F fn, ForEachOptions options = {},
                                         CallOptions call = {}) {
    using Walk = HostWalk<typename Store::Stack, F>;
    return begin<Result<ForEachReport>>(
        store, call,
        [fn = std::move(fn), options = std::move(options)](auto& core, auto state,
                                                           TimePoint until) mutable {
          std::make_shared<Walk>(core, std::move(fn), std::move(options), state, until)->begin();
        });
  }
  template <class Store>
  Future<Result<ForEachReport>> rebuild_indexes(Store& store, ForEachOptions options = {},
                                                CallOptions call = {}) {
    static_assert(Store::Stack::Policy::has_indexes,
                  "persist: the Data policy declares no indexes");
    options.rewrite = true;
    return for_each(
        store, [](const typename Store::DataType&) {}, std::move(options), call);
  }
  /// As the store's. What was spilled is waited for up to half a minute. A call deadline ends it
  /// between two records, with `timeout` in the report.
  template <class Store>
  Future<Result<UserErased>> erase_user(Store& store, std::uint64_t user,
                                        EraseUserOptions options = {}, CallOptions call = {}) {
    using Erasure = HostErasure<typename Store::Stack>;
    return begin<Result<UserErased>>(
        store, call, [user, options](auto& core, auto state, TimePoint until) {
          std::make_shared<Erasure>(core, user, options, state, until)->begin();
        });
  }
  template <class Store, class K>
  Future<Result<std::string>> diff(Store& store, const K& key, std::uint64_t from, std::uint64_t to,
                                   CallOptions call = {}) {
    return ask_key<Result<std::string>>(store, key, call, [from, to](auto& ask) {
      ask.on_lane(Priority::bulk, [from, to](auto& calls, SpelledKey spelled) {
        return calls.diff(spelled, from, to);
      });
    });
  }

 private:
  /// Has `start(core, state, until)` called on the stores' thread. What takes many steps has its
  /// deadline looked at by itself, between two of them.
  template <class R, class Store, class F>
  Future<R> begin(Store& store, CallOptions call, F start) {
    auto& core = store.core();
    const TimePoint until = call.deadline > Duration::zero()
                                ? after(core_->clock.now(), call.deadline)
                                : TimePoint::max();
    call.deadline = longest_pause;
    return ask<R>(core.driver(), call,
                  [&core, until, start = std::move(start)](auto state) mutable {
                    state->deadline = TimePoint::max();
                    start(core, state, until);
                  });
  }
};

}  // namespace persist::inline PERSIST_ABI

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
