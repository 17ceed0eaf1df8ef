// expect: a member of a stored struct is const, so nothing can be read into it
#include <persist/schema/value.hpp>

struct Player {
#ifdef PERSIST_REJECT_CONTROL
  int coins = 0;
#else
  const int coins = 0;
#endif
};

persist::Result<Player> use(const persist::Value& value);
persist::Result<Player> use(const persist::Value& value) {
  return persist::schema::from_value<Player>(value);
}
