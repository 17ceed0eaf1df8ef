#include <persist/testing/random.hpp>

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace {

using persist::testing::Random;

// The first numbers of SplitMix64 from the seed 1234567, as its authors' program prints them.
TEST(Random, IsTheSameEverywhere) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317U);
  EXPECT_EQ(random.next(), 3203168211198807973U);
  EXPECT_EQ(random.next(), 9817491932198370423U);
}

TEST(Random, StaysWithinWhatWasAskedFor) {
  Random random(1);
  std::array<int, 3> seen{};
  for (int i = 0; i < 3000; ++i)
    ++seen[static_cast<std::size_t>(random.below(3))];
  for (const int count : seen)
    EXPECT_NEAR(count, 1000, 150);
  std::set<std::uint64_t> between;
  for (int i = 0; i < 100; ++i)
    between.insert(random.between(5, 7));
  EXPECT_EQ(between, (std::set<std::uint64_t>{5, 6, 7}));
}

TEST(Random, HappensAsOftenAsItSays) {
  Random random(1);
  int count = 0;
  for (int i = 0; i < 10'000; ++i)
    count += random.happens(100) ? 1 : 0;
  EXPECT_NEAR(count, 1000, 150);
  EXPECT_FALSE(random.happens(0));
  EXPECT_TRUE(random.happens(1000));
}

TEST(Random, ThatWasSplitOffChangesNothingHere) {
  Random one(9), other(9);
  Random part = one.split();
  (void)other.split();
  for (int i = 0; i < 10; ++i)
    (void)part.next();
  EXPECT_EQ(one.next(), other.next());
}

}  // namespace
