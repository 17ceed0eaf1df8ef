// expect: the Key of a Store is an integer, a string type, or a policy
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};

#ifdef PERSIST_REJECT_CONTROL
using Stack = persist::Stack<int, Player, persist::backend::Memory, persist::lock::Lease<>,
                             persist::codec::Cbor>;
#else
using Stack = persist::Stack<Player, Player, persist::backend::Memory, persist::lock::Lease<>,
                             persist::codec::Cbor>;
#endif
static_assert(sizeof(Stack) != 0);
