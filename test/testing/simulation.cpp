#include <persist/testing/simulation.hpp>

#include <gtest/gtest.h>

#include <simulate/game.hpp>

namespace {

using persist::testing::Simulation;
using persist::testing::SimulationOptions;
using persist::testing::SimulationReport;

SimulationReport evening(std::uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.keeps_history = true;
  return simulate::play(options);
}

TEST(Simulation, IsTheSameEveningForTheSameSeed) {
  const SimulationReport one = evening(7), again = evening(7), other = evening(8);
  EXPECT_EQ(one.history, again.history);
  EXPECT_EQ(one.digest, again.digest);
  EXPECT_NE(one.history, other.history);
}

TEST(Simulation, IsTheSameEveningWithSpillFoldersToo) {
  const SimulationReport one = evening(18), again = evening(18);
  EXPECT_GT(one.spilled, 0U);
  EXPECT_EQ(one.history, again.history);
}

TEST(Simulation, HasAllThatCanGoWrongAndBreaksNoPromise) {
  SimulationReport all;
  for (const std::uint64_t seed :
       {63U, 99U, 100U, 101U, 102U, 103U, 104U, 105U, 106U, 107U, 108U, 109U, 126U}) {
    const SimulationReport report = evening(seed);
    for (const std::string& violation : report.violations)
      ADD_FAILURE() << "seed " << seed << ": " << violation;
    all.loads += report.loads, all.saves += report.saves, all.lost += report.lost;
    all.crashes += report.crashes, all.pauses += report.pauses, all.cuts += report.cuts;
    all.handovers += report.handovers, all.full += report.full;
    all.restores += report.restores, all.erased += report.erased;
    all.stops += report.stops, all.forgotten += report.forgotten;
    all.spilled += report.spilled, all.replayed += report.replayed, all.refused += report.refused;
  }
  for (const std::size_t count :
       {all.loads, all.saves, all.lost, all.crashes, all.pauses, all.cuts, all.handovers, all.full,
        all.restores, all.erased, all.stops, all.forgotten, all.spilled, all.replayed, all.refused})
    EXPECT_GT(count, 0U);
}

/// A game that pays with one save and hands over with another.
struct Careless {
  struct Purse {
    std::int64_t coins = 100;
  };
  using Save = Purse;
  std::size_t players = 5;
  bool uses_transactions = false;

  template <class Players>
  void begin(Players&) {}
  template <class Session>
  void loaded(Session&, std::vector<std::string>&) {}
  template <class Session>
  void saving(Session&) {}
  template <class Session>
  void saved(Session&) {}
  template <class Players, class Session>
  std::string play(Players& all, Session& a, std::vector<Session>& others,
                   persist::testing::Random& random) {
    if (others.empty()) return "waits";
    Session& b = random.pick(others);
    if (uses_transactions) {
      (void)all.transact(a, b, [](Purse& mine, Purse& theirs) { --mine.coins, ++theirs.coins; });
    } else {
      a.edit([](Purse& mine) { --mine.coins; });
      b.edit([](Purse& theirs) { ++theirs.coins; });
    }
    return "pays";
  }
  void end(const std::map<std::uint64_t, Purse>& records, std::vector<std::string>& violations) {
    std::int64_t coins = 0;
    for (const auto& [key, purse] : records)
      coins += purse.coins - 100;
    if (coins != 0) violations.emplace_back("coins came from nowhere");
  }
};

TEST(Simulation, FindsAGameThatTradesInTwoSaves) {
  std::size_t found = 0, kept = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    for (const bool careful : {false, true}) {
      Careless game;
      game.uses_transactions = careful;
      SimulationOptions options;
      options.seed = seed;
      const auto report = Simulation<Careless>(game, options).run();
      (careful ? kept : found) += report.violations.empty() ? 0U : 1U;
    }
  }
  EXPECT_GE(found, 4U);
  EXPECT_EQ(kept, 0U);
}

}  // namespace
