#pragma once

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <support/flaky_backend.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

// A game small enough to see through, and a world for it: a clock that is moved by hand, a database
// that fails when told to, and what was logged.

namespace test {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using persist::Errc;
using persist::Reason;
using persist::State;

struct Player {
  std::int64_t coins = 100;
  int level = 1;
  std::string name;
};
struct Gift {
  std::int64_t coins = 0;
};
struct Letter {
  std::string text;
};
struct Save {
  using data_type = Player;
  using message = std::variant<Gift, Letter>;
  static persist::Result<void> validate(const Player& player) {
    if (player.coins >= 0) return persist::success;
    return persist::Error(Errc::invalid, "coins below zero");
  }
};

using Db = FlakyBackend<persist::backend::Memory>;
using Players = persist::Store<std::uint64_t, Save, Db>;

struct World : testing::Test {
  persist::testing::ManualClock clock;
  Db db{persist::backend::Memory(clock)};
  std::vector<std::string> lines;

  persist::StoreOptions options(std::string server = "eu-1") {
    persist::StoreOptions told;
    told.server_id = std::move(server);
    told.clock = &clock;
    told.log.sink = [this](persist::LogLevel level, std::string_view text) {
      lines.push_back(std::string(name(level)) + ": " + std::string(text));
    };
    return told;
  }
  Players open(std::string server = "eu-1") { return Players("players", db, options(server)); }

  [[nodiscard]] bool logged(std::string_view words) const {
    for (const std::string& line : lines)
      if (line.find(words) != std::string::npos) return true;
    return false;
  }
  /// Time passes, and each store is polled once a second.
  template <class... Stores>
  void play(persist::Duration time, Stores&... stores) {
    for (const auto end = clock.now() + time; clock.now() < end;) {
      clock.advance(1s);
      persist::poll(stores...);
    }
  }
  /// What is durable under that key, or -1.
  std::int64_t coins(Players& players, std::uint64_t key) {
    auto read = players.peek(key);
    return read ? read->data.coins : -1;
  }
};

inline void gives_gifts(Players& players) {
  players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
}

}  // namespace test

#include <support/made_once.hpp>
