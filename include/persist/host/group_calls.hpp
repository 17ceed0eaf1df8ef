#pragma once

#include <persist/host/group.hpp>
#include <persist/session/state.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

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
