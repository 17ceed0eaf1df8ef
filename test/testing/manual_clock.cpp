#include <persist/testing/manual_clock.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using persist::testing::ManualClock;

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock;
  const TimePoint begin = clock.now();
  const WallTime wall = clock.wall();
  EXPECT_EQ(clock.now(), begin);
  clock.advance(std::chrono::seconds(3));
  EXPECT_EQ(clock.now() - begin, std::chrono::seconds(3));
  EXPECT_EQ(clock.wall() - wall, std::chrono::seconds(3));
  clock.advance(-std::chrono::seconds(3));
  EXPECT_EQ(clock.now() - begin, std::chrono::seconds(3)) << "never back";
}

TEST(ManualClock, AWaitJumpsToItsDeadline) {
  ManualClock clock;
  Wake wake;
  const TimePoint deadline = clock.now() + std::chrono::hours(1);
  clock.wait_until(deadline, wake);
  EXPECT_EQ(clock.now(), deadline);
  clock.wait_until(deadline - std::chrono::minutes(1), wake);
  EXPECT_EQ(clock.now(), deadline);
}

TEST(ManualClock, ANotifiedWaitIsOverWithoutTime) {
  ManualClock clock;
  Wake wake;
  wake.notify();
  const TimePoint begin = clock.now();
  clock.wait_until(begin + std::chrono::hours(1), wake);
  EXPECT_EQ(clock.now(), begin);
  clock.wait_until(begin + std::chrono::hours(1), wake);
  EXPECT_EQ(clock.now(), begin + std::chrono::hours(1)) << "one notification, one wait";
}

TEST(ManualClock, TheCalendarCanBeSetAlone) {
  ManualClock clock;
  const TimePoint begin = clock.now();
  const WallTime day{std::chrono::hours(1000)};
  clock.set_wall(day);
  EXPECT_EQ(clock.wall(), day);
  EXPECT_EQ(clock.now(), begin);
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(clock.wall(), day + std::chrono::seconds(1));
}

}  // namespace
