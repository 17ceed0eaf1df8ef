// expect: the hook import_legacy does not fit: it is static persist::Result<data_type>
#include <persist/schema/policy.hpp>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static persist::Result<Player> import_legacy(persist::ByteView) { return Player{}; }
#else
  static Player import_legacy(persist::ByteView) { return {}; }
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
