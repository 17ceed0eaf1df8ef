#pragma once

#include <persist/clock.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace persist::inline PERSIST_ABI::backend {

struct RedisOptions {
  std::string host = "127.0.0.1";
  int port = 6379;
  /// A Unix socket on this machine, in the place of host and port.
  std::string socket{};
  /// With a password: who logs in; empty: Redis's default user.
  std::string user{};
  /// Never in an error or a log.
  std::string password{};
  int database = 0;
  /// How long a call may take in all; then it answers `unavailable`, or `unknown_outcome` where a
  /// write was on its way.
  Duration deadline = std::chrono::seconds(5);
  /// Durability: a write is acknowledged once so many replicas have it in memory (`WAIT`). One that
  /// they have not by half the deadline answers `unknown_outcome`. Zero: once the server has it.
  int replicas = 0;
  /// How long after a connection failed no other is tried; it doubles up to 64 times that, and
  /// calls meanwhile answer `unavailable` at once. Zero: each call tries.
  Duration retry_after = std::chrono::milliseconds(50);
  /// Your word that the server never evicts, where it may not be asked (`INFO` is forbidden). A
  /// server that says it evicts is refused all the same.
  bool never_evicts = false;
  /// Hear what other servers do to records of a watched store, by a connection and a thread more.
  bool wakes = true;
  /// Bytes of records that this server holds and remembers, so that a save is one round trip.
  std::size_t cache = std::size_t{64} << 20;
  /// Judges leases and dates records in the place of the server's clock; for tests, in which all
  /// handles need the same. Must outlive every handle.
  Clock* clock = nullptr;
};

}  // namespace persist::inline PERSIST_ABI::backend
