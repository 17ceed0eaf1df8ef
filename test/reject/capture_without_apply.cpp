// expect: change it there, or give its policy an `apply`
#include <persist/persist.hpp>

struct Data {
  int coins = 0;
};
struct Save {
  using data_type = Data;
  static Data capture(int) { return {}; }
#ifdef PERSIST_REJECT_CONTROL
  static void apply(int, const Data&) {}
#endif
};

int main() {
  persist::Store<int, Save, persist::backend::Memory> store("s", persist::backend::Memory());
  auto session = store.load(1);
  session->edit()->coins = 1;
}
