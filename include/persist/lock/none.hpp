#pragma once

#include <persist/lock/concept.hpp>

namespace persist::inline PERSIST_ABI::lock {

/// No lease: a load never waits for anybody. For one process that loads each record once at a time.
/// The fence stays: of two sessions on one record only the newer can write; that a trade is all or
/// nothing *among processes* is given up.
struct None {
  static constexpr LockKind kind = LockKind::none;
  static constexpr bool is_leased = false;
  static constexpr Conflict conflict = Conflict::steal;
};

}  // namespace persist::inline PERSIST_ABI::lock
