// expect: Quantised is for numbers, and for lists, arrays and optionals of them
#include <persist/schema/value.hpp>

#include <string>

struct Player {
#ifdef PERSIST_REJECT_CONTROL
  double name = 0;
#else
  std::string name;
#endif
};
struct Save {
  using fields = persist::Fields<persist::Quantised<&Player::name, 0.5>>;
};

persist::Result<persist::Value> use(const Player& player);
persist::Result<persist::Value> use(const Player& player) {
  return persist::schema::to_value<Save>(player);
}
