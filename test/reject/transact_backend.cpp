// expect: this backend cannot commit several records together, so its sessions cannot take
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
/// Does all that a backend must, one record at a time.
struct OneByOne : persist::backend::Memory {
  using Memory::Memory;
#ifndef PERSIST_REJECT_CONTROL
  static constexpr bool is_transactional = false;
#endif
};
using Players = persist::Store<int, Player, OneByOne>;

void trade(Players& players, Players::Session& a, Players::Session& b);
void trade(Players& players, Players::Session& a, Players::Session& b) {
  (void)players.transact(a, b, [](Player& from, Player& to) { --from.coins, ++to.coins; });
}
