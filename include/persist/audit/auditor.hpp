#pragma once

#include <persist/audit/ledger.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::audit {

/// A record has another amount than its ledger explains.
struct Mismatch {
  std::string key;
  std::string what;
  std::int64_t explained = 0;
  std::int64_t there = 0;
};
/// A move whose halves do not cancel out: one is still on its way, or is missing, or is there
/// twice.
struct OpenMove {
  std::string name;
  std::string what;
  std::int64_t sum = 0;
  WallTime first{};
  std::vector<std::string> keys;  ///< whose ledgers have a half
};
/// Something of which there is one, in more than one place.
struct Duplicate {
  std::string id;
  std::vector<std::string> keys;
};
/// What became of one kind of thing in the period.
struct Flow {
  std::int64_t made = 0;
  std::int64_t destroyed = 0;  ///< never negative
  std::int64_t there = 0;      ///< in all records now
};

struct Report {
  std::uint64_t records = 0;
  std::uint64_t lines = 0;  ///< of the period
  /// Records that no longer have all lines of the period: a move may be open for that reason.
  std::uint64_t shortened = 0;
  std::map<std::string, Flow> flows;
  std::vector<Mismatch> mismatches;
  std::vector<OpenMove> open;
  std::vector<Duplicate> duplicates;

  [[nodiscard]] bool is_clean() const noexcept {
    return mismatches.empty() && open.empty() && duplicates.empty();
  }
};

struct Period {
  WallTime from = (WallTime::min)();
  WallTime to = (WallTime::max)();
};

/// What one record says of itself to an audit.
class Account {
 public:
  template <std::size_t Most>
  void ledger(const Ledger<Most>& of) {
    lines_ = of.lines;
    brought_forward_ = &of.brought_forward;
    whole_since_ = of.whole_since;
  }
  /// So much of it is there: it must be what the ledger says.
  void amount(std::string what, std::int64_t there) {
    amounts_.emplace_back(std::move(what), there);
  }
  /// There is one of it in the world, and it is here.
  void unique(std::string id) { unique_.push_back(std::move(id)); }
  void unique(std::uint64_t id) { unique_.push_back(std::to_string(id)); }

 private:
  friend class Auditor;
  std::span<const Line> lines_;
  const std::map<std::string, std::int64_t>* brought_forward_ = nullptr;
  WallTime whole_since_{};
  std::vector<std::pair<std::string, std::int64_t>> amounts_;
  std::vector<std::string> unique_;
};

/// Compares the accounts of many records, each added once. Memory: each unique id, and each move
/// that is not settled, until the end.
class Auditor {
 public:
  explicit Auditor(Period period = {}) : period_(period) {}

  void add(std::string_view key, const Account& account) {
    ++report_.records;
    if (account.whole_since_ != WallTime{} && account.whole_since_ >= period_.from)
      ++report_.shortened;
    std::map<std::string, std::int64_t> explained;
    if (account.brought_forward_ != nullptr) explained = *account.brought_forward_;
    for (const Line& line : account.lines_) {
      explained[line.what] = plus(explained[line.what], line.amount);
      if (line.at >= period_.from && line.at < period_.to) count(key, line);
    }
    for (const auto& [what, there] : account.amounts_) {
      report_.flows[what].there = plus(report_.flows[what].there, there);
      if (explained[what] != there)
        report_.mismatches.push_back({std::string(key), what, explained[what], there});
    }
    for (const std::string& id : account.unique_)
      seen(key, id);
  }
  [[nodiscard]] Report finish() {
    for (auto& [name, move] : moves_)
      if (move.sum != 0) report_.open.push_back(std::move(move));
    for (auto& [id, keys] : twice_)
      report_.duplicates.push_back({id, std::move(keys)});
    return std::move(report_);
  }

 private:
  void count(std::string_view key, const Line& line) {
    ++report_.lines;
    if (!line.moves) {
      constexpr auto most = (std::numeric_limits<std::int64_t>::max)();
      Flow& flow = report_.flows[line.what];
      if (line.amount < 0)
        flow.destroyed = plus(flow.destroyed, -(std::max)(line.amount, -most));
      else
        flow.made = plus(flow.made, line.amount);
      return;
    }
    const auto [at, is_first] = moves_.try_emplace({line.why, line.what});
    OpenMove& move = at->second;
    if (is_first) move = {line.why, line.what, 0, line.at, {}};
    move.sum = plus(move.sum, line.amount);
    move.first = (std::min)(move.first, line.at);
    move.keys.emplace_back(key);
  }
  void seen(std::string_view key, const std::string& id) {
    const auto [first, is_new] = owners_.try_emplace(id, key);
    if (is_new) return;
    std::vector<std::string>& keys = twice_[id];
    if (keys.empty()) keys.push_back(first->second);
    keys.emplace_back(key);
  }

  Period period_;
  Report report_;
  std::map<std::pair<std::string, std::string>, OpenMove> moves_;
  std::unordered_map<std::string, std::string> owners_;
  std::map<std::string, std::vector<std::string>> twice_;
};

}  // namespace persist::inline PERSIST_ABI::audit
