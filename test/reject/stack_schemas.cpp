// expect: this Codec keeps schemas beside the records, and the Backend holds none
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
struct Plain : persist::backend::Memory {
#ifndef PERSIST_REJECT_CONTROL
  void read_schemas() = delete;
#endif
};

using Stack =
    persist::Stack<int, Player, Plain, persist::lock::Lease<>, persist::codec::SharedPacked>;
static_assert(sizeof(Stack) != 0);
