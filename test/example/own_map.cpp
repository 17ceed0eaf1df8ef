#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

std::vector<std::string> text_of(const std::string& name) {
  std::ifstream file(std::string(PERSIST_SOURCE_DIR) + "/" + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(line);
  return lines;
}

TEST(OwnMap, the_page_shows_what_the_program_does) {
  const auto program = text_of("example/own_map.cpp");
  const auto page = text_of("doc/write-a-backend.md");
  const auto shown = [&](const std::string& first, const std::string& last) {
    const auto begin = std::find(program.begin(), program.end(), first);
    const auto end = std::find(begin, program.end(), last);
    return begin != program.end() && end != program.end() &&
           std::search(page.begin(), page.end(), begin, end + 1) != page.end();
  };
  EXPECT_TRUE(shown("class ServiceMap {", "};"));
  EXPECT_TRUE(shown("template <class Make>", "}"));
}

}  // namespace
