#include <persist/testing/laws/report.hpp>

#include <gtest/gtest.h>

namespace {

using persist::testing::Report;

TEST(Report, PassesOnlyWhenSomethingWasCheckedAndAllOfItHolds) {
  Report report;
  EXPECT_FALSE(report.passed());
  EXPECT_NE(report.text().find("nothing was checked"), std::string::npos);
  EXPECT_TRUE(report.that(true, "this holds"));
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.text(), "");
  EXPECT_FALSE(report.that(1 + 1 == 3, "sums are right", 42));
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.text(), "line 42: not so: sums are right\n");
}

}  // namespace
