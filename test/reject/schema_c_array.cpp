// expect: a C array cannot be a member of a stored aggregate, use std::array
#include <persist/schema/fields.hpp>

#include <array>

struct Player {
  int coins = 0;
#ifdef PERSIST_REJECT_CONTROL
  std::array<int, 3> scores{};
#else
  int scores[3] = {};
#endif
  int level = 0;
};

static_assert(persist::schema::field_count<Player> == 3);
