#pragma once

#include <persist/clock.hpp>

#include <atomic>
#include <functional>
#include <thread>
#include <utility>

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
