#include <persist/audit/auditor.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace {

using persist::audit::Account;
using persist::audit::Auditor;
using persist::audit::Ledger;

TEST(Auditor, a_move_of_two_things_is_settled_for_each) {
  Ledger<> a, b;
  a.moved("coins", -5, "trade"), a.moved("wood", 2, "trade");
  b.moved("coins", 5, "trade"), b.moved("wood", -1, "trade");
  Auditor auditor;
  for (const auto* ledger : {&a, &b}) {
    Account account;
    account.ledger(*ledger);
    auditor.add(ledger == &a ? "a" : "b", account);
  }
  const auto report = auditor.finish();
  ASSERT_EQ(report.open.size(), 1U);
  EXPECT_EQ(report.open[0].what, "wood");
  EXPECT_EQ(report.open[0].sum, 1);
}

TEST(Auditor, an_amount_without_a_ledger_is_unexplained_and_nothing_is_not) {
  Auditor auditor;
  Account account;
  account.amount("coins", 3), account.amount("wood", 0);
  auditor.add("a", account);
  const auto report = auditor.finish();
  ASSERT_EQ(report.mismatches.size(), 1U);
  EXPECT_EQ(report.mismatches[0].what, "coins");
  EXPECT_FALSE(report.is_clean());
}

TEST(Auditor, three_of_one_thing_are_one_finding) {
  Auditor auditor;
  for (const char* key : {"a", "b", "c"}) {
    Account account;
    account.unique(std::uint64_t{7});
    auditor.add(key, account);
  }
  const auto report = auditor.finish();
  ASSERT_EQ(report.duplicates.size(), 1U);
  EXPECT_EQ(report.duplicates[0].keys, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Auditor, numbers_beyond_all_measure_stay_at_the_end_of_theirs) {
  constexpr auto least = (std::numeric_limits<std::int64_t>::min)();
  constexpr auto most = (std::numeric_limits<std::int64_t>::max)();
  Ledger<> a;
  for (int i = 0; i < 2; ++i) {
    a.made("coins", least, "damage"), a.made("wood", most, "damage");
    a.moved("hats", least, "trade"), a.moved("hats", -1, "trade");
  }
  Auditor auditor;
  for (const char* key : {"1", "2"}) {
    Account account;
    account.ledger(a);
    account.amount("coins", most), account.amount("wood", most);
    auditor.add(key, account);
  }
  const auto report = auditor.finish();
  EXPECT_EQ(report.flows.at("coins").destroyed, most);
  EXPECT_EQ(report.flows.at("wood").made, most);
  EXPECT_EQ(report.flows.at("wood").there, most);
  EXPECT_EQ(report.open.at(0).sum, least);
  EXPECT_EQ(report.mismatches.size(), 2U);
}

}  // namespace
