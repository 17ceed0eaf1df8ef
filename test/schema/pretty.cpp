#include <persist/schema/pretty.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist::schema::detail;

TEST(Pretty, the_last_identifier_is_found_behind_brackets) {
  EXPECT_EQ(last_identifier("((const void*)(& S::fake.S::coins))}"), "coins");
  EXPECT_EQ(last_identifier("{&fake.value.coins}"), "coins");
  EXPECT_EQ(last_identifier("}}"), "");
}

TEST(Pretty, the_argument_is_what_stands_behind_its_name) {
  EXPECT_EQ(pretty_argument("auto f() [with Pretty = game::Item]"), "game::Item");
}

TEST(Pretty, a_pack_is_split_at_its_own_commas_only) {
  const auto parts = split_pack<3>("<A<int, int>::x, (B)7, {&c, d}>");
  EXPECT_EQ(parts[0], "A<int, int>::x");
  EXPECT_EQ(parts[1], "(B)7");
  EXPECT_EQ(parts[2], "{&c, d}");
}

}  // namespace
