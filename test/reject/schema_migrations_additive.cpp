// expect: is marked persist::Additive and does more than add members
#include <persist/schema/policy.hpp>

struct PlayerV1 {
  int coins = 0;
};
struct Player {
#ifdef PERSIST_REJECT_CONTROL
  int coins = 0;
#else
  long coins = 0;
#endif
  int gems = 0;
};
inline Player upgrade(PlayerV1&& old) {
  return {old.coins, 0};
}
struct Save {
  using data_type = Player;
  using migrations = persist::Migrations<PlayerV1, persist::Additive<Player>>;
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
