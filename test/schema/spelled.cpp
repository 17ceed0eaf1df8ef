#include <persist/schema/spelled.hpp>

#include <array>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using persist::schema::detail::spelled_names;
using persist::schema::detail::text_of_name;

struct TwoNames {
  static constexpr std::array<std::string_view, 2> names{"a", "b"};
};
struct Loud {
  std::string_view plain;
  int length;
};
struct Format {
  static constexpr std::array<Loud, 2> loud{Loud{"a", 1}, Loud{"b", 1}};
  template <const auto& Names>
  static constexpr const auto& spelled() {
    static_assert(Names.size() == loud.size());
    return loud;
  }
};

TEST(Spelled, a_format_without_a_form_of_its_own_gets_the_names) {
  EXPECT_EQ((&spelled_names<int, TwoNames>()), &TwoNames::names);
  EXPECT_EQ(text_of_name(TwoNames::names[1]), "b");
}

TEST(Spelled, a_format_with_one_gets_that) {
  EXPECT_EQ((&spelled_names<Format, TwoNames>()), &Format::loud);
  EXPECT_EQ(text_of_name(Format::loud[1]), "b");
}

}  // namespace
