// expect: an aggregate with a base class cannot be taken apart
#include <persist/schema/fields.hpp>

struct Named {
  int name = 0;
};
#ifdef PERSIST_REJECT_CONTROL
struct Composed {
  Named named;
  int level = 0;
};
using Player = Composed;
#else
struct Player : Named {
  int level = 0;
};
#endif

static_assert(persist::schema::field_count<Player> == 2);
