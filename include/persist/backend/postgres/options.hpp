#pragma once

#include <persist/clock.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace persist::inline PERSIST_ABI::backend {

struct PostgresOptions {
  /// Where the tables lie, in a namespace of their own: letters, digits and `_`.
  std::string schema = "persist";
  /// Makes the tables where there are none; without it `not_found`, for tools, and where the game's
  /// user may make none (`persistctl migrate` prints their SQL).
  bool creates = true;
  /// Through a pooler that gives a connection to another client after each transaction: nothing is
  /// prepared, nothing is listened to, and a save looks at its record first (two round trips).
  bool pooled = false;
  /// Hears of what other servers do to the store's records, on a connection and a thread of its
  /// own. Off, what waits looks again by itself.
  bool listens = true;
  /// How long an operation waits for the server, all its tries together.
  Duration patience = std::chrono::seconds(5);
  /// For tests: judges leases and dates records in the place of the server's clock. Must outlive
  /// every handle.
  Clock* clock = nullptr;
  /// For tests: called before the server is connected to and each time that it is waited for.
  std::function<void()> on_wait{};
};

}  // namespace persist::inline PERSIST_ABI::backend
