#include <persist/detail/shortest.hpp>

#include <limits>

#include <gtest/gtest.h>

namespace {

using persist::detail::is_float_text;

TEST(Shortest, the_text_of_a_float_is_known_again) {
  for (const double value : {0.0, -0.0, 0.1, 1.5, 3.4028235e38, 1e-45, 16777216.0, -2.5e-3, 0.3}) {
    EXPECT_TRUE(is_float_text(value)) << value;
  }
}

TEST(Shortest, what_only_a_double_tells_apart_is_no_text_of_a_float) {
  for (const double value :
       {0.10000000149011612, 0.1234567891, 1e300, 1e-300, 16777217.0,
        std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_FALSE(is_float_text(value)) << value;
  }
}

}  // namespace
