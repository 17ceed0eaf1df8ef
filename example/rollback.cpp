#include <persist/persist.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

// A player was robbed, and only finds out an hour later. What he had is still there: look at it,
// see what became of it, go back, and think better of it.

namespace {

struct Player {
  std::int64_t coins = 100;
  std::vector<std::string> items;
};
using Players = persist::Store<persist::key::Prefixed<"Player_", std::uint64_t>, Player>;

/// One visit: whatever it does is saved once.
template <class F>
bool visit(Players& players, std::uint64_t id, F&& play) {
  auto session = players.load(id);
  if (!session) return std::cerr << session.error() << '\n', false;
  session->edit(play);
  const auto saved = session->release();
  if (!saved) std::cerr << saved.error() << '\n';
  return saved.has_value();
}

bool print(Players& players, std::uint64_t id, const std::string& when) {
  const auto now = players.peek(id);
  if (!now) return std::cerr << now.error() << '\n', false;
  std::cout << when << ": " << now->data.coins << " coins,";
  for (const std::string& item : now->data.items)
    std::cout << ' ' << item;
  std::cout << (now->data.items.empty() ? " nothing else" : "") << " (version " << now->version
            << ")\n";
  return true;
}

}  // namespace

int main() {
  persist::StoreOptions options;
  options.history = {.keep = 20};  // states of each record; with .every and .for_ also one a period
  Players players("PlayerData", persist::backend::File{"save"}, options);
  constexpr std::uint64_t id = 42;

  const bool played = visit(players, id,
                            [](Player& player) {
                              player.items = {"sword", "hat"};
                            }) &&
                      visit(players, id, [](Player& player) { player.coins += 900; }) &&
                      visit(players, id, [](Player& player) {
                        player = {1, {"hat"}};
                      });
  if (!played || !print(players, id, "after the robbery")) return 1;

  const auto versions = players.versions(id);  // newest first, what is there now not among them
  if (!versions || versions->empty()) return 1;
  const std::uint64_t before = versions->front().version;
  std::cout << versions->size() << " older states are kept\n";
  const auto stolen = players.diff(id, before, 0);
  if (!stolen) return std::cerr << stolen.error() << '\n', 1;
  std::cout << "since version " << before << ": " << *stolen << '\n';

  const auto restored = players.restore(id, before);
  if (!restored) return std::cerr << restored.error() << '\n', 1;
  if (!print(players, id, "restored")) return 1;

  // It was no robbery but a trade. What the restore replaced is the newest state that is kept.
  const auto undone = players.restore(id, restored->version - 1);
  if (!undone) return std::cerr << undone.error() << '\n', 1;
  return print(players, id, "and undone") ? 0 : 1;
}
