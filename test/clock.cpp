// builds: single tsan
#include <persist/clock.hpp>

#include <persist/testing/manual_clock.hpp>

#include <atomic>
#include <thread>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace std::chrono_literals;

static_assert(std::is_same_v<TimePoint::duration, std::chrono::nanoseconds>);
static_assert(std::is_same_v<WallTime::duration, std::chrono::milliseconds>);
static_assert(!std::is_copy_constructible_v<Clock> && std::is_abstract_v<Clock>);
static_assert(!std::is_convertible_v<std::chrono::steady_clock::time_point, TimePoint>,
              "points of another clock are not ours");

TEST(Wake, a_notification_that_nobody_waits_for_ends_the_next_wait) {
  Wake wake;
  wake.notify();
  wake.wait_for(Duration::max());
  EXPECT_FALSE(wake.take()) << "the wait forgot it";
}

TEST(Wake, two_notifications_are_one) {
  Wake wake;
  wake.notify();
  wake.notify();
  EXPECT_TRUE(wake.take());
  EXPECT_FALSE(wake.take());
}

TEST(Wake, a_wait_of_no_time_is_over_at_once) {
  Wake wake;
  wake.wait_for(0ns);
  wake.wait_for(-5s);
  EXPECT_FALSE(wake.take());
}

TEST(Wake, the_longest_wait_ends_when_another_thread_notifies_and_not_before) {
  Wake wake;
  std::atomic<bool> begun{false};
  std::atomic<bool> notified{false};
  bool ended_in_time = false;
  std::thread waiter([&] {
    begun = true;
    wake.wait_for(Duration::max());
    ended_in_time = notified;
  });
  while (!begun)
    std::this_thread::yield();
  for (int i = 0; i < 1000; ++i)  // a wait that is over at once has time to show it
    std::this_thread::yield();
  notified = true;
  wake.notify();
  waiter.join();
  EXPECT_TRUE(ended_in_time);
}

TEST(SystemClock, never_goes_back) {
  const SystemClock& clock = SystemClock::instance();
  TimePoint before = clock.now();
  EXPECT_GT(before, TimePoint{});
  for (int i = 0; i < 1000; ++i) {
    const TimePoint at = clock.now();
    ASSERT_LE(before, at);
    before = at;
  }
}

TEST(SystemClock, there_is_one) {
  EXPECT_EQ(&SystemClock::instance(), &SystemClock::instance());
}

TEST(SystemClock, its_calendar_is_the_systems) {
  const auto before =
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const WallTime at = SystemClock::instance().wall();
  EXPECT_GE(at, before);
  EXPECT_LE(at, std::chrono::system_clock::now());
}

TEST(SystemClock, a_deadline_that_has_passed_is_not_waited_for_and_leaves_the_notification) {
  SystemClock& clock = SystemClock::instance();
  Wake wake;
  wake.notify();
  clock.wait_until(TimePoint{}, wake);
  EXPECT_TRUE(wake.take());
}

TEST(SystemClock, a_wait_for_ever_ends_with_a_notification) {
  Wake wake;
  wake.notify();
  SystemClock::instance().wait_until(TimePoint::max(), wake);
  EXPECT_FALSE(wake.take());
}

TEST(Clock, who_waits_needs_to_know_no_more_than_the_base) {
  persist::testing::ManualClock manual;
  Clock& clock = manual;
  Wake wake;
  const TimePoint start = clock.now();
  clock.wait_until(start + 5s, wake);
  EXPECT_EQ(clock.now(), start + 5s);
  wake.notify();
  clock.wait_until(start + 9s, wake);
  EXPECT_EQ(clock.now(), start + 5s) << "the notification ended the wait";
}

}  // namespace
