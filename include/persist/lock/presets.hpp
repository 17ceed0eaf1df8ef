#pragma once

#include <persist/lock/lease.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

// How the systems that persist replaces go about a held record, with their numbers. The fence is
// persist's own in each of them: what they lose to a late writer is not lost here.

namespace persist::inline PERSIST_ABI::lock {

/// What a store's options are where nothing else is said: `options_for<LockPolicy>()`.
struct Timing {
  Duration lease = std::chrono::seconds(60);
  Duration renew = std::chrono::seconds(20);
  Duration autosave = std::chrono::seconds(30);
  Duration min_gap{};
  Duration load_deadline = std::chrono::seconds(10);
  Duration begin_deadline = std::chrono::seconds(90);
};

namespace presets {

namespace detail {
using std::chrono::seconds;

struct AskLadder {
  Decision operator()(const Obstacle& met) const {
    constexpr std::array<int, 6> pauses{6, 8, 10, 12, 24, 30};
    const std::size_t step = (std::min)(std::size_t{met.attempts} - 1, pauses.size() - 1);
    return {Conflict::request, seconds(pauses[step])};
  }
};
struct AskThenSteal {
  Decision operator()(const Obstacle& met) const {
    if (met.attempts > 5) return Conflict::steal;  // after 5 + 4 x 10 s
    return {Conflict::request, seconds(met.attempts == 1 ? 5 : 10)};
  }
};
struct AskEightTimes {
  Decision operator()(const Obstacle& met) const {
    if (met.attempts > 8) return Conflict::steal;
    return {Conflict::request, seconds(7)};
  }
};
struct LookEverySixSeconds {
  Decision operator()(const Obstacle&) const { return {Conflict::wait, seconds(6)}; }
};
struct LookTwentyTimes {
  Decision operator()(const Obstacle& met) const {
    if (met.attempts >= 20) return Conflict::refuse;
    return {Conflict::wait, seconds(1)};
  }
};
}  // namespace detail

using detail::seconds;

/// rbx-persist 0.2: asks, looks again after 6, 8, 10, 12, 24, then every 30 s; a holder is dead
/// after half an hour. A load there has no end; here it outlasts that half hour.
struct RbxPersist : Lease<conflict::Ask<detail::AskLadder>> {
  static constexpr Timing timing{
      .lease = seconds(1800), .renew = seconds(30), .begin_deadline = seconds(1900)};
};

/// Suphi's DataStore Module 1: answers at once who holds it; a lock of 5 attempts at 60 s and 30 s
/// more.
struct Suphi : Lease<conflict::Refuse> {
  static constexpr Timing timing{.lease = seconds(330), .renew = seconds(60)};
};

/// ProfileStore: asks and wakes the holder, looks again after 5, then every 10 s, and steals after
/// 45 s; a holder is dead after 630 s.
struct ProfileStore : Lease<conflict::Ask<detail::AskThenSteal>> {
  static constexpr Timing timing{.lease = seconds(630),
                                 .renew = seconds(300),
                                 .autosave = seconds(300),
                                 .load_deadline = seconds(120),
                                 .begin_deadline = seconds(120)};
};

/// ProfileService, its predecessor: looks every 7 s and steals at the ninth look; dead after half
/// an hour.
struct ProfileService : Lease<conflict::Ask<detail::AskEightTimes>> {
  static constexpr Timing timing{.lease = seconds(1800),
                                 .renew = seconds(30),
                                 .min_gap = seconds(7),
                                 .load_deadline = seconds(120),
                                 .begin_deadline = seconds(120)};
};

/// ProfileHandler: asks nobody, looks every 6 s; a lock is dead after 300 s, and a load outlasts
/// that.
struct ProfileHandler : Lease<conflict::Ask<detail::LookEverySixSeconds>> {
  static constexpr Timing timing{.lease = seconds(300),
                                 .renew = seconds(30),
                                 .min_gap = seconds(6),
                                 .begin_deadline = seconds(330)};
};

/// Lapis: looks 20 times, a second apart, then says who holds it; a lock is dead after half an
/// hour.
struct Lapis : Lease<conflict::Ask<detail::LookTwentyTimes>> {
  static constexpr Timing timing{.lease = seconds(1800),
                                 .renew = seconds(300),
                                 .autosave = seconds(300),
                                 .load_deadline = seconds(30),
                                 .begin_deadline = seconds(30)};
};

}  // namespace presets
}  // namespace persist::inline PERSIST_ABI::lock
