// expect: a member that is not stored has another name
#include <persist/schema/value.hpp>

struct Player {
  int coins = 0;
  int cache = 0;
};
struct Save {
#ifdef PERSIST_REJECT_CONTROL
  using fields = persist::Fields<persist::AlsoWrites<&Player::coins, "gold">,
                                 persist::Transient<&Player::cache>>;
#else
  using fields = persist::Fields<persist::AlsoWrites<&Player::cache, "gold">,
                                 persist::Transient<&Player::cache>>;
#endif
};

persist::Result<persist::Value> use(const Player& player);
persist::Result<persist::Value> use(const Player& player) {
  return persist::schema::to_value<Save>(player);
}
