// expect: schema_version is a number
#include <persist/schema/policy.hpp>

#include <string>
#include <variant>

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
#ifdef PERSIST_REJECT_CONTROL
  static constexpr int schema_version = 2;
#else
  static constexpr const char* schema_version = "2";
#endif
};

static_assert(sizeof(persist::DataPolicy<Save>) != 0);
