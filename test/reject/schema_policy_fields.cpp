// expect: fields lists attributes: using fields = persist::Fields
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using fields = persist::Fields<>;
#else
  using fields = int;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
