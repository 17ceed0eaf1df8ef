// expect: the function does not take what it is called with
#include <persist/persist.hpp>

#include <variant>

struct Player {
  int coins = 0;
};
struct Gift {
  int coins = 0;
};
struct Save {
  using data_type = Player;
  using message = std::variant<Gift>;
};

int main() {
  persist::Store<int, Save, persist::backend::Memory> store("s", persist::backend::Memory());
#ifdef PERSIST_REJECT_CONTROL
  store.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
#else
  store.on_message([](const Gift& gift, Player& player) { player.coins += gift.coins; });
#endif
}
