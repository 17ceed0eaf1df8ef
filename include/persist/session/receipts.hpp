#pragma once

#include <persist/record/message.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace persist::inline PERSIST_ABI {

// How long the id of a purchase is remembered: at least so many of them, and all of so many days.
// Shops ask again for days, not for months.
inline constexpr std::size_t receipts_kept = 4096;
inline constexpr std::uint32_t receipt_days_kept = 90;

/// The day a receipt of that time is kept under: days since 1970, UTC.
[[nodiscard]] inline std::uint32_t day_of(WallTime time) {
  // The time comes from a shop: one that is far out must not wrap round to a day that was
  // forgotten.
  constexpr std::int64_t last = (std::numeric_limits<std::uint32_t>::max)();
  const std::int64_t days = std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(days, 0, last));
}

/// Leaves each receipt once. One whose commit landed and was not heard of is stored twice, and must
/// not count twice among those that are kept.
inline void drop_repeats(std::vector<Receipt>& receipts) {
  if (receipts.size() <= receipts_kept) return;
  std::sort(receipts.begin(), receipts.end(), [](const Receipt& a, const Receipt& b) {
    return a.id < b.id || (a.id == b.id && a.day < b.day);
  });
  receipts.erase(std::unique(receipts.begin(), receipts.end()), receipts.end());
}

/// The newest day whose receipts, and all older ones, may be forgotten; 0 for none.
///
/// Whole days are forgotten, never single receipts, so that "older than what was forgotten" is a
/// clear line: what lies behind it is refused, not granted a second time.
[[nodiscard]] inline std::uint32_t forget_through(std::span<const Receipt> receipts, WallTime now) {
  if (receipts.size() <= receipts_kept) return 0;
  std::vector<std::uint32_t> days;
  days.reserve(receipts.size());
  for (const Receipt& receipt : receipts)
    days.push_back(receipt.day);
  // The last day that must stay is that of the 4,096th newest receipt.
  const auto kept = days.end() - static_cast<std::ptrdiff_t>(receipts_kept);
  std::nth_element(days.begin(), kept, days.end());
  const std::uint32_t today = day_of(now);
  const std::uint32_t old = today > receipt_days_kept ? today - receipt_days_kept : 0;
  const std::uint32_t limit = (std::min)(*kept, old);
  const bool any =
      std::any_of(days.begin(), days.end(), [limit](std::uint32_t day) { return day < limit; });
  return any && limit > 0 ? limit - 1 : 0;
}

}  // namespace persist::inline PERSIST_ABI
