// expect: this data takes no messages: name them in its policy
#include <persist/persist.hpp>

#include <variant>

struct Player {
  int coins = 0;
};
struct Gift {
  int coins = 0;
};
struct Letter {
  int number = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using message = std::variant<Gift, Letter>;
#endif
};

void check();
void check() {
  persist::check_message<persist::DataPolicy<Save>, Gift>();
}
