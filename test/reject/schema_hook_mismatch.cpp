// expect: the hook mismatch does not fit: it is static persist::OnMismatch
#include <persist/schema/policy.hpp>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static persist::OnMismatch mismatch(const persist::Mismatch&) {
    return persist::OnMismatch::fail();
  }
#else
  static bool mismatch(const persist::Mismatch&) { return false; }
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
