#pragma once

#include <persist/clock.hpp>
#include <persist/session/options.hpp>

#include <deque>

namespace persist::inline PERSIST_ABI {

/// Whether the database of a store fails so often that the store should ask less of it. Knows
/// nothing of sessions; costs a store two bytes written per commit while all is well. Under the
/// store's lock.
class CriticalState {
 public:
  explicit CriticalState(const CriticalOptions& options) noexcept : options_(options) {}

  /// What an answer was: counted by the next `count`, and as one with all that came before that.
  void hear(bool failed) noexcept {
    has_failed_ = has_failed_ || failed;
    is_down_ = failed;
  }
  [[nodiscard]] bool is_to_count() const noexcept { return has_failed_; }
  /// Failures of one second count as one: many sessions meet the same one at once.
  void count(TimePoint now) {
    has_failed_ = false;
    if (options_.errors == 0) return;
    last_ = now;
    if (!times_.empty() && now - times_.back() < std::chrono::seconds(1)) return;
    times_.push_back(now);
    if (times_.size() > options_.errors) times_.pop_front();
    if (times_.size() < options_.errors || now - times_.front() > options_.within) return;
    until_ = after(times_.front(), options_.within);
    is_on_ = true;
  }
  /// It is over when fewer of the last failures are that young; they are forgotten then, so that
  /// one more does not begin it again.
  void look(TimePoint now) noexcept {
    if (!is_on_ || now < until_) return;
    is_on_ = false;
    times_.clear();
  }

  [[nodiscard]] bool is_on() const noexcept { return is_on_; }
  [[nodiscard]] TimePoint until() const noexcept { return is_on_ ? until_ : TimePoint::max(); }
  /// Whether listeners have not heard of the last change yet; they have by now.
  [[nodiscard]] bool tell() noexcept {
    const bool news = was_told_ != is_on_;
    was_told_ = is_on_;
    return news;
  }
  [[nodiscard]] bool has_news() const noexcept { return was_told_ != is_on_; }
  /// Whether a load that begins now is not sent: the database has just failed, and has not answered
  /// since. After a while one may find out whether it does.
  [[nodiscard]] bool refuses_loads(TimePoint now) const noexcept {
    return is_on_ && is_down_ && now < until_ && now - last_ < options_.refuse_loads;
  }
  /// How much longer the interval between two autosaves is.
  [[nodiscard]] Duration stretched(Duration interval) const noexcept {
    return is_on_ ? interval * static_cast<int>(options_.slower) : interval;
  }

 private:
  const CriticalOptions options_;
  std::deque<TimePoint> times_;  ///< of the last failures
  TimePoint last_{};
  TimePoint until_{};
  bool has_failed_ = false;
  bool is_down_ = false;  ///< the last answer was a failure
  bool is_on_ = false;
  bool was_told_ = false;
};

}  // namespace persist::inline PERSIST_ABI
