#pragma once

#include <persist/host/calls.hpp>
#include <persist/store/index_calls.hpp>
#include <persist/store/user_calls.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The twins of a store's calls about its boards and about what is a user's: `host.top<"coins">(
/// players, 10)`. What each answers is said there.
class HostIndexCalls : protected HostCalls {
 public:
  using HostCalls::HostCalls;

  template <detail::FixedString Name, class Store>
  auto top(Store& store, std::size_t count, std::optional<IndexPosition> after = {},
           CallOptions call = {}) {
    return look(store, call, [count, after = std::move(after)](auto& calls) {
      return calls.template page_of_board<Name>(true, count, after);
    });
  }
  template <detail::FixedString Name, class Store>
  auto bottom(Store& store, std::size_t count, std::optional<IndexPosition> after = {},
              CallOptions call = {}) {
    return look(store, call, [count, after = std::move(after)](auto& calls) {
      return calls.template page_of_board<Name>(false, count, after);
    });
  }
  template <detail::FixedString Name, class Store, class K>
  Future<Result<std::uint64_t>> rank(Store& store, const K& key, CallOptions call = {}) {
    return ask_key<Result<std::uint64_t>>(store, key, call, [](auto& ask) {
      ask.on_lane(Priority::bulk, [](auto& calls, SpelledKey spelled) {
        return calls.template rank_in_board<Name>(spelled);
      });
    });
  }
  template <detail::FixedString Name, class Store, class K>
  auto around(Store& store, const K& key, std::size_t beside, CallOptions call = {}) {
    using Board = detail::Board<Name, typename Store::Stack::Policy>;
    using R = Result<std::vector<typename Board::Row>>;
    return ask_key<R>(store, key, call, [beside](auto& ask) {
      ask.on_lane(Priority::bulk, [beside](auto& calls, SpelledKey spelled) {
        return calls.template around_in_board<Name>(spelled, beside);
      });
    });
  }
  template <detail::FixedString Name, class Store>
  auto index_size(Store& store, CallOptions call = {}) {
    return look(store, call, [](auto& calls) { return calls.template size_of_board<Name>(); });
  }
  template <class Store>
  auto keys_of(Store& store, std::uint64_t user, CallOptions call = {}) {
    return look(store, call, [user](auto& calls) { return calls.keys_of(user); });
  }
  template <class Store>
  auto export_user(Store& store, std::uint64_t user, CallOptions call = {}) {
    return look(store, call, [user](auto& calls) { return calls.export_user(user); });
  }

 private:
  /// Has `use(calls)` called on a lane.
  template <class Store, class F>
  auto look(Store& store, const CallOptions& call, F use) {
    using Stack = typename Store::Stack;
    using R = std::invoke_result_t<F&, StoreCalls<Stack>&>;
    auto& core = store.core();
    return ask<R>(core.driver(), call, [&core, use = std::move(use)](auto state) {
      KeyAsk<Stack, R>(core, state, {}).on_lane(Priority::bulk, [use](auto& calls, SpelledKey) {
        return use(calls);
      });
    });
  }
};

}  // namespace persist::inline PERSIST_ABI
