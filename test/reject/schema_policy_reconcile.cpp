// expect: persist: reconcile is one of persist::reconcile::Deep
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using reconcile = persist::reconcile::Shallow;
#else
  struct reconcile {};
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
