#include <persist/persist.hpp>
#include <iostream>

struct Item {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
};
struct PlayerData {
  std::int64_t coins = 0;
  int level = 1;
  std::vector<Item> inventory;
};
using Players = persist::Store<persist::key::Prefixed<"Player_", std::uint64_t>, PlayerData>;

int main() {
  Players players{"PlayerData", persist::backend::File{"save"}};
  auto session = players.load(42);
  if (!session) {
    std::cerr << session.error() << '\n';
    return 1;
  }
  session->edit()->coins += 10;           // the guard marks the session dirty
  const auto saved = session->release();  // saves, gives the lease back, says if either failed
  return saved ? 0 : 1;
}
