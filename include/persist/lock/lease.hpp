#pragma once

#include <persist/lock/concept.hpp>

namespace persist::inline PERSIST_ABI::lock {

/// One session per record among all servers, for as long as it renews its lease. `ConflictStrategy`
/// is one of `conflict::Refuse`, `Wait`, `Request`, `Steal`, or `Ask<F>`; a load may override it.
template <class ConflictStrategy = conflict::Request>
struct Lease {
  static constexpr LockKind kind = LockKind::lease;
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = ConflictStrategy::value;
  /// What `Ask<F>` says.
  [[nodiscard]] static Decision decide(const Obstacle& in_the_way)
    requires requires { ConflictStrategy::decide(in_the_way); }
  {
    return ConflictStrategy::decide(in_the_way);
  }
};

}  // namespace persist::inline PERSIST_ABI::lock
