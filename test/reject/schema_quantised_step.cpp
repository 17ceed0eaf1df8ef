// expect: the step of a Quantised member is above zero
#include <persist/schema/value.hpp>

struct Player {
  double x = 0;
};
struct Save {
#ifdef PERSIST_REJECT_CONTROL
  using fields = persist::Fields<persist::Quantised<&Player::x, 0.01>>;
#else
  using fields = persist::Fields<persist::Quantised<&Player::x, 0>>;
#endif
};

persist::Result<persist::Value> use(const Player& player);
persist::Result<persist::Value> use(const Player& player) {
  return persist::schema::to_value<Save>(player);
}
