#include <persist/audit/ledger.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace {

using persist::audit::Ledger;
using std::chrono::seconds;

persist::WallTime at(int second) {
  return persist::WallTime(seconds(second));
}

TEST(AuditLedger, balances_what_came_and_went) {
  Ledger<> ledger;
  ledger.made("coins", 50, "quest"), ledger.moved("coins", -20, "gift 1");
  ledger.made("wood", 3, "tree");
  EXPECT_EQ(ledger.balance("coins"), 30);
  EXPECT_EQ(ledger.balance("wood"), 3);
  EXPECT_EQ(ledger.balance("stone"), 0);
  EXPECT_TRUE(ledger.lines[1].moves && !ledger.lines[0].moves);
  EXPECT_GT(ledger.lines[0].at, at(0));
}

TEST(AuditLedger, keeps_the_newest_lines_and_the_sum_of_the_others) {
  Ledger<3> ledger;
  for (int i = 1; i <= 10; ++i)
    ledger.made(i % 2 == 0 ? "coins" : "wood", i, "loot", at(i));
  ASSERT_EQ(ledger.lines.size(), 3U);
  EXPECT_EQ(ledger.lines[0].amount, 8);
  EXPECT_EQ(ledger.balance("coins"), 30);
  EXPECT_EQ(ledger.balance("wood"), 25);
  EXPECT_EQ(ledger.whole_since, at(7));
}

TEST(AuditLedger, one_that_was_longer_in_another_build_is_cut_at_the_next_line) {
  Ledger<2> ledger;
  for (int i = 0; i < 5; ++i)
    ledger.lines.push_back({at(i), "coins", "old", 1});
  ledger.made("coins", 1, "new", at(9));
  EXPECT_EQ(ledger.lines.size(), 2U);
  EXPECT_EQ(ledger.balance("coins"), 6);
  EXPECT_EQ(ledger.whole_since, at(3));
}

}  // namespace
