#pragma once

#include <persist/clock.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

struct EtcdOptions {
  /// Where members of the cluster answer clients, as `https://10.0.0.1:2379`. The first that can be
  /// reached is asked; the others where it cannot.
  std::vector<std::string> endpoints{"http://127.0.0.1:2379"};
  /// Where the cluster asks who it is. Over `http:` a password can be read on its way.
  std::string user{};
  std::string password{};
  /// Of TLS, paths of PEM files; empty: the system's authorities, and no certificate of one's own.
  std::string ca_file{};
  std::string certificate_file{};
  std::string key_file{};
  /// What all keys begin with, for clusters that are not a game's alone: of letters, digits and
  /// `/ . _ -`.
  std::string prefix{};
  /// How long a call waits for the cluster, all of its members together.
  Duration timeout = std::chrono::seconds(5);
  /// What a record may have with all that belongs to it, as long as the cluster's own
  /// `--max-request-bytes` (1.5 MiB unless told) leaves room for it as base64: its frames too.
  std::size_t largest_value = std::size_t{1} << 20;
};

}  // namespace persist::inline PERSIST_ABI::backend
