// expect: persist: an Identity must be stored
#include <persist/schema/value.hpp>

struct Item {
  int id = 0;
  int count = 0;
};
struct Policy {
#ifdef PERSIST_REJECT_CONTROL
  using fields = persist::Fields<persist::Identity<&Item::id>, persist::Transient<&Item::count>>;
#else
  using fields = persist::Fields<persist::Identity<&Item::id>, persist::Transient<&Item::id>>;
#endif
};

persist::Result<Item> use(const persist::Value& value);
persist::Result<Item> use(const persist::Value& value) {
  return persist::schema::from_value<Item, Policy>(value);
}
