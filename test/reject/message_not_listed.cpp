// expect: the data policy's `message` does not list this type of message
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
#else
  using message = std::variant<Letter>;
#endif
};

void check();
void check() {
  persist::check_message<persist::DataPolicy<Save>, Gift>();
}
