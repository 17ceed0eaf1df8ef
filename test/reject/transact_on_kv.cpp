// expect: this backend cannot commit several records together
#include <persist/persist.hpp>

struct Data {
  int coins = 0;
};
#ifdef PERSIST_REJECT_CONTROL
using Backend = persist::backend::Memory;
const Backend db;
#else
using Map = persist::backend::kv::MemoryMap;
using Backend = persist::backend::Kv<Map>;
const Backend db{Map()};
#endif

int main() {
  persist::Store<int, Data, Backend> store("s", db);
  auto a = store.load(1);
  auto b = store.load(2);
  return store.transact(*a, *b, [](Data&, Data&) {}) ? 0 : 1;
}
