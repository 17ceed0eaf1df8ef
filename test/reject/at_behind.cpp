// expect: at<...> goes on behind what has no members
#include <persist/schema/at.hpp>

struct Player {
  int coins = 0;
};

int& use(Player& player);
int& use(Player& player) {
#ifdef PERSIST_REJECT_CONTROL
  return persist::at<"coins">(player);
#else
  return persist::at<"coins.gold">(player);
#endif
}
