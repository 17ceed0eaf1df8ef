// expect: persist: the last version of the migrations is the type that is stored
#include <persist/schema/policy.hpp>

struct PlayerV1 {
  int gold = 0;
};
struct Player {
  int coins = 0;
};
inline Player upgrade(PlayerV1&& old) {
  return {old.gold};
}
struct Save {
#ifdef PERSIST_REJECT_CONTROL
  using data_type = Player;
#else
  using data_type = PlayerV1;
#endif
  using migrations = persist::Migrations<PlayerV1, Player>;
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
