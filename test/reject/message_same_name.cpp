// expect: two messages of this data have one name: give one of them a `persist_name`
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
namespace mail {
struct Gift {
  int coins = 0;
};
}  // namespace mail
namespace shop {
struct Gift {
#ifdef PERSIST_REJECT_CONTROL
  static constexpr std::string_view persist_name = "ShopGift";
#endif
  int coins = 0;
};
}  // namespace shop
struct Save {
  using data_type = Player;
  using message = std::variant<mail::Gift, shop::Gift>;
};
using Players = persist::Store<int, Save, persist::backend::Memory>;

void listen(Players& players);
void listen(Players& players) {
  players.on_message([](Player& player, const shop::Gift& gift) { player.coins += gift.coins; });
}
