// builds: single no-exceptions
#include <persist/clock.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace std::chrono_literals;

TEST(Clock, the_machines_clock_never_goes_back) {
  SystemClock clock;
  const auto before = clock.now();
  EXPECT_GE(clock.now(), before);
  EXPECT_GT(clock.wall().time_since_epoch(), 50 * 365 * 24h);
}

TEST(Clock, a_wait_is_over_when_somebody_was_notified_before_it) {
  SystemClock clock;
  Wake wake;
  wake.notify();
  clock.wait_until(clock.now() + 1h, wake);
  EXPECT_FALSE(wake.take());
  clock.wait_until(clock.now() - 1h, wake);  // over before it began
}

TEST(Clock, a_notification_that_nobody_waited_for_is_kept_once) {
  Wake wake;
  wake.notify();
  wake.notify();
  EXPECT_TRUE(wake.take());
  EXPECT_FALSE(wake.take());
}

}  // namespace
