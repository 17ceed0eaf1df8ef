// builds: single no-exceptions

#include <persist/schema/enumeration.hpp>

#include <gtest/gtest.h>

#include <cstdint>

namespace {

using persist::schema::enum_name;
using persist::schema::enum_value;

enum class Colour { red, green, blue = 100 };
enum class Side : signed char { left = -1, none, right };
enum class Far : std::uint16_t { near = 127, far = 128, farther = 60000 };
enum Old { old_one, old_two };
enum Fixed : int { fixed_one };
struct Owner {
  enum class Nested { inside };
};

static_assert(enum_name(Colour::red) == "red");
static_assert(enum_name(Colour::blue) == "blue");
static_assert(enum_name(Colour{7}).empty());
static_assert(enum_name(Side::left) == "left");
static_assert(enum_name(Far::near) == "near");
static_assert(enum_name(Fixed::fixed_one) == "fixed_one");
static_assert(enum_name(Owner::Nested::inside) == "inside");

TEST(Enumeration, a_name_leads_back_to_its_value) {
  EXPECT_EQ(enum_value<Colour>("green"), Colour::green);
  EXPECT_EQ(enum_value<Side>("left"), Side::left);
  EXPECT_EQ(enum_value<Colour>("mauve"), std::nullopt);
  EXPECT_EQ(enum_value<Colour>(""), std::nullopt);
}

TEST(Enumeration, values_out_of_the_named_range_have_no_name) {
  EXPECT_EQ(enum_name(Far::far), "");
  EXPECT_EQ(enum_name(Far::farther), "");
  EXPECT_EQ(enum_name(static_cast<Side>(-100)), "");
  EXPECT_EQ(enum_name(static_cast<Colour>(-17)), "");
}

TEST(Enumeration, an_enum_without_a_fixed_type_has_numbers_only) {
  EXPECT_EQ(enum_name(old_two), "");
  EXPECT_EQ(enum_value<Old>("old_two"), std::nullopt);
}

TEST(Enumeration, an_enum_in_a_function_has_names) {
  enum class Local : std::uint8_t { here };
  EXPECT_EQ(enum_name(Local::here), "here");
}

}  // namespace
