// expect: persist: migrations are not supported
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using migration = int;
#else
  using migrations = int;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
