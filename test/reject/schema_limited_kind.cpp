// expect: Limited is for numbers, optionals of them, and what has a size
#include <persist/schema/policy.hpp>

struct Item {
  int id = 0;
};
struct Player {
#ifdef PERSIST_REJECT_CONTROL
  int item = 0;
#else
  Item item;
#endif
};
struct Save {
  using data_type = Player;
  using fields = persist::Fields<persist::Limited<&Player::item, 0, 5>>;
};

persist::Result<void> use(const Player& player);
persist::Result<void> use(const Player& player) {
  return persist::DataPolicy<Save>::validate(player);
}
