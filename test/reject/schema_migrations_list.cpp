// expect: persist: migrations lists versions: using migrations
#include <persist/schema/policy.hpp>

struct PlayerV1 {
  int gold = 0;
};
struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using migrations = persist::Migrations<Player>;
#else
  using migrations = Player;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
