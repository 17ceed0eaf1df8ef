// expect: persist: this Data policy declares indexes, and the Backend keeps none
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
  using indexes = persist::Indexes<persist::Index<"coins", &Player::coins>>;
};
struct Plain : persist::backend::Memory {
#ifndef PERSIST_REJECT_CONTROL
  void query() = delete;
#endif
};

using Stack = persist::Stack<int, Save, Plain, persist::lock::Lease<>, persist::codec::Packed>;
static_assert(sizeof(Stack) != 0);
