#pragma once

#include <persist/clock.hpp>
#include <persist/detail/caught.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

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
