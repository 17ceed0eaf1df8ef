// expect: the LockPolicy of a Store is lock::Lease<...>, None, Optimistic
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};

#ifdef PERSIST_REJECT_CONTROL
using Stack = persist::Stack<int, Player, persist::backend::Memory, persist::lock::Lease<>,
                             persist::codec::Cbor>;
#else
using Stack = persist::Stack<int, Player, persist::backend::Memory, persist::conflict::Steal,
                             persist::codec::Cbor>;
#endif
static_assert(sizeof(Stack) != 0);
