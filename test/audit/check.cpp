#include <persist/audit/check.hpp>

#include <support/world.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace test {
namespace {

using persist::audit::Account;
using persist::audit::Checked;

struct Trader {
  std::int64_t coins = 0;
  std::vector<std::uint64_t> hats;
  persist::audit::Ledger<8> ledger;
};
using Traders = persist::Store<std::uint64_t, Trader, Db>;

struct Audit : World {
  Traders traders{"traders", db, options()};

  static void describe(const Trader& trader, Account& account) {
    account.ledger(trader.ledger);
    account.amount("coins", trader.coins);
    for (const std::uint64_t hat : trader.hats)
      account.unique(hat);
  }
  Checked look(persist::audit::Period period = {}) {
    return persist::audit::check(traders, describe, period);
  }
  void SetUp() override {
    for (const std::uint64_t key : {1u, 2u}) {
      auto session = traders.load(key);
      ASSERT_TRUE(session) << session.error();
      session->edit([&](Trader& trader) {
        trader.coins += 100, trader.ledger.made("coins", 100, "start", clock.wall());
        trader.hats = {key};
      });
      ASSERT_TRUE(session->release());
    }
  }
  void trade(std::int64_t given, std::int64_t got) {
    auto a = traders.load(1u), b = traders.load(2u);
    ASSERT_TRUE(a && b);
    ASSERT_TRUE(traders.transact(*a, *b, [&](Trader& mine, Trader& theirs) {
      mine.coins -= given, mine.ledger.moved("coins", -given, "trade 1", clock.wall());
      theirs.coins += got, theirs.ledger.moved("coins", got, "trade 1", clock.wall());
    }));
  }
};

TEST_F(Audit, finds_nothing_where_all_is_explained) {
  trade(30, 30);
  const Checked found = look();
  EXPECT_TRUE(found.is_clean());
  EXPECT_EQ(found.report.records, 2U);
  EXPECT_EQ(found.report.lines, 4U);
  EXPECT_EQ(found.report.flows.at("coins").made, 200);
  EXPECT_EQ(found.report.flows.at("coins").there, 200);
}

TEST_F(Audit, finds_what_no_line_explains) {
  ASSERT_TRUE(traders.update(2u, [](Trader& trader) { trader.coins += 7; }));
  const Checked found = look();
  EXPECT_FALSE(found.is_clean());
  ASSERT_EQ(found.report.mismatches.size(), 1U);
  EXPECT_EQ(found.report.mismatches[0].key, "2");
  EXPECT_EQ(found.report.mismatches[0].explained, 100);
  EXPECT_EQ(found.report.mismatches[0].there, 107);
}

TEST_F(Audit, finds_a_move_whose_halves_differ) {
  trade(30, 35);
  const Checked found = look();
  EXPECT_TRUE(found.report.mismatches.empty()) << "each ledger explains its own record";
  ASSERT_EQ(found.report.open.size(), 1U);
  EXPECT_EQ(found.report.open[0].name, "trade 1");
  EXPECT_EQ(found.report.open[0].sum, 5);
  EXPECT_EQ(found.report.open[0].keys.size(), 2U);
}

TEST_F(Audit, finds_one_thing_in_two_places) {
  ASSERT_TRUE(traders.update(2u, [](Trader& trader) { trader.hats.push_back(1); }));
  const Checked found = look();
  ASSERT_EQ(found.report.duplicates.size(), 1U);
  EXPECT_EQ(found.report.duplicates[0].id, "1");
  EXPECT_EQ(found.report.duplicates[0].keys.size(), 2U);
}

TEST_F(Audit, one_thing_twice_in_one_place_is_found_too) {
  ASSERT_TRUE(traders.update(1u, [](Trader& trader) { trader.hats = {9, 9}; }));
  EXPECT_EQ(look().report.duplicates.size(), 1U);
}

TEST_F(Audit, looks_at_the_lines_of_the_period) {
  clock.advance(1h);
  const auto from = clock.wall();
  trade(30, 30);
  EXPECT_EQ(look({.from = from}).report.lines, 2U);
  EXPECT_EQ(look({.to = from}).report.lines, 2U);
  EXPECT_TRUE(look({.from = from}).is_clean());
  EXPECT_EQ(look({.from = from}).report.flows.at("coins").made, 0);
}

TEST_F(Audit, says_that_lines_of_the_period_are_gone) {
  ASSERT_TRUE(traders.update(1u, [&](Trader& trader) {
    for (int i = 0; i < 10; ++i)
      trader.coins += 1, trader.ledger.made("coins", 1, "loot", clock.wall());
  }));
  EXPECT_TRUE(look().is_clean()) << "the sum of what is gone explains it";
  EXPECT_EQ(look().report.shortened, 1U);
  EXPECT_EQ(look({.from = clock.wall() + 1h}).report.shortened, 0U);
}

TEST_F(Audit, is_not_clean_where_a_record_could_not_be_read) {
  persist::Store<std::uint64_t, std::string, Db> foreign("traders", db, options());
  auto session = foreign.load(3u);
  *session->edit() = "no trader";
  ASSERT_TRUE(session->release());
  const Checked found = look();
  EXPECT_EQ(found.walk.failed, 1U);
  EXPECT_FALSE(found.is_clean());
}

}  // namespace
}  // namespace test
