// expect: friends
#include <persist/schema/value.hpp>

struct Player {
  int coins = 0;
#ifdef PERSIST_REJECT_CONTROL
  int friends = 0;
#else
  int* friends = nullptr;
#endif
};
struct Save {
  Player player;
};

persist::Result<Save> use(const persist::Value& value);
persist::Result<Save> use(const persist::Value& value) {
  return persist::schema::from_value<Save>(value);
}
