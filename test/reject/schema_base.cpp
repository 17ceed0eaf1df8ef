// expect: an aggregate with a base class cannot be taken apart
#include <persist/schema/fields.hpp>

struct Named {
  int name = 0;
};
struct Derived : Named {
  int level = 0;
};
struct Holding {
  Named named;
  int level = 0;
};

#ifdef PERSIST_REJECT_CONTROL
using Player = Holding;
#else
using Player = Derived;
#endif

static_assert(persist::schema::field_count<Player> == 2);
