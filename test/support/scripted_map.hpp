#pragma once

#include <persist/backend/kv.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace test {

using persist::backend::kv::Entry;
using persist::backend::kv::MemoryMap;
using persist::backend::kv::Swap;

/// A server's line to a map that others use too: what goes over it is counted, may come after
/// somebody else, may fail, and may fail although it was done.
class ScriptedMap {
 public:
  struct Script {
    unsigned gets = 0, swaps = 0;
    /// Called before each; what it answers is the answer, and nothing was done.
    std::function<std::optional<persist::Error>(std::string_view)> before_swap, before_get;
    /// Called behind one that won.
    std::function<std::optional<persist::Error>(std::string_view)> after_swap;
  };
  explicit ScriptedMap(MemoryMap map) : map_(std::move(map)) {}

  [[nodiscard]] Script& script() noexcept { return *script_; }
  [[nodiscard]] MemoryMap& map() noexcept { return map_; }

  persist::Result<Entry> get(std::string_view key) {
    ++script_->gets;
    if (auto failure = asked(script_->before_get, key)) return *failure;
    return map_.get(key);
  }
  persist::Result<Swap> compare_and_swap(std::string_view key, std::string_view seen,
                                         persist::ByteView value) {
    ++script_->swaps;
    if (auto failure = asked(script_->before_swap, key)) return *failure;
    auto swap = map_.compare_and_swap(key, seen, value);
    if (swap && swap->won)
      if (auto failure = asked(script_->after_swap, key)) return *failure;
    return swap;
  }
  persist::Result<std::vector<std::string>> list(std::string_view prefix, std::string_view after,
                                                 std::size_t most) {
    return map_.list(prefix, after, most);
  }
  persist::Clock& clock() noexcept { return map_.clock(); }

 private:
  static std::optional<persist::Error> asked(
      const std::function<std::optional<persist::Error>(std::string_view)>& hook,
      std::string_view key) {
    if (!hook) return std::nullopt;
    const auto copy = hook;  // it may take itself away
    return copy(key);
  }

  MemoryMap map_;
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
};

/// All that is in a map under that prefix.
inline std::vector<std::pair<std::string, std::string>> contents(MemoryMap& map,
                                                                 std::string_view prefix = "") {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& key : *map.list(prefix, "", 100'000))
    all.emplace_back(key, std::string(persist::as_text(map.get(key)->value)));
  return all;
}
/// Puts those bytes there, whatever is there.
inline void put(MemoryMap& map, std::string_view key, persist::ByteView value) {
  (void)map.compare_and_swap(key, map.get(key)->version, value);
}

}  // namespace test
