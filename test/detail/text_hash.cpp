#include <persist/detail/text_hash.hpp>

#include <gtest/gtest.h>

#include <string>
#include <unordered_map>

namespace {

TEST(TextHash, a_map_of_strings_is_searched_with_a_view) {
  std::unordered_map<std::string, int, persist::detail::TextHash, std::equal_to<>> map{{"a", 1}};
  EXPECT_EQ(map.find(std::string_view("a"))->second, 1);
  EXPECT_EQ(map.find(std::string_view("b")), map.end());
}

}  // namespace
