// expect: persist: this type cannot be stored
#include <persist/schema/value.hpp>

#include <vector>

#ifdef PERSIST_REJECT_CONTROL
using Element = int;
#else
using Element = int*;
#endif

persist::Result<persist::Value> use(const std::vector<Element>& list);
persist::Result<persist::Value> use(const std::vector<Element>& list) {
  return persist::schema::to_value(list);
}
