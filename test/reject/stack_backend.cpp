// expect: the Backend of a Store does not do all that a backend must
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};

#ifdef PERSIST_REJECT_CONTROL
using Stack = persist::Stack<int, Player, persist::backend::Memory, persist::lock::Lease<>,
                             persist::codec::Cbor>;
#else
using Stack = persist::Stack<int, Player, Player, persist::lock::Lease<>, persist::codec::Cbor>;
#endif
static_assert(sizeof(Stack) != 0);
