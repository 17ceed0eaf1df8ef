// expect: at<...> names an element that a tuple or array does not have
#include <persist/schema/at.hpp>

#include <array>

struct Player {
  std::array<int, 3> slots{};
};

int& use(Player& player);
int& use(Player& player) {
#ifdef PERSIST_REJECT_CONTROL
  return persist::at<"slots.2">(player);
#else
  return persist::at<"slots.3">(player)[0];
#endif
}
