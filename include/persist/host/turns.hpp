#pragma once

#include <persist/host/lanes.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// Tasks of one record are performed one after the other, as they came: here those wait that came
/// while another was on its way. For one thread at a time.
class LaneTurns {
 public:
  /// Of which store, and how the key is spelled.
  using Record = std::pair<const void*, std::string>;
  struct Waiting {
    std::unique_ptr<LaneTask> task;
    Priority priority = Priority::save;
  };

  /// Whether nothing of that record is on its way: then this is, from now on. Otherwise it is kept.
  [[nodiscard]] bool begin(const Record& of, Waiting& next) {
    const auto [at, is_first] = records_.try_emplace(of);
    if (is_first) return true;
    at->second.push_back(std::move(next));
    return false;
  }
  /// What was on its way has ended. The next, which is on its way from now on, or no task.
  [[nodiscard]] Waiting end(const Record& of) {
    const auto at = records_.find(of);
    if (at->second.empty()) return records_.erase(at), Waiting{};
    Waiting next = std::move(at->second.front());
    at->second.pop_front();
    return next;
  }

 private:
  std::map<Record, std::deque<Waiting>> records_;
};

}  // namespace persist::inline PERSIST_ABI
