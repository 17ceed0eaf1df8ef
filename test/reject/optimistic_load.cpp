// expect: a store with this lock policy has no sessions
#include <persist/persist.hpp>

struct Chest {
  int coins = 0;
};
using Guilds =
    persist::Store<std::string, Chest, persist::backend::Memory, persist::lock::Optimistic>;

void open(Guilds& guilds);
void open(Guilds& guilds) {
#ifdef PERSIST_REJECT_CONTROL
  (void)guilds.update("wolves", [](Chest& chest) { ++chest.coins; });
#else
  (void)guilds.load("wolves");
#endif
}
