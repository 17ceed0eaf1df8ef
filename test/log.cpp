// builds: single no-exceptions
#include <persist/log.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

using persist::Log;
using persist::LogLevel;

TEST(Log, nothing_below_its_level_is_written) {
  std::string lines;
  Log log;
  log.sink = [&](LogLevel level, std::string_view text) {
    lines += std::string(name(level)) + " " + std::string(text) + "\n";
  };
  log.write(LogLevel::info, "a");
  log.write(LogLevel::warning, "b");
  log.write(LogLevel::error, "c");
  EXPECT_EQ(lines, "warning b\nerror c\n");
  log.level = LogLevel::off;
  log.write(LogLevel::error, "d");
  EXPECT_EQ(lines, "warning b\nerror c\n");
}

TEST(Log, without_a_sink_lines_go_to_stderr) {
  testing::internal::CaptureStderr();
  Log().write(LogLevel::warning, "the disk is full");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "persist: warning: the disk is full\n");
}

}  // namespace
