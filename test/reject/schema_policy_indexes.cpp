// expect: persist: indexes are not supported
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using index = int;
#else
  using indexes = int;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
