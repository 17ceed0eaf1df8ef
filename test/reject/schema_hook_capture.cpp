// expect: the hook capture does not fit: it is static data_type capture(key)
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
#else
  static void capture(int) {}
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
