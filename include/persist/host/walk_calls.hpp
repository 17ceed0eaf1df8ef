#pragma once

#include <persist/host/erasure.hpp>
#include <persist/host/index_calls.hpp>
#include <persist/host/walk.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// The twins of what takes many steps: of walks over all records, of the erasure of a user, and of
/// what reads two states of a record.
class HostWalkCalls : public HostIndexCalls {
 public:
  using HostIndexCalls::HostIndexCalls;

  /// As the store's. `fn` and `on_page` run on the stores' thread, for a page in one poll: a small
  /// `page` keeps a tick short. A save that fails is not tried again but listed.
  ///
  /// A call deadline ends it between two pages, with `timeout` in the report and `next` to go on
  /// from; without one it takes as long as it takes. Called off, it stops behind the page that is
  /// out, and only `on_page` has told how far it came.
  template <class Store, class F>
  Future<Result<ForEachReport>> for_each(Store& store, F fn, ForEachOptions options = {},
                                         CallOptions call = {}) {
    using Walk = HostWalk<typename Store::Stack, F>;
    return begin<Result<ForEachReport>>(
        store, call,
        [fn = std::move(fn), options = std::move(options)](auto& core, auto state,
                                                           TimePoint until) mutable {
          std::make_shared<Walk>(core, std::move(fn), std::move(options), state, until)->begin();
        });
  }
  template <class Store>
  Future<Result<ForEachReport>> rebuild_indexes(Store& store, ForEachOptions options = {},
                                                CallOptions call = {}) {
    static_assert(Store::Stack::Policy::has_indexes,
                  "persist: the Data policy declares no indexes");
    options.rewrite = true;
    return for_each(
        store, [](const typename Store::DataType&) {}, std::move(options), call);
  }
  /// As the store's. What was spilled is waited for up to half a minute. A call deadline ends it
  /// between two records, with `timeout` in the report.
  template <class Store>
  Future<Result<UserErased>> erase_user(Store& store, std::uint64_t user,
                                        EraseUserOptions options = {}, CallOptions call = {}) {
    using Erasure = HostErasure<typename Store::Stack>;
    return begin<Result<UserErased>>(
        store, call, [user, options](auto& core, auto state, TimePoint until) {
          std::make_shared<Erasure>(core, user, options, state, until)->begin();
        });
  }
  template <class Store, class K>
  Future<Result<std::string>> diff(Store& store, const K& key, std::uint64_t from, std::uint64_t to,
                                   CallOptions call = {}) {
    return ask_key<Result<std::string>>(store, key, call, [from, to](auto& ask) {
      ask.on_lane(Priority::bulk, [from, to](auto& calls, SpelledKey spelled) {
        return calls.diff(spelled, from, to);
      });
    });
  }

 private:
  /// Has `start(core, state, until)` called on the stores' thread. What takes many steps has its
  /// deadline looked at by itself, between two of them.
  template <class R, class Store, class F>
  Future<R> begin(Store& store, CallOptions call, F start) {
    auto& core = store.core();
    const TimePoint until = call.deadline > Duration::zero()
                                ? after(core_->clock.now(), call.deadline)
                                : TimePoint::max();
    call.deadline = longest_pause;
    return ask<R>(core.driver(), call,
                  [&core, until, start = std::move(start)](auto state) mutable {
                    state->deadline = TimePoint::max();
                    start(core, state, until);
                  });
  }
};

}  // namespace persist::inline PERSIST_ABI
