// expect: the hook validate does not fit: it is static persist::Result<void>
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static persist::Result<void> validate(const Player&) { return persist::success; }
#else
  static bool validate(const Player&) { return true; }
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
