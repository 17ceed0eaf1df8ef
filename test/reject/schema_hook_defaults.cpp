// expect: the hook defaults does not fit: it is static data_type defaults(key)
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static Player defaults(int) { return {}; }
#else
  static int defaults(int) { return 0; }
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
