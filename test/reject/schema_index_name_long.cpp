// expect: persist: the name of an Index has 1 to 64 bytes
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
  using indexes = persist::Indexes<persist::Index<
      "a234567890b234567890c234567890d234567890e234567890f234567890g234", &Player::coins>>;
#else
  using indexes = persist::Indexes<persist::Index<
      "a234567890b234567890c234567890d234567890e234567890f234567890g2345", &Player::coins>>;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
