// expect: the hook validate does not fit
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
  persist::Result<void> validate(const Player&) const { return persist::success; }
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
