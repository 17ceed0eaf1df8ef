#pragma once

#include <persist/detail/budget.hpp>
#include <persist/detail/caught.hpp>
#include <persist/host/core.hpp>
#include <persist/host/future.hpp>
#include <persist/host/leases.hpp>
#include <persist/host/turns.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

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
