// expect: persist: this backend cannot name the keys of its records
#include <persist/persist.hpp>

struct Data {
  int coins = 0;
};
struct Map : persist::backend::kv::MemoryMap {
#ifndef PERSIST_REJECT_CONTROL
  void list() = delete;
#endif
};

int main() {
  persist::Store<int, Data, persist::backend::Kv<Map>> store("s", persist::backend::Kv<Map>(Map()));
  return store.scan() ? 0 : 1;
}
