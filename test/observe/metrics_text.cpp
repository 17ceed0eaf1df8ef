// builds: single nohana no-exceptions
#include <persist/observe/metrics_text.hpp>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

TEST(MetricsText, every_counter_is_a_line_of_its_own_with_its_labels) {
  persist::Metrics metrics;
  metrics.loads = 3;
  metrics.edits_after_end = 18446744073709551615U;
  std::ostringstream text;
  persist::observe::write_metrics(text, metrics, "PlayerData", "eu-1");
  std::istringstream from(text.str());
  std::vector<std::string> lines;
  for (std::string line; std::getline(from, line);)
    lines.push_back(line);
  ASSERT_EQ(lines.size() * sizeof(std::uint64_t), sizeof(persist::Metrics)) << "one line a member";
  EXPECT_EQ(lines.front(), R"(persist_loads_total{store="PlayerData",server="eu-1"} 3)");
  EXPECT_EQ(
      lines.back(),
      R"(persist_edits_after_end_total{store="PlayerData",server="eu-1"} 18446744073709551615)");
}

TEST(MetricsText, a_label_cannot_end_its_line_or_its_quotes) {
  std::ostringstream text;
  persist::observe::write_metrics(text, {}, "a\"} 1\nb\\", "");
  const std::string first = text.str().substr(0, text.str().find('\n'));
  EXPECT_EQ(first, R"(persist_loads_total{store="a\"} 1\nb\\",server=""} 0)");
}

}  // namespace
