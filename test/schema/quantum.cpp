#include <persist/schema/quantum.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::schema::detail;

struct Player {
  double x = 0;
  float y = 0;
  int steps = 0;
  std::optional<double> z;
  std::vector<float> path;
  std::array<double, 2> home{};
  double plain = 0;
};
struct Policy {
  using fields = Fields<Quantised<&Player::x, 0.01>, Quantised<&Player::y, 0.25>,
                        Quantised<&Player::steps, 5>, Quantised<&Player::z, 0.1>,
                        Quantised<&Player::path, 0.5>, Quantised<&Player::home, 10>>;
};
using Rules = RulesOf<Policy>;

static_assert(is_quantised<Rules, Player, 0> && !is_quantised<Rules, Player, 6>);
static_assert(!is_quantised<RulesOf<int>, Player, 0>);
static_assert(can_be_quantised<std::optional<std::vector<int>>>);
static_assert(!can_be_quantised<std::string> && !can_be_quantised<bool>);

TEST(Quantum, gives_the_double_that_the_decimal_number_is_written_as) {
  EXPECT_EQ(to_multiple(0.3549, 0.01), 0.35);
  EXPECT_EQ(to_multiple(0.355001, 0.01), 0.36);
  EXPECT_EQ(to_multiple(-0.3549, 0.01), -0.35);
  EXPECT_EQ(to_multiple(1234.56789, 0.001), 1234.568);
  for (int i = 0; i < 10'000; ++i)
    ASSERT_EQ(to_multiple(i * 0.01, 0.01), i / 100.0) << "and is not moved a second time";
}

TEST(Quantum, takes_steps_that_are_no_part_of_one) {
  EXPECT_EQ(to_multiple(17, 10.0), 20);
  EXPECT_EQ(to_multiple(0.8, 0.3), 3 * 0.3);
  EXPECT_EQ(to_multiple(-7.4, 2.5), -7.5);
}

TEST(Quantum, leaves_what_has_no_fraction_or_is_no_number) {
  const double huge = 1e300;
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_multiple(huge, 0.01), huge);
  EXPECT_EQ(to_multiple(infinite, 0.01), infinite);
  EXPECT_TRUE(std::isnan(to_multiple(std::numeric_limits<double>::quiet_NaN(), 0.01)));
}

TEST(Quantum, rounds_integers_within_their_type) {
  EXPECT_EQ(to_multiple(12, 5), 10);
  EXPECT_EQ(to_multiple(13, 5), 15);
  EXPECT_EQ(to_multiple(-12, 5), -10);
  EXPECT_EQ(to_multiple(-13, 5), -15);
  EXPECT_EQ(to_multiple(-15, 5), -15);
  EXPECT_EQ(to_multiple(15, 10), 20) << "away from zero in the middle";
  EXPECT_EQ(to_multiple(-15, 10), -20);
  EXPECT_EQ(to_multiple(std::uint8_t{255}, std::uint8_t{100}), 200) << "300 is none";
  EXPECT_EQ(to_multiple(std::int8_t{-128}, std::int8_t{100}), -100);
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(to_multiple(most, std::int64_t{10}), most / 10 * 10);
  EXPECT_EQ(to_multiple(std::numeric_limits<std::int64_t>::min(), std::int64_t{10}),
            std::numeric_limits<std::int64_t>::min() / 10 * 10);
  constexpr auto top = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(to_multiple(top, std::uint64_t{10}), top / 10 * 10);
}

TEST(Quantum, goes_into_lists_arrays_and_optionals) {
  EXPECT_EQ((quantised<Rules, Player, 0>(0.123)), 0.12);
  EXPECT_EQ((quantised<Rules, Player, 1>(0.4F)), 0.5F);
  EXPECT_EQ((quantised<Rules, Player, 3>(std::optional<double>())), std::nullopt);
  EXPECT_EQ((quantised<Rules, Player, 3>(std::optional<double>(0.26))), 0.3);
  EXPECT_EQ((quantised<Rules, Player, 4>(std::vector<float>{0.6F, 0.8F})),
            (std::vector<float>{0.5F, 1.0F}));
  EXPECT_EQ((quantised<Rules, Player, 5>(std::array<double, 2>{14, 16})),
            (std::array<double, 2>{10, 20}));
}

struct Bounded {
  int level = 1;
  double speed = 0;
  std::optional<std::int8_t> luck;
  std::uint8_t mana = 0;
  std::vector<int> scores;
};
struct Bounds {
  using fields = Fields<Quantised<&Bounded::level, 10>, Limited<&Bounded::level, 3, 99>,
                        Quantised<&Bounded::speed, 0.1>, Limited<&Bounded::speed, 0.26, 0.98>,
                        Quantised<&Bounded::luck, 100>, Limited<&Bounded::luck, -128, 20>,
                        Quantised<&Bounded::mana, 100>, Limited<&Bounded::mana, 230, 255>,
                        Quantised<&Bounded::scores, 10>, Limited<&Bounded::scores, 0, 2>>;
};
template <std::size_t I, class M>
M bounded(M number) {
  return quantised<RulesOf<Bounds>, Bounded, I>(number);
}

TEST(Quantum, writes_nothing_that_the_limits_of_the_member_would_refuse) {
  EXPECT_EQ(bounded<0>(99), 90) << "100 could not be loaded";
  EXPECT_EQ(bounded<0>(94), 90);
  EXPECT_EQ(bounded<0>(4), 10);
  EXPECT_EQ(bounded<0>(120), 120) << "which is refused anyway";
  EXPECT_EQ(bounded<1>(0.97), 0.9);
  EXPECT_EQ(bounded<1>(0.26), 0.3);
  EXPECT_EQ(bounded<2>(std::optional<std::int8_t>(20)), std::int8_t{0});
  EXPECT_EQ(bounded<2>(std::optional<std::int8_t>(-128)), std::int8_t{-100});
  EXPECT_EQ(bounded<3>(std::uint8_t{240}), 240) << "no multiple lies between";
  EXPECT_EQ(bounded<4>(std::vector<int>{4, 96}), (std::vector<int>{0, 100}));
}

}  // namespace
