// expect: persist: an Index is of a number, a bool, an enum, a duration or a time
#include <persist/schema/policy.hpp>

#include <cstdint>
#include <string>

struct Player {
  std::int64_t coins = 0;
  std::string name;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using indexes = persist::Indexes<persist::Index<"coins", &Player::coins>>;
#else
  using indexes = persist::Indexes<persist::Index<"name", &Player::name>>;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
