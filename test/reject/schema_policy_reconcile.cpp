// expect: the only way to fill in what is missing is persist::reconcile::Deep
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using reconcile = persist::reconcile::Deep;
#else
  struct reconcile {};
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
