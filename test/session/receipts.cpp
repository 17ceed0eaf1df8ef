#include <persist/session/receipts.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using std::chrono::hours;

std::vector<Receipt> receipts(std::size_t count, std::uint32_t day) {
  std::vector<Receipt> all(count);
  for (std::size_t i = 0; i < count; ++i)
    all[i] = {{i, day}, day};
  return all;
}
WallTime on(std::uint32_t day) {
  return WallTime(hours(24 * day));
}

TEST(Receipts, a_day_is_counted_from_1970) {
  EXPECT_EQ(day_of(on(3) + hours(23)), 3U);
  EXPECT_EQ(day_of(WallTime(hours(-5))), 0U);
}

TEST(Receipts, nothing_is_forgotten_while_there_are_no_more_than_are_kept) {
  EXPECT_EQ(forget_through(receipts(receipts_kept, 100), on(10'000)), 0U);
}

TEST(Receipts, nothing_of_the_last_90_days_is_forgotten_however_many_there_are) {
  EXPECT_EQ(forget_through(receipts(3 * receipts_kept, 1000), on(1089)), 0U);
}

TEST(Receipts, old_days_are_forgotten_whole_and_the_newest_4096_stay) {
  auto all = receipts(500, 100);
  for (const Receipt& each : receipts(receipts_kept, 200))
    all.push_back(each);
  const std::uint32_t through = forget_through(all, on(1000));
  EXPECT_GE(through, 100U);
  EXPECT_LT(through, 200U);
}

TEST(Receipts, a_day_that_the_4096th_newest_belongs_to_stays_whole) {
  auto all = receipts(100, 100);
  for (const Receipt& each : receipts(receipts_kept - 50, 200))
    all.push_back(each);
  EXPECT_LT(forget_through(all, on(1000)), 100U);
}

}  // namespace
