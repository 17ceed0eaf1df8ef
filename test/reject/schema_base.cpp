// expect: an aggregate with a base class cannot be taken apart
#include <persist/schema/fields.hpp>

struct Named {
  int name = 0;
};
#ifdef PERSIST_REJECT_CONTROL
struct Player {
  Named named;
#else
struct Player : Named {
#endif
  int level = 0;
};

static_assert(persist::schema::field_count<Player> == 2);
