#include <persist/persist.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <thread>
#include <variant>

// Gifts to anybody, wherever that player is: here, on another server, offline, or not yet born. A
// gift arrives once, however often it was sent, and one that nobody fetched in time goes back.

namespace {

using namespace std::chrono_literals;

struct Gift {
  std::int64_t coins = 0;
  std::uint64_t from = 0;  // nobody: the house
};
struct Returned {
  std::int64_t coins = 0;
};
struct Player {
  std::int64_t coins = 100;
};
struct Save {
  using data_type = Player;
  using message = std::variant<Gift, Returned>;
};
using Players = persist::Store<std::uint64_t, Save>;

/// Before the first load, so that no gift finds nobody who handles it.
void handle_gifts(Players& players) {
  players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  players.on_message([](Player& player, const Returned& back) { player.coins += back.coins; });
  // Runs on the receiver's side, in the commit that takes the gift out: so it is there or it went
  // back, and nobody can have both.
  players.on_expired([](Player&, const Gift& gift, Players::Session& session) {
    return gift.from == 0 ? persist::Result<void>(persist::success)
                          : session.send(gift.from, Returned{gift.coins});
  });
}

/// What the player gives is taken in the save that sends it.
persist::Result<void> give(Players::Session& session, std::uint64_t to, std::int64_t coins,
                           persist::Duration waits = 24h * 7) {
  return session.transfer(to, Gift{coins, session.key()},
                          [&](Player& player) -> persist::Result<void> {
                            if (player.coins < coins)
                              return persist::Error(persist::Errc::invalid, "not so many coins");
                            player.coins -= coins;
                            return persist::success;
                          },
                          {.expires = waits});
}

}  // namespace

int main() {
  const persist::backend::File database{"save"};
  Players here("PlayerData", database), there("PlayerData", database);  // two servers
  handle_gifts(here), handle_gifts(there);

  // The house gives 50 coins to a player who has never been here, and does not know whether the
  // first try went through.
  for (int attempt = 0; attempt < 2; ++attempt)
    if (auto posted = here.post(7, Gift{50}, {.id = "welcome-7"}); !posted)
      return std::cerr << posted.error() << '\n', 1;
  std::cout << here.peek_inbox(7)->size() << " gift waits for player 7\n";

  auto ann = here.load(1);
  auto bob = there.load(2);
  if (!ann || !bob) return 1;
  if (!give(*ann, 2, 30) || !ann->save()) return 1;  // Bob is on the other server
  there.poll();
  std::cout << "Bob has " << bob->view()->coins << " coins\n";
  if (auto sent = give(*ann, 2, 1000); !sent) std::cout << "Ann cannot: " << sent.error() << '\n';

  // Nobody will come for this one in time.
  if (!give(*ann, 3, 20, 1ms) || !ann->save()) return 1;
  std::cout << "Ann has " << ann->view()->coins << " coins\n";
  const auto waiting = here.peek_inbox(3);
  if (!waiting || waiting->empty()) return 1;
  std::this_thread::sleep_until(waiting->front().expires + 1ms);
  {
    auto carol = there.load(3);
    if (!carol) return 1;
    there.poll();
    std::cout << "Carol came too late and has " << carol->view()->coins << " coins\n";
    if (!carol->save()) return 1;
  }
  here.poll();
  std::cout << "Ann has " << ann->view()->coins << " coins again\n";

  auto seven = here.load(7);
  if (!seven) return 1;
  here.poll();
  std::cout << "player 7 begins with " << seven->view()->coins << " coins\n";
  if (ann->view()->coins == 70 && bob->view()->coins == 130 && seven->view()->coins == 150)
    return 0;
  return std::cerr
             << "These are not the coins of a first evening: is there a save of an earlier?\n",
         1;
}
