// expect: a member cannot be stored
#include <persist/schema/value.hpp>

#include <array>

struct Player {
#ifdef PERSIST_REJECT_CONTROL
  std::array<int, 1> score{};
#else
  int score[1] = {};
#endif
};

persist::Result<persist::Value> use(const Player& player);
persist::Result<persist::Value> use(const Player& player) {
  return persist::schema::to_value(player);
}
