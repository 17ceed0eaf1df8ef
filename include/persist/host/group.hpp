#pragma once

#include <persist/host/budget.hpp>
#include <persist/host/core.hpp>
#include <persist/host/future.hpp>
#include <persist/host/leases.hpp>

#include <algorithm>
#include <array>
#include <atomic>
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
  /// `kind` tells groups of different types of backends apart.
  HostGroup(std::shared_ptr<HostCore> host, const void* kind)
      : kind_(kind),
        host_(std::move(host)),
        leases_(&host_->timer_wake),
        budget_(host_->options.budget) {}
  HostGroup(const HostGroup&) = delete;
  HostGroup& operator=(const HostGroup&) = delete;
  virtual ~HostGroup() = default;

  [[nodiscard]] HostCore& host() noexcept { return *host_; }
  [[nodiscard]] const void* kind() const noexcept { return kind_; }
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
    if (host_->closing) return (void)state->fail(Error(Errc::closed, "the Host is shutting down"));
    const std::lock_guard hold(mutex_);
    queued_.push_back({&seat, std::move(state), std::move(start)});
    wake();
  }
  void post(std::function<void()> call) final {
    {
      const std::lock_guard hold(mutex_);
      posted_.push_back(std::move(call));
    }
    wake();
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
    wake();
  }
  [[nodiscard]] bool blocks_itself() final;
  void help() final;
  void answered(const Error* threw) final {
    look_ = true;
    host_->call_is_answered();
    if (threw != nullptr) host_->options.log.write(LogLevel::error, threw->detail());
  }

  // The stores' thread.
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
    waiting_[static_cast<std::size_t>(priority)].push_back(std::move(task));
    send_waiting(priority, false);
  }
  void send_now(std::unique_ptr<LaneTask> task, Priority priority) {
    ++out_;
    host_->lanes.push(std::move(task), priority);
  }
  /// Waits for what is out and takes it in.
  void bring_home();
  /// Ends the calls of that store, or of all, that have not been answered.
  std::size_t end_calls(const HostSeat* seat, const Error& why, bool queued_only);
  [[nodiscard]] std::size_t out() const noexcept { return out_; }
  [[nodiscard]] Budget& budget() noexcept { return budget_; }
  virtual void take_out(const HostSeat& seat) = 0;
  virtual void take_out_all() = 0;
  /// For the timer, on any thread: has leases renewed whose time has come while nobody polls.
  /// Returns when to look again.
  virtual TimePoint renew_leases(TimePoint now) = 0;
  virtual void each_store(const std::function<void(DrivenStore&)>& use) = 0;

 protected:
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
    explicit Visit(HostGroup& of) : group(of), here(of.host()) { group.begin_poll(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() { group.leave_poll(); }
    HostGroup& group;
    HostVisit here;
  };
  void wake() { host_->wake.notify(); }
  void take_in();
  void begin_calls();
  bool send_waiting(Priority least, bool over_budget);
  void end_late_calls(TimePoint now);
  template <class T>
  [[nodiscard]] T taken(T& list) {
    const std::lock_guard hold(mutex_);
    return std::exchange(list, T());
  }

  const void* kind_;
  std::shared_ptr<HostCore> host_;
  HostLeases leases_;
  Budget budget_;
  std::array<std::deque<std::unique_ptr<LaneTask>>, priorities> waiting_;  ///< for the budget
  std::mutex mutex_;                                                       ///< of the next three
  std::deque<Call> queued_;
  std::vector<std::function<void()>> posted_;
  std::vector<std::unique_ptr<LaneTask>> home_;
  std::atomic<bool> look_{false};  ///< calls were called off or answered

  std::vector<Call> begun_;
  TimePoint first_deadline_ = TimePoint::max();
  std::size_t out_ = 0;
};

inline void HostSeat::leave() {
  group.take_out(*this);
}
inline void HostSeat::tell_lease(LeaseTicket& ticket, LeaseUse use) {
  group.leases().tell(ticket, use);
}
inline void HostSeat::blocking_call(std::string_view name) {
  if (!group.host().is_polled_here()) return;
  group.host().waits_here("the thread that polls a Host waits for the store \"" +
                          std::string(name) + "\", which that Host drives");
}

inline TimePoint HostGroup::poll() {
  const Visit visit(*this);
  take_in();
  for (const auto& call : taken(posted_))
    call();
  begin_calls();
  const TimePoint now = host_->clock.now();
  if (look_.exchange(false) || now >= first_deadline_) end_late_calls(now);
  // What somebody waits for goes before autosaves, and bulk behind all.
  send_waiting(Priority::save, false);
  send_rounds();
  TimePoint next = finish_poll();
  if (!send_waiting(Priority::bulk, false) || budget_.left(now) == 0)
    next = (std::max)((std::min)(next, now), budget_.next(now));
  return (std::min)(next, first_deadline_);
}

/// Sends what the budget has room for; false where something waits on.
inline bool HostGroup::send_waiting(Priority least, bool over_budget) {
  const TimePoint now = host_->clock.now();
  for (std::size_t i = 0; i <= static_cast<std::size_t>(least); ++i)
    for (auto& queue = waiting_[i]; !queue.empty(); queue.pop_front()) {
      if (!over_budget && budget_.left(now) == 0) return false;
      budget_.spend(1);
      send_now(std::move(queue.front()), static_cast<Priority>(i));
    }
  return true;
}

/// What lanes have done.
inline void HostGroup::take_in() {
  for (auto& task : taken(home_)) {
    --out_;
    task->complete();
  }
}

inline void HostGroup::begin_calls() {
  for (Call& call : taken(queued_)) {
    first_deadline_ = (std::min)(first_deadline_, call.state->deadline);
    const std::function<void()> start = std::exchange(call.start, nullptr);
    const std::shared_ptr<CallState> state = call.state;
    begun_.push_back(std::move(call));
    if (!state->cancelled() && host_->clock.now() < state->deadline) start();
  }
}

inline void HostGroup::end_late_calls(TimePoint now) {
  std::vector<std::shared_ptr<CallState>> late;
  first_deadline_ = TimePoint::max();
  std::erase_if(begun_, [&](const Call& call) {
    if (call.state->ready()) return true;
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
}

inline void HostGroup::bring_home() {
  send_waiting(Priority::bulk, true);
  while (out_ != 0) {
    {
      const Visit visit(*this);
      take_in();
      for (const auto& call : taken(posted_))
        call();
      (void)finish_poll();
    }
    if (out_ != 0 && !host_->lanes.run_one()) host_->wake.wait_for(Duration::max());
  }
}

inline std::size_t HostGroup::end_calls(const HostSeat* seat, const Error& why, bool queued_only) {
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
  if (!host_->is_polled_here()) return false;
  host_->waits_here("the thread that polls a Host waits for a Future of that Host");
  return true;
}

/// For a program that goes on although it waits where it polls.
inline void HostGroup::help() {
  poll();
  if (!host_->lanes.run_one() && out_ != 0) host_->wake.wait_for(Duration::max());
}

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

}  // namespace persist::inline PERSIST_ABI
