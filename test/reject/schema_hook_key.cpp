// expect: the hook defaults does not fit: it does not take this store's key
#include <persist/schema/policy.hpp>

#include <string>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static Player defaults(const std::string&) { return {}; }
#else
  static Player defaults(int) { return {}; }
#endif
};

Player use(const std::string& key);
Player use(const std::string& key) {
  return persist::DataPolicy<Save>::defaults(key);
}
