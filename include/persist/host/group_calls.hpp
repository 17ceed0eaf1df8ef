#pragma once

#include <persist/host/group.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

// The beginning and the end of calls.

namespace persist::inline PERSIST_ABI {

inline void HostGroup::begin_calls() {
  take_each(queued_, [&](Call call) {
    first_deadline_ = (std::min)(first_deadline_, call.state->deadline);
    const std::function<void()> start = std::exchange(call.start, nullptr);
    const std::shared_ptr<CallState> state = call.state;
    begun_.push_back(std::move(call));
    if (!state->cancelled() && host_->clock.now() < state->deadline) start();
  });
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
