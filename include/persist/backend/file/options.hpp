#pragma once

#include <persist/clock.hpp>
#include <persist/error.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace persist::inline PERSIST_ABI::backend {

/// What an acknowledged save has survived.
enum class Durability : std::uint8_t {
  /// Synced: it survives a power cut.
  full,
  /// Handed to the operating system: it survives the end of the process in any way, not that of the
  /// machine. A power cut may lose what was saved since the last sync, newest first and whole
  /// batches at a time, never something in the middle. A later batch syncs at the latest
  /// `FileOptions::sync_every` after the first that was not; so do `flush()`, a new segment and
  /// closing.
  relaxed,
};

struct FileOptions {
  Durability durability = Durability::full;
  Duration wait_for_lock{};  ///< how long to wait while another process has the folder
  Clock* clock = nullptr;    ///< judges leases; null: the system's. Must outlive every handle
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;  ///< a file of the log; 4 KiB to 1 GiB
  Duration sync_every = std::chrono::seconds(1);          ///< for `relaxed`
};

struct FileStats {
  std::uint64_t batches = 0;      ///< written to the log
  std::uint64_t commits = 0;      ///< applied; what shares a batch shares its sync
  std::uint64_t syncs = 0;        ///< of the log
  Duration sync_time{};           ///< spent in them, by the machine's clock
  std::uint64_t bytes = 0;        ///< of all segments
  std::uint64_t live_bytes = 0;   ///< of them, what a record still refers to
  std::uint64_t compactions = 0;  ///< segments that were emptied and removed
  std::uint64_t records = 0;
  std::uint64_t damaged_segments = 0;  ///< set aside as `….damaged`: a record's bytes there are bad
};

/// What opening found and did.
struct OpenReport {
  std::string torn_tail;  ///< the side file that a batch without an end was moved to; empty: none
  std::uint64_t torn_bytes = 0;
  std::uint64_t batches_rewritten = 0;  ///< that the last run may not have synced
  std::uint64_t run = 0;                ///< how often this folder was opened
  bool held = false;                    ///< of a snapshot: somebody had the log open for writing
};

/// The process that has the folder of a `File`.
struct FolderHolder {
  std::uint64_t process = 0;
  std::string host;
  WallTime since{};

  [[nodiscard]] std::string text() const {
    const auto day = std::chrono::floor<std::chrono::days>(since);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(since - day));
    const auto two = [](auto number) { return (number < 10 ? "0" : "") + std::to_string(number); };
    return "process " + std::to_string(process) + " on " + host + ", since " +
           std::to_string(static_cast<int>(date.year())) + '-' +
           two(static_cast<unsigned>(date.month())) + '-' + two(static_cast<unsigned>(date.day())) +
           ' ' + two(time.hours().count()) + ':' + two(time.minutes().count()) + ':' +
           two(time.seconds().count()) + " UTC";
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
