// expect: a member cannot be stored; MemberName and Member, above, say which
#include <persist/schema/value.hpp>

#include <memory>

struct Player {
  int coins = 0;
#ifdef PERSIST_REJECT_CONTROL
  int bank = 0;
#else
  std::unique_ptr<int> bank;
#endif
};

persist::Result<persist::Value> use(const Player& player);
persist::Result<persist::Value> use(const Player& player) {
  return persist::schema::to_value(player);
}
