#include <persist/detail/text_hash.hpp>

#include <gtest/gtest.h>

#include <string>
#include <unordered_map>

namespace {

TEST(TextHash, FindsAStringByAView) {
  std::unordered_map<std::string, int, persist::detail::TextHash, std::equal_to<>> map;
  map.emplace("key", 1);
  const std::string_view longer = "key and more";
  EXPECT_TRUE(map.contains(longer.substr(0, 3)));
  EXPECT_FALSE(map.contains(longer));
}

}  // namespace
