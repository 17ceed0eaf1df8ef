// expect: this data takes no messages: name them in its policy
#include <persist/persist.hpp>

struct Gift {
  int coins = 0;
};
struct Data {
  int coins = 0;
};
struct Save {
  using data_type = Data;
#ifdef PERSIST_REJECT_CONTROL
  using message = std::variant<Gift>;
#endif
};

int main() {
  persist::Store<int, Save, persist::backend::Memory> store("s", persist::backend::Memory());
  store.on_message([](Data& data, const Gift& gift) { data.coins += gift.coins; });
}
