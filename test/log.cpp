// builds: single no-exceptions
#include <persist/log.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using persist::Log;
using persist::LogLevel;

constexpr LogLevel lines[] = {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error};

std::vector<std::string> heard_at(LogLevel level) {
  std::vector<std::string> heard;
  const Log log{level, [&](LogLevel line, std::string_view text) {
                  heard.push_back(std::string(name(line)) + " " + std::string(text));
                }};
  for (const LogLevel line : lines) {
    EXPECT_EQ(log.wants(line), line >= level && level != LogLevel::off);
    log.write(line, "x");
  }
  return heard;
}

TEST(Log, passes_on_what_is_at_its_level_or_above) {
  EXPECT_EQ(heard_at(LogLevel::debug),
            (std::vector<std::string>{"debug x", "info x", "warning x", "error x"}));
  EXPECT_EQ(heard_at(LogLevel::warning), (std::vector<std::string>{"warning x", "error x"}));
  EXPECT_EQ(heard_at(LogLevel::error), (std::vector<std::string>{"error x"}));
}

TEST(Log, that_is_off_passes_on_nothing) {
  EXPECT_EQ(heard_at(LogLevel::off), std::vector<std::string>{});
  EXPECT_FALSE((Log{LogLevel::off, {}}.wants(LogLevel::off)));
}

TEST(Log, nothing_is_logged_at_the_level_off) {
  Log log;
  EXPECT_FALSE(log.wants(LogLevel::off));
}

TEST(Log, warns_unless_told_otherwise) {
  EXPECT_EQ(Log{}.level, LogLevel::warning);
  EXPECT_FALSE(Log{}.wants(LogLevel::info));
  EXPECT_TRUE(Log{}.wants(LogLevel::warning));
}

TEST(Log, without_a_sink_writes_one_line_to_stderr) {
  testing::internal::CaptureStderr();
  Log{}.write(LogLevel::warning, std::string_view("a view without an end", 6));
  Log{}.write(LogLevel::info, "too low");
  Log{}.write(LogLevel::error, "100 %s");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "persist: warning: a view\npersist: error: 100 %s\n");
}

TEST(Log, with_a_sink_leaves_stderr_alone) {
  testing::internal::CaptureStderr();
  int calls = 0;
  Log{LogLevel::warning, [&](LogLevel, std::string_view) { ++calls; }}.write(LogLevel::error, "x");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
