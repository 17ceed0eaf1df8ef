// expect: a load needs the key itself
#include <persist/persist.hpp>

struct Player {
  int coins = 0;
};
struct Avatar {
  std::uint64_t id = 0;
};
struct AvatarKey {
  using value_type = Avatar*;
  static void spell(const Avatar* avatar, persist::KeyBuffer& out) {
    out.append_number(avatar->id);
  }
  static void spell(std::uint64_t id, persist::KeyBuffer& out) { out.append_number(id); }
};
using Players = persist::Store<AvatarKey, Player, persist::backend::Memory>;

void join(Players& players, Avatar* avatar);
void join(Players& players, [[maybe_unused]] Avatar* avatar) {
#ifdef PERSIST_REJECT_CONTROL
  (void)players.load(avatar);
  (void)players.peek(std::uint64_t{5});
#else
  (void)players.load(std::uint64_t{5});
#endif
}
