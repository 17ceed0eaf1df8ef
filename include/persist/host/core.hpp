#pragma once

#include <persist/detail/config.hpp>
#include <persist/detail/fatal.hpp>
#include <persist/host/lanes.hpp>
#include <persist/host/options.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

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
