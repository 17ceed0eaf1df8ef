// expect: this data takes no messages: name them in its policy
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
struct Gift {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using message = std::variant<Gift>;
#endif
};
using Players = persist::Store<int, Save, persist::backend::Memory>;

void give(Players& players);
void give(Players& players) {
  (void)players.post(1, Gift{5});
}
