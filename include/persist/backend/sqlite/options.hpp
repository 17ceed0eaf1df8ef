#pragma once

#include <persist/backend/file/options.hpp>
#include <persist/clock.hpp>

#include <chrono>

namespace persist::inline PERSIST_ABI::backend {

struct SqliteOptions {
  /// `full` is SQLite's `synchronous=FULL`: a save that was acknowledged survives a power cut.
  /// `relaxed` is `NORMAL`: it survives the end of every process, and a power cut may take the
  /// newest saves since the last checkpoint, whole transactions at a time. Each process chooses for
  /// what it writes itself.
  Durability durability = Durability::full;
  /// Makes the file where there is none; without it `not_found`, for tools.
  bool creates = true;
  /// How long an operation waits while others write to the database; then it answers `timeout`.
  Duration patience = std::chrono::seconds(5);
  /// Judges leases; null: the system's. Must outlive every handle. All processes of one database
  /// need the same one: the system's is the machine's boot clock.
  Clock* clock = nullptr;
};

}  // namespace persist::inline PERSIST_ABI::backend
