#pragma once

#include <persist/host/group_calls.hpp>
#include <persist/store/changes.hpp>
#include <persist/store/offline_calls.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

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
