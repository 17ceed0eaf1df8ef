#pragma once

#include <persist/lock/lease.hpp>

namespace persist::inline PERSIST_ABI::lock {

/// Leases, epochs and release requests live in another backend than the data:
/// `Store<…, lock::External<backend::Redis>> store{"players", data, leases}`. The claim in the
/// data's backend is the fence; see `backend::Leased`.
template <class LeaseBackend, class ConflictStrategy = conflict::Request>
struct External : Lease<ConflictStrategy> {
  static constexpr LockKind kind = LockKind::external;
  using leases = LeaseBackend;
};

}  // namespace persist::inline PERSIST_ABI::lock
