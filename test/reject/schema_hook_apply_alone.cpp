// expect: the hook apply does nothing without the hook capture
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
  static void apply(int, const Player&) {}
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
