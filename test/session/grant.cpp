#include <persist/session/grant.hpp>

#include <string>

#include <gtest/gtest.h>

namespace {

TEST(Grant, a_text_is_a_receipt_without_a_time) {
  const persist::ReceiptId plain("r-1");
  EXPECT_EQ(plain.id, "r-1");
  EXPECT_FALSE(plain.time);
  const std::string text = "r-2";
  EXPECT_EQ(persist::ReceiptId(text).id, "r-2");
  const persist::ReceiptId timed("r-3", persist::WallTime(std::chrono::hours(1)));
  EXPECT_EQ(timed.time, persist::WallTime(std::chrono::hours(1)));
}

}  // namespace
