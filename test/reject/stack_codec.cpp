// expect: the Codec of a Store cannot write and read its Data
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};

#ifdef PERSIST_REJECT_CONTROL
using Stack = persist::Stack<int, Player, persist::backend::Memory, persist::lock::Lease<>,
                             persist::codec::Cbor>;
#else
using Stack = persist::Stack<int, Player, persist::backend::Memory, persist::lock::Lease<>, Player>;
#endif
static_assert(sizeof(Stack) != 0);
