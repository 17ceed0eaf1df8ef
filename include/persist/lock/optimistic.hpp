#pragma once

#include <persist/lock/concept.hpp>

namespace persist::inline PERSIST_ABI::lock {

/// No sessions: `store.update(key, fn)` reads the record, changes a copy and writes it if nobody
/// wrote it since, else does that again. For a guild's chest or another record that many servers
/// change now and then. A write is refused (`locked`) while a lease holds the record.
struct Optimistic {
  static constexpr LockKind kind = LockKind::optimistic;
  static constexpr bool is_leased = false;
  static constexpr bool has_sessions = false;
  static constexpr Conflict conflict = Conflict::refuse;
};

}  // namespace persist::inline PERSIST_ABI::lock
