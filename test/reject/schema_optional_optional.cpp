// expect: an optional of an optional has two kinds of nothing
#include <persist/schema/value.hpp>

#include <optional>

#ifdef PERSIST_REJECT_CONTROL
using Data = std::optional<int>;
#else
using Data = std::optional<std::optional<int>>;
#endif

persist::Result<Data> use(const persist::Value& value);
persist::Result<Data> use(const persist::Value& value) {
  return persist::schema::from_value<Data>(value);
}
