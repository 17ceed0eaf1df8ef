#pragma once

#include <persist/clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::audit {

/// The sum, which stays at the end of the type where it would leave it: a ledger may be damaged.
[[nodiscard]] constexpr std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  constexpr auto least = (std::numeric_limits<std::int64_t>::min)();
  constexpr auto most = (std::numeric_limits<std::int64_t>::max)();
  if (b > 0) return a > most - b ? most : a + b;
  return a < least - b ? least : a + b;
}

/// One line of a ledger: so much of something came or went, and why.
struct Line {
  WallTime at{};
  std::string what;  ///< "coins", "wood"
  std::string why;   ///< for people; of what moves, the name that all its lines share
  std::int64_t amount = 0;
  bool moves = false;  ///< from or to another record, which has the other half
};

/// An account of what a record has, as a member of its data: each line leaves in the commit of the
/// change that it explains, so neither is ever there without the other.
///
///     struct PlayerData { std::int64_t coins = 0; persist::audit::Ledger<> ledger; };
///     player.coins += 50, player.ledger.made("coins", 50, "quest 7");
///     ann.coins -= 30, ann.ledger.moved("coins", -30, "trade 88");
///     bob.coins += 30, bob.ledger.moved("coins", +30, "trade 88");
///
/// The newest `Most` lines are kept and what went before is summed up, so that a record stays
/// small: 64 lines of 20 letters are about 3 KB in each save.
template <std::size_t Most = 64>
struct Ledger {
  static_assert(Most != 0, "a ledger keeps at least one line");

  std::vector<Line> lines;                              ///< the oldest first
  std::map<std::string, std::int64_t> brought_forward;  ///< the sum of the lines before, by `what`
  WallTime whole_since{};  ///< lines from before that may be missing; 1970: none is

  /// Something was made of nothing, or became nothing: loot, a purchase, a fee.
  void made(std::string what, std::int64_t amount, std::string why, WallTime at = now()) {
    add({at, std::move(what), std::move(why), amount, false});
  }
  /// Something went to another record or came from one. `name` is the same on both sides, and no
  /// other move's.
  void moved(std::string what, std::int64_t amount, std::string name, WallTime at = now()) {
    add({at, std::move(what), std::move(name), amount, true});
  }
  /// How much there must be by the ledger.
  [[nodiscard]] std::int64_t balance(std::string_view what) const {
    std::int64_t sum = 0;
    if (const auto before = brought_forward.find(std::string(what));
        before != brought_forward.end())
      sum = before->second;
    for (const Line& line : lines)
      if (line.what == what) sum = plus(sum, line.amount);
    return sum;
  }
  void add(Line line) {
    lines.push_back(std::move(line));
    if (lines.size() <= Most) return;
    const auto kept = lines.end() - static_cast<std::ptrdiff_t>(Most);
    for (auto old = lines.begin(); old != kept; ++old) {
      std::int64_t& sum = brought_forward[old->what];
      sum = plus(sum, old->amount);
      whole_since = (std::max)(whole_since, old->at);
    }
    lines.erase(lines.begin(), kept);
  }

 private:
  [[nodiscard]] static WallTime now() { return SystemClock::instance().wall(); }
};

}  // namespace persist::inline PERSIST_ABI::audit
