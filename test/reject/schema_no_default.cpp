// expect: a stored type must be default constructible
#include <persist/schema/fields.hpp>

struct Name {
#ifndef PERSIST_REJECT_CONTROL
  Name() = delete;
#endif
  explicit Name(int) {}
};
struct Player {
#ifdef PERSIST_REJECT_CONTROL
  int coins = 0;
#else
  Name name;
#endif
};

static_assert(persist::schema::field_count<Player> == 1);
