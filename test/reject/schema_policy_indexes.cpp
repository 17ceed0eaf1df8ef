// expect: persist: indexes lists boards: using indexes = persist::Indexes
#include <persist/schema/policy.hpp>

#include <cstdint>

struct Player {
  std::int64_t coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using indexes = persist::Indexes<persist::Index<"coins", &Player::coins>>;
#else
  using indexes = persist::Index<"coins", &Player::coins>;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
