// expect: the limits of a Limited member: the lower one comes first
#include <persist/schema/policy.hpp>

struct Player {
  int level = 1;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using fields = persist::Fields<persist::Limited<&Player::level, 1, 1>>;
#else
  using fields = persist::Fields<persist::Limited<&Player::level, 1, 0.5>>;
#endif
};

static_assert(persist::DataPolicy<Save>::has_validate);
