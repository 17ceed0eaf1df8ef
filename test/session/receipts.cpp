// builds: single no-exceptions
#include <persist/session/receipts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

constexpr std::uint32_t today = 20'000;
constexpr WallTime now = std::chrono::sys_days(std::chrono::days(today)) + std::chrono::hours(12);

static_assert(receipts_kept == 4096 && receipt_days_kept == 90);

void add(std::vector<Receipt>& receipts, std::size_t count, std::uint32_t day) {
  for (std::size_t i = 0; i < count; ++i)
    receipts.push_back({{receipts.size(), 0}, day});
}

TEST(Receipts, a_day_begins_at_midnight_utc) {
  const WallTime midnight = std::chrono::sys_days(std::chrono::days(today));
  EXPECT_EQ(day_of(midnight), today);
  EXPECT_EQ(day_of(midnight - std::chrono::milliseconds(1)), today - 1);
  EXPECT_EQ(day_of(midnight + std::chrono::hours(24) - std::chrono::milliseconds(1)), today);
}

TEST(Receipts, a_time_that_no_day_has_is_the_nearest_one) {
  EXPECT_EQ(day_of(WallTime{}), 0u);
  EXPECT_EQ(day_of(WallTime(std::chrono::milliseconds(-1))), 0u);
  EXPECT_EQ(day_of(WallTime::min()), 0u);
  EXPECT_EQ(day_of(WallTime::max()), 0xffffffffu);
}

TEST(Receipts, the_last_4096_are_kept_however_old) {
  std::vector<Receipt> receipts;
  EXPECT_EQ(forget_through(receipts, now), 0u);
  add(receipts, 4096, 1);
  EXPECT_EQ(forget_through(receipts, now), 0u);
}

TEST(Receipts, one_more_lets_go_of_the_oldest_day) {
  std::vector<Receipt> receipts;
  add(receipts, 1, 100);
  add(receipts, 4096, 101);
  EXPECT_EQ(forget_through(receipts, now), 100u);
}

TEST(Receipts, days_are_forgotten_whole_or_not_at_all) {
  std::vector<Receipt> receipts;
  add(receipts, 2, 100);
  add(receipts, 4095, 101);
  EXPECT_EQ(forget_through(receipts, now), 0u) << "the 4,096th newest is of day 100";
  add(receipts, 1, 102);
  EXPECT_EQ(forget_through(receipts, now), 100u);
  std::vector<Receipt> of_one_day;
  add(of_one_day, 10'000, 100);
  EXPECT_EQ(forget_through(of_one_day, now), 0u);
}

TEST(Receipts, one_that_was_stored_twice_pushes_no_other_out) {
  std::vector<Receipt> receipts;
  add(receipts, 1, 100);
  add(receipts, 4095, 101);
  const std::vector<Receipt> again(receipts.begin() + 1, receipts.begin() + 11);
  receipts.insert(receipts.end(), again.begin(), again.end());
  ASSERT_EQ(forget_through(receipts, now), 100u);
  drop_repeats(receipts);
  EXPECT_EQ(receipts.size(), 4096u);
  EXPECT_EQ(forget_through(receipts, now), 0u);
}

TEST(Receipts, all_of_the_last_90_days_are_kept_however_many) {
  std::vector<Receipt> receipts;
  add(receipts, 20'000, today);
  add(receipts, 5'000, today - 90);
  EXPECT_EQ(forget_through(receipts, now), 0u);
  add(receipts, 1, today - 91);
  EXPECT_EQ(forget_through(receipts, now), today - 91);
  EXPECT_EQ(forget_through(receipts, now - std::chrono::hours(24)), 0u) << "a day before";
}

TEST(Receipts, before_there_were_90_days_none_is_forgotten) {
  std::vector<Receipt> receipts;
  add(receipts, 1, 0);
  add(receipts, 5'000, 1);
  EXPECT_EQ(forget_through(receipts, WallTime(std::chrono::days(90))), 0u);
}

/// The same in the words of the promise, day by day.
std::uint32_t newest_that_may_go(const std::vector<Receipt>& receipts) {
  std::uint32_t newest = 0;
  for (std::uint32_t day = today - 400; day < today - receipt_days_kept; ++day) {
    const auto kept = std::count_if(receipts.begin(), receipts.end(),
                                    [day](const Receipt& receipt) { return receipt.day > day; });
    const auto all = static_cast<std::ptrdiff_t>(receipts.size());
    if (kept >= std::ptrdiff_t{receipts_kept} && kept < all) newest = day;
  }
  return newest;
}

TEST(Receipts, as_many_days_are_forgotten_as_may_be_in_whatever_order_they_lie) {
  std::mt19937 random(7);
  int forgotten = 0;
  for (int round = 0; round < 8; ++round) {
    std::uniform_int_distribution<std::size_t> how_many(3'000, 7'000);
    std::uniform_int_distribution<std::uint32_t> how_old(0, 60 + 40 * static_cast<unsigned>(round));
    std::vector<Receipt> receipts;
    add(receipts, how_many(random), today);
    for (Receipt& receipt : receipts)
      receipt.day -= how_old(random);
    const std::uint32_t through = forget_through(receipts, now);
    ASSERT_EQ(through, newest_that_may_go(receipts));
    forgotten += through != 0;
  }
  EXPECT_GT(forgotten, 2);
}

}  // namespace
