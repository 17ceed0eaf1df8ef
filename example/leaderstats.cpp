#include <persist/persist.hpp>

#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

// A leaderboard that outlives the server: a player joins, his record is loaded while the game goes
// on, the game changes its own object, and persist fetches the numbers from there at every save.

namespace {

/// The game's object. It knows nothing of storage.
struct Player {
  std::uint64_t id;
  std::string name;
  bool is_here = true;
  std::int64_t coins = 0;
  std::int64_t wins = 0;

  void kick(std::string_view why) {
    is_here = false;
    std::cout << name << " was sent away: " << why << '\n';
  }
};

/// What is stored of it.
struct Leaderstats {
  std::int64_t coins = 100;  // what a new player starts with
  std::int64_t wins = 0;
};

struct PlayerKey {
  using value_type = Player*;
  static void spell(const Player* player, persist::KeyBuffer& out) {
    out.append("Player_").append_number(player->id);
  }
  static void user_ids(const Player* player, persist::UserIds& out) { out.add(player->id); }
};

struct LeaderstatsSave {
  using data_type = Leaderstats;
  static Leaderstats capture(const Player* player) { return {player->coins, player->wins}; }
};

using Players = persist::Store<PlayerKey, LeaderstatsSave>;

class Server {
 public:
  Server() : players_("Leaderstats", persist::backend::File{"save"}) {
    // A session also ends where the game did not ask for it: the player has joined another server,
    // or this one was taken for dead. Who plays on without one plays for nothing.
    released_ = players_.on_released(
        [](const Players::Session& session, persist::Reason reason, bool /*saved*/) {
          if (reason != persist::Reason::asked && session.key()->is_here)
            session.key()->kick(name(reason));
        });
  }

  void join(Player& player) {
    // Still here? It is asked when the record arrives: if not, the record is given back at once.
    // So a player's object stays until then; a game that cannot wait drops the load in leave().
    loads_.emplace(&player,
                   players_.begin_load(&player, {.while_ = [&player] { return player.is_here; }}));
  }

  /// Saves what the player has now and lets other servers have the record.
  void leave(Player& player) {
    player.is_here = false;
    const auto at = sessions_.find(&player);
    if (at == sessions_.end()) return;  // it has not arrived, and will not stay
    if (const auto saved = at->second.release(); !saved)
      std::cerr << player.name << ": " << saved.error() << '\n';
    sessions_.erase(at);
  }

  /// Once a tick of the game. Saves what is due, carries on with what is being loaded.
  void tick() {
    players_.poll();
    for (auto at = loads_.begin(); at != loads_.end();) {
      if (!at->second.ready()) {
        ++at;
        continue;
      }
      arrived(*at->first, at->second.take());
      at = loads_.erase(at);
    }
  }

 private:
  void arrived(Player& player, persist::Result<Players::Session> session) {
    if (session) {
      const Leaderstats stats = session->clone();
      player.coins = stats.coins;
      player.wins = stats.wins;
      // Kept for as long as the player plays: dropping the last handle is a release.
      sessions_.emplace(&player, *std::move(session));
    } else if (session.error() != persist::Errc::cancelled) {
      player.kick(session.error().message());
    }
  }

  Players players_;
  persist::Connection released_;
  std::map<Player*, Players::Loading> loads_;
  std::map<Player*, Players::Session> sessions_;
};

}  // namespace

int main() {
  Server server;
  Player ada{.id = 1, .name = "Ada"};
  Player bob{.id = 2, .name = "Bob"};
  server.join(ada);
  server.join(bob);
  server.leave(bob);  // before his record arrived
  server.tick();
  const std::int64_t had = ada.coins;
  ada.coins += 10;
  ++ada.wins;
  server.leave(ada);

  Player again{.id = 1, .name = "Ada"};  // she comes back: a new object, the same record
  server.join(again);
  server.tick();
  std::cout << again.name << " has " << again.coins << " coins and " << again.wins << " wins\n";
  server.leave(again);
  return again.coins == had + 10 ? 0 : 1;
}
