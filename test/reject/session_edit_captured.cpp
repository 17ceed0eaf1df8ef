// expect: this data is captured from the game: change it there, or give its policy an `apply`
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
  static Player capture(int) { return {}; }
#ifdef PERSIST_REJECT_CONTROL
  static void apply(int, const Player&) {}
#endif
};
using Players = persist::Store<int, Save, persist::backend::Memory>;

void play(Players::Session& session);
void play(Players::Session& session) {
  session.edit()->coins = 5;
}
