#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream file(std::string(PERSIST_SOURCE_DIR) + "/" + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(line);
  return lines;
}

TEST(Readme, it_shows_the_whole_quickstart_between_its_lines_8_and_30) {
  const auto program = lines_of("example/quickstart.cpp");
  const auto readme = lines_of("README.md");
  ASSERT_FALSE(program.empty());
  const auto found = std::search(readme.begin(), readme.end(), program.begin(), program.end());
  ASSERT_NE(found, readme.end()) << "README.md shows another program than example/quickstart.cpp";
  const auto first = found - readme.begin() + 1;
  EXPECT_LE(first, 8);
  EXPECT_LE(first + static_cast<std::ptrdiff_t>(program.size()) - 1, 30);
}

}  // namespace
