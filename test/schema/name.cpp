// builds: single no-exceptions

#include <persist/schema/name.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace game::items {
struct Sword {};
enum class Rarity { common };
struct Gift {
  static constexpr std::string_view persist_name = "gift.v1";
};
template <class T>
struct Box {
  static constexpr const char* persist_name = "Box";
  struct Lid {};
};
}  // namespace game::items

template <>
struct persist::name_of<std::vector<game::items::Sword>> {
  static constexpr std::string_view value = "Swords";
};

namespace {

using persist::schema::type_name;
struct Hidden {};

static_assert(type_name<game::items::Sword> == "Sword");
static_assert(type_name<game::items::Rarity> == "Rarity");
static_assert(type_name<game::items::Gift> == "gift.v1");
static_assert(type_name<game::items::Box<int>> == "Box");
static_assert(type_name<game::items::Box<std::vector<int>>::Lid> == "Lid");
static_assert(type_name<std::vector<game::items::Sword>> == "Swords");
static_assert(type_name<Hidden> == "Hidden");
static_assert(type_name<std::string> == "string");
static_assert(type_name<bool> == "bool" && type_name<float> == "float" &&
              type_name<double> == "double");
static_assert(type_name<long> == type_name<std::int64_t> && type_name<long long> == "int64");
static_assert(type_name<unsigned char> == "uint8" && type_name<short> == "int16");

TEST(TypeName, a_type_in_a_function_has_its_own_name_only) {
  struct Local {};
  EXPECT_EQ(type_name<Local>, "Local");
}

}  // namespace
