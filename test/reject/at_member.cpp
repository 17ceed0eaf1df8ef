// expect: at<...> names a member that its struct does not have
#include <persist/schema/at.hpp>

#include <vector>

struct Item {
  int count = 1;
};
struct Player {
  std::vector<Item> inventory;
};

int& use(Player& player);
int& use(Player& player) {
#ifdef PERSIST_REJECT_CONTROL
  return persist::at<"inventory.0.count">(player);
#else
  return persist::at<"inventory.0.conut">(player).count;
#endif
}
