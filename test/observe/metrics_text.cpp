// builds: single nohana no-exceptions
#include <persist/observe/metrics_text.hpp>

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
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

TEST(MetricsText, a_backends_times_are_a_histogram) {
  persist::backend::BackendMetrics metrics;
  persist::backend::OperationMetrics& commits =
      metrics.all[static_cast<std::size_t>(persist::backend::Operation::commit)];
  commits.batches = 3;
  commits.requests = 40;
  commits.failed = 2;
  commits.latency.counts[2] = 2;
  commits.latency.counts.back() = 1;
  commits.latency.total = std::chrono::microseconds(70'000'007);
  std::ostringstream text;
  persist::observe::write_metrics(text, metrics, "main");
  const std::string all = text.str();
  const auto says = [&](std::string_view name, std::string_view labels, std::string_view value) {
    const std::string line = "persist_backend_" + std::string(name) +
                             R"({backend="main",operation="commit")" + std::string(labels) + "} " +
                             std::string(value) + "\n";
    return all.find(line) != std::string::npos;
  };
  EXPECT_TRUE(says("requests_total", "", "40"));
  EXPECT_TRUE(says("failed_total", "", "2"));
  EXPECT_TRUE(says("seconds_bucket", R"(,le="0.000002")", "0"));
  EXPECT_TRUE(says("seconds_bucket", R"(,le="0.000004")", "2"));
  EXPECT_TRUE(says("seconds_bucket", R"(,le="67.108864")", "2"));
  EXPECT_TRUE(says("seconds_bucket", R"(,le="+Inf")", "3"));
  EXPECT_TRUE(says("seconds_sum", "", "70.000007"));
  EXPECT_TRUE(says("seconds_count", "", "3"));
  EXPECT_EQ(all.find("acquire"), std::string::npos) << "what nobody asked has no line";
}

}  // namespace
