// expect: message lists what may be sent to a record
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  using message = std::variant<Player>;
#else
  using message = Player;
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
