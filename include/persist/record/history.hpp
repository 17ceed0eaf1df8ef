#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

// The older states of a record's data: which of them stay when newer data takes the place of what
// is there. Every backend that keeps history decides with `retain`.

namespace persist::inline PERSIST_ABI {

/// However many a rule asks for: each costs some bytes at every save.
inline constexpr std::size_t most_kept_versions = 1000;

/// Which older states of a record's data stay. `{.keep = 20}`, `{.every = 1h, .for_ = 30 days}`, or
/// both: then a state stays that either wants. Without any of it none is kept.
struct HistoryRule {
  std::size_t keep = 0;  ///< the newest so many
  /// Of each period so long the last that was written in it, as long as `for_` after it was
  /// replaced. So what was there before a long pause is there for as long as all else.
  Duration every = Duration::zero();
  Duration for_ = Duration::zero();
  /// Of one record's older states together; the oldest go first, and one that is larger goes with
  /// them. There are never more than 1,000.
  std::uint64_t bytes = std::uint64_t{16} << 20;

  [[nodiscard]] constexpr bool has_periods() const noexcept {
    return every > Duration::zero() && for_ > Duration::zero();
  }
  [[nodiscard]] constexpr bool is_on() const noexcept { return keep != 0 || has_periods(); }
};

/// A state of a record's data that is kept, named by its version: that grows with each write.
struct KeptVersion {
  std::uint64_t version = 0;
  WallTime at{};     ///< when it was written, by the backend's calendar
  WallTime until{};  ///< when it was replaced
  std::uint64_t bytes = 0;
};

namespace detail {
/// Times come from files too: nothing here overflows, whatever they are.
[[nodiscard]] constexpr std::int64_t millis(WallTime time) noexcept {
  return time.time_since_epoch().count();
}
[[nodiscard]] constexpr std::int64_t period_of(WallTime time, Duration every) noexcept {
  const std::int64_t length = std::chrono::ceil<std::chrono::milliseconds>(every).count();
  const std::int64_t whole = millis(time) / length;
  return millis(time) % length < 0 ? whole - 1 : whole;
}
[[nodiscard]] constexpr bool is_over(WallTime until, Duration after, WallTime now) noexcept {
  if (now <= until) return false;
  const auto passed =
      static_cast<std::uint64_t>(millis(now)) - static_cast<std::uint64_t>(millis(until));
  const std::int64_t most = std::chrono::ceil<std::chrono::milliseconds>(after).count();
  return passed > static_cast<std::uint64_t>(most);
}
}  // namespace detail

/// Leaves of `kept`, which are oldest first and end with what is replaced `now`, those that stay.
/// What it drops no later call would want, so the outcome is that of the rule over all states there
/// ever were. Where a calendar is set back some more may stay, within the bounds.
///
/// `Versions` is a vector of `KeptVersion` or of what is derived from it. Time in proportion to
/// what is kept; no allocation.
template <class Versions>
void retain(Versions& kept, const HistoryRule& rule, WallTime now) {
  std::size_t first = kept.size();
  std::uint64_t bytes = 0;
  bool is_full = false;
  bool has_newer = false;
  std::int64_t newer = 0;  // the period of the one before
  for (std::size_t i = kept.size(); i-- != 0;) {
    const KeptVersion& each = kept[i];
    bool wanted = kept.size() - 1 - i < rule.keep;
    if (rule.has_periods()) {
      const std::int64_t period = detail::period_of(each.at, rule.every);
      const bool is_last = !has_newer || period != newer;
      has_newer = true, newer = period;
      wanted = wanted || (is_last && !detail::is_over(each.until, rule.for_, now));
    }
    if (!wanted) continue;
    is_full = is_full || kept.size() - first == most_kept_versions || each.bytes > rule.bytes ||
              bytes > rule.bytes - each.bytes;
    if (is_full) break;
    bytes += each.bytes;
    if (--first != i) kept[first] = std::move(kept[i]);
  }
  kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(first));
}

[[nodiscard]] inline Error keeps_no_history() {
  return {Errc::unsupported, "this backend keeps no older states of a record"};
}

/// The answer to who asks for a state that is not there: which are, newest first. `now` is the
/// version of the data that is there, 0 where there is none.
template <class Versions>
[[nodiscard]] Error not_kept(std::uint64_t version, std::uint64_t now, const Versions& kept) {
  constexpr std::size_t named = 12;
  std::string text = "version " + std::to_string(version) + " is not kept; there ";
  std::size_t count = kept.size() + (now != 0 ? 1 : 0);
  if (count == 0) return {Errc::not_found, text + "is none"};
  text += count == 1 ? "is " : "are ";
  if (now != 0) text += std::to_string(now) + " (now)" + (kept.empty() ? "" : ", ");
  for (std::size_t i = kept.size(), said = 0; i-- != 0 && said != named; ++said)
    text += std::to_string(kept[i].version) + (i != 0 && said + 1 != named ? ", " : "");
  if (kept.size() > named) text += " and " + std::to_string(kept.size() - named) + " older";
  return {Errc::not_found, text};
}

}  // namespace persist::inline PERSIST_ABI
