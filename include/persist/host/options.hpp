#pragma once

#include <persist/clock.hpp>
#include <persist/log.hpp>
#include <persist/store/driver.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// What a Host is told at run time.
struct HostOptions {
  /// Threads that call the backends. None: `run_lane` does that, on the thread that calls it.
  std::size_t lanes = 2;
  /// How many calls may wait for their answers; one more is `full`.
  std::size_t queue = 10'000;
  /// How long a call waits that says nothing else, and a load beyond its own deadline.
  Duration patience = std::chrono::seconds(30);
  /// For how long leases are renewed while the game does not call `poll`.
  Duration max_stall = std::chrono::minutes(5);
  /// How many operations a second one database is asked for; zero: any number. What is over it
  /// waits, the less urgent longer; renewals never do.
  std::size_t budget = 0;
  Clock* clock = nullptr;  ///< that of the stores; the machine's when null
  Log log{};
};

/// What one call of a Host is told.
struct CallOptions {
  Duration deadline = Duration::zero();  ///< instead of the Host's `patience`: then `timeout`
};

/// What became of a shutdown.
struct ShutdownReport {
  std::size_t sessions = 0;    ///< that were open, or on their way, when it began
  std::size_t cancelled = 0;   ///< calls that had not begun
  std::size_t spilled = 0;     ///< sessions whose changes are in the local journal, and saved later
  std::vector<LeftOpen> left;  ///< what is still there: with changes (`dirty`), or only its lease
  std::size_t out = 0;         ///< calls of backends that had not returned
  /// Nothing is left of it here: it is saved, or in the local journal (`spilled`).
  [[nodiscard]] bool complete() const noexcept { return left.empty() && out == 0; }
};

/// What a Host has done since it was made.
struct HostMetrics {
  std::uint64_t rounds = 0;          ///< batches that went to a lane
  std::uint64_t calls = 0;           ///< that were taken
  std::uint64_t refused = 0;         ///< calls that were `full`
  std::uint64_t timeouts = 0;        ///< calls that gave up
  std::uint64_t blocking_calls = 0;  ///< on the thread that polls, of which there should be none
  std::uint64_t stall_renewals = 0;  ///< leases that were renewed while nobody polled
};

}  // namespace persist::inline PERSIST_ABI
