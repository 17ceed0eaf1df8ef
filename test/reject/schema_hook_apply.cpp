// expect: the hook apply does not fit: it is static void apply(key, const data_type&)
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static Player capture(int) { return {}; }
  static void apply(int, const Player&) {}
#else
  static Player capture(int) { return {}; }
  static void apply(int, Player&) {}
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
