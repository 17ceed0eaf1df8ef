// expect: this backend cannot commit several records together
#include <persist/persist.hpp>

struct Data {
  int coins = 0;
};
struct OneByOne : persist::backend::Memory {
#ifndef PERSIST_REJECT_CONTROL
  static constexpr bool is_transactional = false;
#endif
};

int main() {
  persist::Store<int, Data, OneByOne> store("s", OneByOne());
  auto a = store.load(1);
  auto b = store.load(2);
  return store.transact(*a, *b, [](Data&, Data&) {}) ? 0 : 1;
}
