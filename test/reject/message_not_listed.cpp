// expect: the data policy's `message` does not list this type of message
#include <persist/persist.hpp>

struct Gift {
  int coins = 0;
};
struct Mail {
  int stamp = 0;
};
struct Data {
  int coins = 0;
};
struct Save {
  using data_type = Data;
  using message = std::variant<Gift>;
};

int main() {
  persist::Store<int, Save, persist::backend::Memory> store("s", persist::backend::Memory());
#ifdef PERSIST_REJECT_CONTROL
  return store.post(1, Gift{}) ? 0 : 1;
#else
  return store.post(1, Mail{}) ? 0 : 1;
#endif
}
