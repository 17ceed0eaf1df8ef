#include <persist/testing/skewed_clock.hpp>

#include <gtest/gtest.h>

#include <persist/testing/manual_clock.hpp>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::ManualClock;
using persist::testing::SkewedClock;

TEST(SkewedClock, RunsFasterOrSlowerThanTheWorld) {
  ManualClock world;
  const SkewedClock fast(world, 100), slow(world, -100), right(world);
  const TimePoint fast_begin = fast.now(), slow_begin = slow.now(), right_begin = right.now();
  world.advance(10'000s);
  EXPECT_EQ(fast.now() - fast_begin, 10'001s);
  EXPECT_EQ(slow.now() - slow_begin, 9'999s);
  EXPECT_EQ(right.now() - right_begin, 10'000s);
}

TEST(SkewedClock, HasAStartAndACalendarOfItsOwn) {
  ManualClock world;
  const SkewedClock one(world, 0, 5h, 3min), other(world);
  EXPECT_EQ(one.now() - other.now(), 5h);
  EXPECT_EQ(one.wall() - world.wall(), 3min);
}

TEST(SkewedClock, WhoeverWaitsOnItMovesTheWorld) {
  for (const std::int64_t drift : {-200, 0, 200}) {
    ManualClock world;
    SkewedClock clock(world, drift, 77h);
    Wake wake;
    const TimePoint before = world.now();
    const TimePoint deadline = clock.now() + 1000h;
    clock.wait_until(deadline, wake);
    EXPECT_GE(clock.now(), deadline) << drift;
    EXPECT_LT(clock.now(), deadline + 10ms) << drift;
    EXPECT_NEAR(std::chrono::duration<double>(world.now() - before).count(), 3'600'000, 721);
  }
}

TEST(SkewedClock, AWaitForWhatIsLongPastMovesNothing) {
  for (const std::int64_t drift : {-200, 0, 200}) {
    ManualClock world;
    SkewedClock clock(world, drift, 77h);
    const TimePoint before = world.now();
    Wake wake;
    for (const TimePoint past : {TimePoint::min(), TimePoint{}, clock.now() - 1h})
      clock.wait_until(past, wake);
    EXPECT_EQ(world.now(), before) << drift;
  }
}

TEST(SkewedClock, CanBeWaitedOnForEver) {
  for (const std::int64_t drift : {-200, 0, 200}) {
    ManualClock world;
    world.advance(5000h);
    SkewedClock clock(world, drift);
    Wake wake;
    wake.notify();
    clock.wait_until(TimePoint::max(), wake);
    EXPECT_LT(world.now(), TimePoint{} + 5002h) << "it was woken";
    clock.wait_until(TimePoint::max(), wake);
    EXPECT_GT(world.now(), TimePoint{} + 24h * 365 * 200) << drift;
  }
}

}  // namespace
