#pragma once

#include <persist/backend/kv/names.hpp>
#include <persist/record/requests.hpp>
#include <persist/record/wake.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::kv {

/// A store as one open database knows it. Its name never changes; its birth is nobody's until its
/// header was read, as that of a store which a message in an outbox names.
struct KnownStore {
  std::string name;
  std::string base;
  Hash128 birth{};
  std::set<Hash128> schemas{};                   ///< that are known to be in the map
  std::set<std::string, std::less<>> waiting{};  ///< keys whose outbox was seen to wait
  std::vector<std::weak_ptr<WakeQueue>> watchers{};

  [[nodiscard]] bool is_known() const noexcept { return birth != Hash128{}; }
};

/// The stores of one open database. Safe to call from any thread.
class Stores {
 public:
  /// The place of that store, which gets one where it has none.
  [[nodiscard]] StoreId id_of(std::string_view name) {
    const std::lock_guard hold(mutex_);
    std::uint32_t index = 0;
    while (index < all_.size() && all_[index].name != name)
      ++index;
    if (index == all_.size()) all_.push_back({std::string(name), base_of(name)});
    return {index};
  }
  [[nodiscard]] std::string name_of(StoreId store) const {
    const std::lock_guard hold(mutex_);
    return all_[store.index].name;
  }
  /// Calls `visit(KnownStore&)` under the lock.
  template <class F>
  auto with(StoreId store, F visit) {
    const std::lock_guard hold(mutex_);
    return visit(all_[store.index]);
  }
  void wake(StoreId store, std::string_view key, Hint why) {
    const std::lock_guard hold(mutex_);
    std::erase_if(all_[store.index].watchers, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(key, why);
      return queue == nullptr;
    });
  }

 private:
  mutable std::mutex mutex_;
  std::deque<KnownStore> all_;
};

}  // namespace persist::inline PERSIST_ABI::backend::kv
