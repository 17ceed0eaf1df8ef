// expect: a Value and a variant with std::monostate have theirs without it
#include <persist/schema/value.hpp>

#include <optional>
#include <variant>

#ifdef PERSIST_REJECT_CONTROL
using Data = std::optional<std::variant<int, std::string>>;
#else
using Data = std::optional<std::variant<std::monostate, int, std::string>>;
#endif

persist::Result<Data> use(const persist::Value& value);
persist::Result<Data> use(const persist::Value& value) {
  return persist::schema::from_value<Data>(value);
}
