#include <persist/detail/fixed_string.hpp>

#include <type_traits>

#include <gtest/gtest.h>

namespace {

template <persist::detail::FixedString Name>
struct Named {
  static constexpr auto name = Name.view();
};
static_assert(Named<"coins">::name == "coins");
static_assert(Named<"">::name.empty());
static_assert(std::is_same_v<Named<"a">, Named<"a">> && !std::is_same_v<Named<"a">, Named<"b">>);

TEST(FixedString, is_a_text_as_a_template_argument) {
  EXPECT_EQ(Named<"Player_">::name, "Player_");
}

}  // namespace
