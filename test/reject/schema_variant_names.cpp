// expect: two alternatives of a variant have one name
#include <persist/schema/value.hpp>

#include <variant>

namespace a {
struct Gift {
  int coins = 0;
};
}  // namespace a
namespace b {
struct Gift {
  int gems = 0;
#ifdef PERSIST_REJECT_CONTROL
  static constexpr std::string_view persist_name = "OtherGift";
#endif
};
}  // namespace b
using Message = std::variant<a::Gift, b::Gift>;

persist::Result<Message> use(const persist::Value& value);
persist::Result<Message> use(const persist::Value& value) {
  return persist::schema::from_value<Message>(value);
}
