#include <persist/persist.hpp>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

// A type changed, and every record is to have the new shape tonight, not when its player comes
// back. `migrate [RECORDS]` makes records of the old build first, and then walks over all of them.
//
// Each record would be migrated by its own next load in any case. A walk is for what must be over:
// so that the old types can leave the program, or before a tool that only knows the new ones.

namespace {

struct PlayerV1 {
  std::int64_t gold = 0;
  std::vector<std::uint32_t> items;
};
struct Item {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
};
struct Player {
  std::int64_t coins = 0;  // a gold piece is a hundred of them
  std::vector<Item> items;
};

Player upgrade(PlayerV1&& old) {
  Player now{old.gold * 100, {}};
  for (const std::uint32_t id : old.items)
    now.items.push_back({id, 1});
  return now;
}

struct OldSave {
  using data_type = PlayerV1;
  using migrations = persist::Migrations<PlayerV1>;
};
struct Save {
  using data_type = Player;
  using migrations = persist::Migrations<PlayerV1, Player>;
};
using OldPlayers = persist::Store<std::uint64_t, OldSave>;
using Players = persist::Store<std::uint64_t, Save>;

/// What the old build left behind. Begun loads are carried on together, and so are releases.
bool make_old_records(const persist::backend::File& folder, std::uint64_t count) {
  OldPlayers players("PlayerData", folder);
  constexpr std::uint64_t at_once = 1000;
  for (std::uint64_t first = 0; first < count; first += at_once) {
    std::vector<OldPlayers::Loading> loads;
    for (std::uint64_t key = first; key < first + at_once && key < count; ++key)
      loads.push_back(players.begin_load(key));
    players.poll();
    for (auto& loading : loads) {
      auto session = loading.take();
      if (!session) return std::cerr << session.error() << '\n', false;
      session->edit()->gold = static_cast<std::int64_t>(session->key() % 1000);
      session->edit()->items = {1, 2};
      if (!session->request_release()) return false;
    }
    players.poll();
  }
  return players.open_sessions() == 0;
}

/// How far an earlier run came: who stops half-way goes on there.
const std::string mark = "migrated_up_to.txt";
std::string read_mark() {
  std::ifstream in(mark);
  return {std::istreambuf_iterator<char>(in), {}};
}

persist::ForEachReport migrate(Players& players) {
  persist::ForEachOptions options;
  options.resume = read_mark();
  options.page = 2000;
  options.rewrite = true;  // the step is taken by the load; the record only has to be written
  options.on_page = [](const persist::ForEachReport& so_far) {
    std::ofstream(mark) << so_far.next;
    if (so_far.seen % 20'000 == 0) std::cout << so_far.seen << " records\n";
    return true;
  };
  return players.for_each([](Player&) {}, std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  const persist::backend::File folder{"save"};
  if (!make_old_records(folder, count))
    return std::cerr << "the old build could not make its records: was \"save\" migrated before?\n",
           1;

  Players players("PlayerData", folder);
  const persist::ForEachReport report = migrate(players);
  std::cout << report.changed << " migrated, " << report.held << " held by somebody, "
            << report.failed << " could not be\n";
  for (const persist::Missed& missed : report.missed)
    std::cerr << missed.key << ": " << missed.why << '\n';
  if (failed(report.error)) std::cerr << "stopped early: " << report.error << '\n';

  // What is stored now, without a lease on anything.
  std::int64_t coins = 0;
  const auto audit = players.for_each([&coins](const Player& player) { coins += player.coins; },
                                      {.dry_run = true});
  std::cout << audit.seen << " records with " << coins << " coins\n";
  return report.done && audit.seen == count ? 0 : 1;
}
