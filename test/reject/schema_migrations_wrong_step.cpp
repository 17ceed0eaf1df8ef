// expect: persist: a step of the migrations does not lead to the next version
#include <persist/schema/policy.hpp>

struct PlayerV1 {
  int gold = 0;
};
struct Player {
  int coins = 0;
};
#ifdef PERSIST_REJECT_CONTROL
inline Player upgrade(PlayerV1&& old) {
  return {old.gold};
}
#else
inline int upgrade(PlayerV1&& old) {
  return old.gold;
}
#endif
struct Save {
  using data_type = Player;
  using migrations = persist::Migrations<PlayerV1, Player>;
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
