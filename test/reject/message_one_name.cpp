// expect: two messages of this data have one name: give one of them a `persist_name`
#include <persist/persist.hpp>

namespace shop {
struct Gift {
  int coins = 0;
};
}  // namespace shop
namespace event {
struct Gift {
  int level = 0;
#ifdef PERSIST_REJECT_CONTROL
  static constexpr std::string_view persist_name = "EventGift";
#endif
};
}  // namespace event
struct Data {
  int coins = 0;
};
struct Save {
  using data_type = Data;
  using message = std::variant<shop::Gift, event::Gift>;
};

int main() {
  persist::Store<int, Save, persist::backend::Memory> store("s", persist::backend::Memory());
  return store.post(1, shop::Gift{}) ? 0 : 1;
}
