#pragma once

#include <persist/backend/kv/concept.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace persist::inline PERSIST_ABI::backend::kv {

/// A map in this process's memory: for tests, and as the shortest model of what `Kv` needs. Copies
/// share what is in it; what was put there is gone with the last of them. Safe to call from any
/// thread: one lock, held for a copy of the value.
class MemoryMap {
 public:
  /// `clock` judges leases and must outlive every copy.
  explicit MemoryMap(Clock& clock = SystemClock::instance())
      : state_(std::make_shared<State>(clock)) {}

  [[nodiscard]] Result<Entry> get(std::string_view key) {
    const std::lock_guard hold(state_->mutex);
    const auto found = state_->entries.find(key);
    return found == state_->entries.end() ? Entry{} : found->second;
  }
  [[nodiscard]] Result<Swap> compare_and_swap(std::string_view key, std::string_view seen,
                                              ByteView value) {
    const std::lock_guard hold(state_->mutex);
    const auto found = state_->entries.find(key);
    const bool is_there = found != state_->entries.end();
    if (seen != (is_there ? std::string_view(found->second.version) : "")) return Swap{};
    std::string version = std::to_string(++state_->writes);
    if (!value.empty())
      state_->entries[std::string(key)] = {Buffer(value), version};
    else if (is_there)
      state_->entries.erase(found);
    return Swap{true, std::move(version)};
  }
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view prefix,
                                                      std::string_view after, std::size_t most) {
    const std::lock_guard hold(state_->mutex);
    std::vector<std::string> keys;
    auto at =
        after < prefix ? state_->entries.lower_bound(prefix) : state_->entries.upper_bound(after);
    for (; at != state_->entries.end() && at->first.starts_with(prefix); ++at) {
      if (keys.size() == most) break;
      keys.push_back(at->first);
    }
    return keys;
  }
  [[nodiscard]] Clock& clock() noexcept { return state_->clock; }

 private:
  struct State {
    explicit State(Clock& time) : clock(time) {}

    std::mutex mutex;
    Clock& clock;
    std::map<std::string, Entry, std::less<>> entries;
    std::uint64_t writes = 0;
  };

  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::backend::kv
