#pragma once

#include <persist/host/changes.hpp>
#include <persist/store/erase_user.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// An erasure of all that is a user's (store/erase_user.hpp) that waits for nothing: storage is
/// asked on lanes.
template <class S>
class HostErasure : public std::enable_shared_from_this<HostErasure<S>> {
 public:
  using Answer = Result<UserErased>;
  using State = AnswerState<Answer>;

  /// `until` is when it stops, between two records, with what it has done.
  HostErasure(StoreCore<S>& core, std::uint64_t user, EraseUserOptions options,
              std::shared_ptr<State> state, TimePoint until)
      : core_(core),
        user_(user),
        steps_(core, user, options),
        state_(std::move(state)),
        until_(until) {}

  void begin() {
    if (steps_.goes_on() && steps_.hurry_spilled() != 0) {
      if (core_.now() < until_ && waits_ < 30) {
        ++waits_;
        return group().call_at(*state_, after(core_.now(), 1s), [self = me()] { self->begin(); });
      }
      steps_.stop(steps_.spilled_waits());
    }
    find();
  }

 private:
  [[nodiscard]] std::shared_ptr<HostErasure> me() { return this->shared_from_this(); }
  [[nodiscard]] HostGroup& group() const {
    return static_cast<HostSeat*>(core_.driver())->group;  // this runs in its poll
  }
  [[nodiscard]] bool goes_on() {
    if (state_->is_over()) return false;
    if (steps_.goes_on() && group().host().closing)
      steps_.stop(Error(Errc::closed, "the Host is shutting down; call again for the rest"));
    if (steps_.goes_on() && core_.now() >= until_)
      steps_.stop(Error(Errc::timeout, "the deadline of the call came; call again for the rest"));
    if (steps_.goes_on()) return true;
    state_->answer(steps_.take_report());
    return false;
  }
  /// Once more as long as that finds records that were not there before.
  void find() {
    if (!goes_on()) return;
    auto keys = std::make_shared<Result<std::vector<std::string>>>();
    group().on_lane(
        Priority::bulk,
        [self = me(), keys] { *keys = StoreCalls<S>(self->core_).keys_of(self->user_); },
        [self = me(), keys] {
          if (self->steps_.take(std::move(*keys)))
            self->erase();
          else
            self->take_back();
        });
  }
  void erase() {
    if (!goes_on()) return;
    auto next = steps_.next();
    if (!next) return find();
    auto one = std::make_shared<typename UserErasure<S>::One>(*std::move(next));
    group().on_lane(
        Priority::bulk, [self = me(), one] { self->steps_.erase(*one); },
        [self = me(), one] {
          self->steps_.settle(*one);
          self->erase();
        });
  }
  void take_back() {
    if (!goes_on()) return;
    if (!steps_.takes_back()) return (void)state_->answer(steps_.take_report());
    group().on_lane(
        Priority::bulk, [self = me()] { self->steps_.find_inboxes(); },
        [self = me()] {
          self->steps_.take_out_here();
          if (!self->goes_on()) return;
          self->group().on_lane(
              Priority::bulk, [self] { self->steps_.take_out(); }, [self] { self->take_back(); });
        });
  }

  StoreCore<S>& core_;
  std::uint64_t user_;
  UserErasure<S> steps_;
  std::shared_ptr<State> state_;
  TimePoint until_;
  int waits_ = 0;
};

}  // namespace persist::inline PERSIST_ABI
