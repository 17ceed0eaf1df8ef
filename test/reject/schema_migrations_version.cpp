// expect: persist: schema_version is the number of the versions that migrations lists
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
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static constexpr int schema_version = 2;
#else
  static constexpr int schema_version = 3;
#endif
  using migrations = persist::Migrations<PlayerV1, Player>;
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
