// expect: the partners of a transaction are all in access::Shared, or none is
#include <persist/persist.hpp>

struct Data {
  int coins = 0;
};
using Lease = persist::lock::Lease<>;
#ifdef PERSIST_REJECT_CONTROL
using Other = persist::access::Shared<Lease>;
#else
using Other = Lease;
#endif

int main() {
  const persist::backend::Memory memory;
  persist::Store<int, Data, persist::backend::Memory, persist::access::Shared<Lease>> store("s",
                                                                                            memory);
  persist::Store<int, Data, persist::backend::Memory, Other> other("t", memory);
  auto a = store.load(1);
  auto b = other.load(1);
  return store.transact(*a, *b, [](Data&, Data&) {}) ? 0 : 1;
}
