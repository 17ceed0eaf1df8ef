#include "../../example/day/evening.hpp"

#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using Lines = std::vector<std::string>;

Lines compare(const std::string& want, const std::string& have) {
  std::istringstream expected(want);
  std::istringstream evening(have);
  const auto wrong = day::differences(expected, "expected", evening, "evening");
  return wrong ? *wrong : Lines{wrong.error().message()};
}

const std::string one =
    R"({"key":"Player_1","value":{"coins":5,"sfx":0.5,"inventory":[{"id":1},{"id":2}]}})";

TEST(Evening, equal_exports_have_no_differences_whatever_the_order_of_members_and_items) {
  EXPECT_EQ(
      compare(
          one,
          R"({"value":{"inventory":[{"id":2},{"id":1}],"sfx":0.50000001,"coins":5},"key":"Player_1"})"),
      Lines{});
}

TEST(Evening, each_difference_is_named_with_its_place) {
  EXPECT_EQ(
      compare(one, R"({"key":"Player_1","value":{"coins":6,"sfx":0.6,"inventory":[{"id":1}]}})"),
      (Lines{"Player_1/sfx: is 0.6, expected 0.5", "Player_1/coins: is 6, expected 5",
             "Player_1/inventory: 1 elements, expected 2"}));
  EXPECT_EQ(compare(one, R"({"key":"Player_1","value":{"coins":true,"pets":[],"sfx":0.5}})"),
            (Lines{"Player_1/coins: is true, expected 5", "Player_1/inventory: missing",
                   "Player_1/pets: not expected"}));
}

TEST(Evening, a_record_too_few_and_one_too_many_are_named) {
  EXPECT_EQ(compare(one, R"({"key":"Player_2","value":{}})"),
            (Lines{"Player_1: missing", "Player_2: not expected"}));
}

TEST(Evening, what_is_no_export_is_refused_with_its_file_and_line) {
  EXPECT_NE(compare(one, "\n{").at(0).find("evening:2: "), std::string::npos);
  EXPECT_NE(compare(one, "{}").at(0).find("evening:1: "), std::string::npos);
  EXPECT_NE(compare(one, one + "\n" + one).at(0).find("evening:2: Player_1 stands twice"),
            std::string::npos);
  EXPECT_NE(compare(one + "\n[", one).at(0).find("expected:2: "), std::string::npos);
}

}  // namespace
