// expect: an Identity is an integer, a text or an enum
#include <persist/schema/value.hpp>

#include <vector>

struct Item {
#ifdef PERSIST_REJECT_CONTROL
  int id = 0;
#else
  double id = 0;
#endif
};
struct Policy {
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};

persist::Result<std::vector<Item>> use(const persist::Value& value);
persist::Result<std::vector<Item>> use(const persist::Value& value) {
  return persist::schema::from_value<std::vector<Item>, Policy>(value);
}
