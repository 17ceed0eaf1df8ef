// expect: at<...> goes into a sequence by what is no number
#include <persist/schema/at.hpp>

#include <vector>

struct Player {
  std::vector<int> scores;
};

int& use(Player& player);
int& use(Player& player) {
#ifdef PERSIST_REJECT_CONTROL
  return persist::at<"scores.0">(player);
#else
  return persist::at<"scores.first">(player);
#endif
}
