// expect: persist: a step of the migrations is missing: From and To
#include <persist/schema/policy.hpp>

struct PlayerV1 {
  int gold = 0;
};
struct PlayerV2 {
  int coins = 0;
};
struct Player {
  long coins = 0;
};
inline PlayerV2 upgrade(PlayerV1&& old) {
  return {old.gold};
}
#ifdef PERSIST_REJECT_CONTROL
inline Player upgrade(PlayerV2&& old) {
  return {old.coins};
}
#endif
struct Save {
  using data_type = Player;
  using migrations = persist::Migrations<PlayerV1, PlayerV2, Player>;
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
