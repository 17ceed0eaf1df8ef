#pragma once

#include <persist/backend/forwarded.hpp>
#include <persist/detail/budget.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <span>
#include <string>

namespace persist::inline PERSIST_ABI::backend {

struct LimitOptions {
  /// Requests a second, whatever they ask. What one second leaves unused the next one may use, and
  /// no more. Zero: as many as there are.
  std::size_t per_second = 0;
  /// How long a batch waits for its turn in the call that brings it. What does not have it by then
  /// is answered `unavailable`, and the store tries again. Zero: nobody waits.
  Duration patience = std::chrono::seconds(1);
  /// Where time comes from and is waited for; it must outlive every handle.
  Clock* clock = nullptr;
};

/// Sends no more requests a second than it is told, for a database that bills them or that others
/// need too. What is over that waits, and then is answered `unavailable`: nothing was sent.
///
/// Copies share one budget. A batch is handed on in parts as it has its turn; a commit of several
/// records is one request. Which request is more urgent it does not know: a `Host` does
/// (`HostOptions`), so give it the lower budget of the two. Any thread may call it; one that waits
/// holds up no other.
template <record_backend Inner>
class Limited : public Forwarded<Limited<Inner>, Inner> {
 public:
  Limited(Inner inner, const LimitOptions& options)
      : Forwarded<Limited, Inner>(std::move(inner)), state_(std::make_shared<State>(options)) {}

 private:
  friend Forwarded<Limited, Inner>;

  struct State {
    explicit State(const LimitOptions& told)
        : options(told),
          clock(told.clock != nullptr ? *told.clock : SystemClock::instance()),
          budget(told.per_second) {}

    LimitOptions options;
    Clock& clock;
    std::mutex mutex;
    Budget budget;
  };

  template <class Request, class Go>
  void around(Operation, std::span<Request> batch, Go go) {
    const TimePoint give_up = after(state_->clock.now(), state_->options.patience);
    while (!batch.empty()) {
      const std::size_t granted = take(batch.size(), give_up);
      if (granted == 0) break;
      go(batch.first(granted));
      batch = batch.subspan(granted);
    }
    for (Request& request : batch)
      refuse(request, over_budget());
  }
  /// How many of so many may go, once any may; 0 where that is too long away.
  [[nodiscard]] std::size_t take(std::size_t wanted, TimePoint give_up) {
    Wake nobody;
    while (true) {
      TimePoint next;
      {
        const std::lock_guard hold(state_->mutex);
        const TimePoint now = state_->clock.now();
        const std::size_t granted = (std::min)(wanted, state_->budget.left(now));
        state_->budget.spend(granted);
        if (granted != 0) return granted;
        next = state_->budget.next(now);
      }
      if (next > give_up) return 0;
      state_->clock.wait_until(next, nobody);
    }
  }
  [[nodiscard]] Error over_budget() const {
    return {Errc::unavailable, "the budget of " + std::to_string(state_->options.per_second) +
                                   " requests a second is used up; nothing was sent"};
  }

  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::backend
