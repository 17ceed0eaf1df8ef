// expect: the hook defaults does not fit: it must be one function, neither overloaded nor a
// template
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
  static Player defaults(int) { return {}; }
  static Player defaults(long) { return {}; }
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
