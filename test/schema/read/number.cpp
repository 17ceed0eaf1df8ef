// builds: single no-exceptions

#include <persist/schema/read/number.hpp>

#include <persist/schema/value.hpp>

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using persist::Errc;
using persist::Value;
using persist::schema::Integer;
using persist::schema::Real;
using persist::schema::detail::convert;

template <class T>
using limits = std::numeric_limits<T>;

constexpr std::uint64_t two_to(int power) {
  return std::uint64_t{1} << power;
}
Integer negative(std::uint64_t size) {
  return {true, size - 1};
}
template <class T>
bool holds(Integer from, T expected) {
  T into{};
  return convert(from, into) && into == expected;
}
template <class T>
bool refuses(auto from) {
  T into{};
  return !convert(from, into);
}

template <class T>
class NumberOf : public testing::Test {};
using Integers =
    testing::Types<char, signed char, unsigned char, std::int16_t, std::uint16_t, std::int32_t,
                   std::uint32_t, std::int64_t, std::uint64_t, long, unsigned long long>;
TYPED_TEST_SUITE(NumberOf, Integers);

TYPED_TEST(NumberOf, integers_and_whole_reals_fit_up_to_the_edge_and_not_one_more) {
  using T = TypeParam;
  const auto most = static_cast<std::uint64_t>((limits<T>::max)());
  EXPECT_TRUE(holds<T>({false, most}, (limits<T>::max)()));
  if (most != ~std::uint64_t{0}) {
    EXPECT_TRUE(refuses<T>(Integer{false, most + 1}));
  }
  if constexpr (std::is_signed_v<T>) {
    EXPECT_TRUE(holds<T>({true, most}, (limits<T>::min)()));
    EXPECT_TRUE(refuses<T>(Integer{true, most + 1}));
  } else {
    EXPECT_TRUE(refuses<T>(Integer{true, 0}));
  }
  EXPECT_TRUE(refuses<T>(Integer{true, ~std::uint64_t{0}})) << "-2^64";

  // One beyond the greatest is a power of two, which every floating point type holds.
  const double beyond = std::ldexp(1.0, limits<T>::digits);
  EXPECT_TRUE((Value(beyond).as<T>().is(Errc::schema_mismatch)));
  const double below = std::nextafter(beyond, 0.0);
  EXPECT_EQ(static_cast<bool>(Value(below).as<T>()), std::trunc(below) == below);
  if constexpr (std::is_signed_v<T>) {
    EXPECT_EQ(Value(-beyond).as<T>().value(), (limits<T>::min)());
    EXPECT_TRUE(Value(std::nextafter(-beyond, -INFINITY)).as<T>().is(Errc::schema_mismatch));
  }
  for (const double none : {0.5, -0.5, 1e300, double(INFINITY), -double(INFINITY), double(NAN)})
    EXPECT_TRUE(Value(none).as<T>().is(Errc::schema_mismatch)) << none;
}

template <class T>
class RealOf : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(RealOf, Reals);

TYPED_TEST(RealOf, an_integer_fits_if_it_is_one_of_its_numbers) {
  using T = TypeParam;
  constexpr int digits = limits<T>::digits;
  for (const bool below_zero : {false, true}) {
    const auto number = [&](std::uint64_t size) {
      return below_zero ? negative(size) : Integer{false, size};
    };
    const T sign = below_zero ? T(-1) : T(1);
    for (int power = 0; power < 64; ++power) {
      const T exact = sign * std::ldexp(T(1), power);
      EXPECT_TRUE(holds<T>(number(two_to(power)), exact)) << power;
      if (power < digits) continue;
      // Beyond its digits, only multiples of a power of two are left.
      const std::uint64_t step = two_to(power - digits + 1);
      EXPECT_TRUE(refuses<T>(number(two_to(power) + step / 2))) << power;
      EXPECT_TRUE(refuses<T>(number(two_to(power) + 1)) || step == 1) << power;
      EXPECT_TRUE(holds<T>(number(two_to(power) + step), exact + sign * T(step))) << power;
    }
    EXPECT_TRUE(refuses<T>(number(~std::uint64_t{0})));
  }
  EXPECT_TRUE(holds<T>({false, 0}, T(0)));
  EXPECT_TRUE(refuses<T>(Integer{true, ~std::uint64_t{0}}));
}

TEST(NumberOfFloat, every_float_comes_back_from_its_shortest_text) {
  // Each exponent with the least, a middle and the greatest fraction: edges of every kind.
  for (std::uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (const std::uint32_t fraction : {0u, 1u, 0x2aaaaau, 0x555555u, 0x7ffffeu, 0x7fffffu}) {
      const auto number = std::bit_cast<float>(exponent << 23 | fraction);
      for (const float each : {number, -number}) {
        const Real read{std::stod(persist::schema::detail::text_of(Real{each, true})), false};
        float into = 1;
        ASSERT_TRUE(convert(read, into)) << each;
        ASSERT_EQ(into, each);
      }
    }
  }
}

TEST(NumberOfFloat, what_no_float_is_near_enough_to_is_refused) {
  constexpr float most = (limits<float>::max)();
  for (const double beyond : {3.4028236e38, 3.5e38, 1e39, 1e308, 3.4028234663852889e38 * 1.0000001})
    for (const double each : {beyond, -beyond})
      EXPECT_TRUE(refuses<float>(Real{each, false})) << each;
  EXPECT_TRUE(refuses<float>(Real{std::nextafter(double{most}, INFINITY), false}));
  EXPECT_TRUE(refuses<float>(Real{1e-46, false}));
  EXPECT_TRUE(refuses<float>(Real{0.1 + 1e-12, false}));
}

TEST(NumberOfFloat, a_mismatch_names_path_expected_and_found) {
  struct Save {
    std::vector<float> speeds;
  };
  const auto error = Value::map({{"speeds", Value::array({1, 16777217})}}).as<Save>().error();
  EXPECT_EQ(error, Errc::schema_mismatch);
  EXPECT_EQ(error.path(), "speeds[1]");
  EXPECT_EQ(error.expected(), "float");
  EXPECT_EQ(error.found(), "16777217");
}

}  // namespace
