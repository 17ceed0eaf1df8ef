// expect: persist: an Index takes a member of the data, or a function of it
#include <persist/schema/policy.hpp>

#include <cstdint>

struct Player {
  std::int64_t coins = 0;
};
struct Other {
  std::int64_t coins = 0;
};
struct Save {
#ifdef PERSIST_REJECT_CONTROL
  using data_type = Other;
#else
  using data_type = Player;
#endif
  using indexes = persist::Indexes<persist::Index<"coins", &Other::coins>>;
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
