// expect: the data policy's `message` does not list this type of message
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
struct Gift {
  int coins = 0;
};
struct Letter {
  int length = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using message = std::variant<Gift, Letter>;
#else
  using message = std::variant<Gift>;
#endif
};
using Players = persist::Store<int, Save, persist::backend::Memory>;

void write(Players::Session& session);
void write(Players::Session& session) {
  (void)session.send(1, Letter{5});
}
