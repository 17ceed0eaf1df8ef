#pragma once

#include <persist/host.hpp>

#include <support/world.hpp>

#include <thread>

// A world with a Host whose lane is run by hand, so that a test says what happens when.

namespace test {

struct HostedWorld : World {
  persist::HostOptions host_options() {
    persist::HostOptions told;
    told.lanes = 0;
    told.clock = &clock;
    told.log.sink = [this](persist::LogLevel level, std::string_view text) {
      lines.push_back(std::string(name(level)) + ": " + std::string(text));
    };
    return told;
  }

  Players tool{"players", db, options("tool")};  ///< of no Host: it may wait where it likes
  Players players{"players", db, options()};
  persist::Host host{host_options()};

  HostedWorld() { EXPECT_TRUE(host.attach(players)); }

  /// Until nothing is left to do at this moment.
  void settle() {
    do {
      host.poll();
    } while (host.run_lane() || host.poll() <= clock.now());
  }
  Players::Session load(std::uint64_t key) {
    auto loaded = host.load(players, key);
    settle();
    return *loaded.get();
  }
  /// What is durable under that key, or -1.
  std::int64_t durable(std::uint64_t key) { return coins(tool, key); }
};

}  // namespace test
