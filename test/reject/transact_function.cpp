// expect: the function does not take what it is called with
#include <persist/persist.hpp>

struct Data {
  int coins = 0;
};

int main() {
  persist::Store<int, Data, persist::backend::Memory> store("s", persist::backend::Memory());
  auto a = store.load(1);
  auto b = store.load(2);
#ifdef PERSIST_REJECT_CONTROL
  return store.transact(*a, *b, [](Data&, Data&) {}) ? 0 : 1;
#else
  return store.transact(*a, *b, [](Data&) {}) ? 0 : 1;
#endif
}
