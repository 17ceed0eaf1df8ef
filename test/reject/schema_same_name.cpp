// expect: two fields of a struct are stored under one name
#include <persist/schema/value.hpp>

struct Player {
  int coins = 0;
  int gold = 0;
};
struct Policy {
#ifdef PERSIST_REJECT_CONTROL
  using fields = persist::Fields<persist::Renamed<&Player::coins, "silver">>;
#else
  using fields = persist::Fields<persist::Renamed<&Player::coins, "gold">>;
#endif
};

persist::Result<persist::Value> use(const Player& player);
persist::Result<persist::Value> use(const Player& player) {
  return persist::schema::to_value<Policy>(player);
}
