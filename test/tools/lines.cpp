#include <persistctl/lines.hpp>

#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace persistctl {
namespace {

TEST(Lines, come_one_at_a_time_with_their_numbers) {
  std::istringstream in("one\n\n \t\r\nfour\r\nfive");
  Lines lines(in, "f");
  ASSERT_TRUE(*lines.next());
  EXPECT_EQ(lines.text(), "one");
  EXPECT_EQ(lines.place(), "f:1");
  ASSERT_TRUE(*lines.next());
  EXPECT_EQ(lines.text(), "four\r");
  EXPECT_EQ(lines.place(), "f:4");
  ASSERT_TRUE(*lines.next());
  EXPECT_EQ(lines.text(), "five");
  EXPECT_FALSE(*lines.next());
  EXPECT_FALSE(*lines.next());
}

TEST(Lines, one_that_is_too_long_is_refused_before_it_is_read_whole) {
  std::istringstream in("12345678\n123456789\n");
  Lines lines(in, "f", 8);
  EXPECT_TRUE(*lines.next());
  const auto more = lines.next();
  ASSERT_TRUE(more.is(Errc::too_large));
  EXPECT_EQ(more.error().detail(), "f:2: the line is longer than 8 bytes");
}

TEST(Lines, a_file_that_breaks_off_is_no_end) {
  std::istringstream in("one\n");
  Lines lines(in, "f");
  in.setstate(std::ios::badbit);
  EXPECT_TRUE(lines.next().is(Errc::io));
}

}  // namespace
}  // namespace persistctl
