#include <persist/detail/time_text.hpp>

#include <gtest/gtest.h>

namespace {

using persist::WallTime;
using persist::detail::time_text;
using std::chrono::milliseconds;

TEST(TimeText, is_a_calendar_day_and_a_time_of_it) {
  EXPECT_EQ(time_text(WallTime(milliseconds(1'700'000'000'123))), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(time_text(WallTime{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(time_text(WallTime(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

}  // namespace
