#include <persist/testing/simulation/trouble.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "noting.hpp"

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::SimulatedTrouble;
using persist::testing::SimulationOptions;
using test::Noting;

struct Evening : SimulatedTrouble<Noting, lock::Lease<>> {
  using Base = SimulatedTrouble<Noting, lock::Lease<>>;
  explicit Evening(Noting& game) : Base(game, quiet()) { open(); }
  static SimulationOptions quiet() {
    SimulationOptions options;
    options.faults = {};
    options.keeps_history = options.spills = true;
    return options;
  }
  void back_up() {
    backup_.emplace(database_.backup());
    backed_up_ = world_.now();
  }
  void start_unseen(std::size_t index) {
    persist::testing::SimulatedWorld<Noting, lock::Lease<>>::start(index);
  }
  /// A player who plays on a server whose database is away.
  void play_in_vain(std::uint64_t player, std::size_t index) {
    auto session = *servers_[index].players->load(player);
    session.edit()->coins = 7;
    servers_[index].lines->cut(true, true);
    places_[player].server = index;
    places_[player].session = session;
  }
  [[nodiscard]] std::string violations() const {
    std::string all;
    for (const std::string& each : report_.violations)
      all += each + '\n';
    return all;
  }
  using Base::crash, Base::database_, Base::fill, Base::is_mended_, Base::look_at_spilled,
      Base::check_all_sent, Base::places_, Base::put_back, Base::report_, Base::servers_,
      Base::spills_, Base::start, Base::stop, Base::world_;
};

struct SimulatedTroubleCase : ::testing::Test {
  SimulatedTroubleCase() { evening.is_mended_ = true; }
  Noting game;
  Evening evening{game};
};

TEST_F(SimulatedTroubleCase, AFullDatabaseIsFullForAllServersAndForThoseThatStartThen) {
  evening.start(0);
  auto session = *evening.servers_[0].players->load(1u);
  session.edit()->coins = 7;
  evening.fill(evening.world_.now() + 1min);
  EXPECT_TRUE(session.save().is(Errc::io));
  evening.start(1);
  auto other = *evening.servers_[1].players->load(2u);
  other.edit()->coins = 7;
  EXPECT_TRUE(other.save().is(Errc::io));
  evening.fill({});
  EXPECT_TRUE(session.save());
  EXPECT_TRUE(other.save());
}

// Whoever held a record when the backup was made could go on writing as if nothing had happened.
TEST_F(SimulatedTroubleCase, WhatIsPutBackEndsTheServersOfThenAndFencesThoseSince) {
  evening.start(0);
  auto kept = *evening.servers_[0].players->load(1u);
  kept.edit()->coins = 7;
  ASSERT_TRUE(kept.save());
  evening.back_up();
  evening.world_.advance(1s);
  evening.start(1);
  evening.places_[2].server = 1;
  evening.places_[2].session = *evening.servers_[1].players->load(2u);
  ASSERT_TRUE(evening.places_[2].session->save({.force = true}));
  evening.put_back();
  EXPECT_EQ(game.told.back(), "put back");
  EXPECT_FALSE(evening.servers_[0].players) << "it ran then";
  ASSERT_TRUE(evening.servers_[1].players) << "it did not";
  EXPECT_FALSE(evening.places_[2].session);
  ASSERT_EQ(evening.servers_[1].forgotten.size(), 1U);
  EXPECT_TRUE(evening.servers_[1].players->peek(2u).is(Errc::not_found));
  EXPECT_EQ(evening.servers_[1].players->peek(1u)->data.coins, 7);
  EXPECT_TRUE(evening.servers_[1].forgotten[0].save({.force = true}).is(Errc::fenced));
  EXPECT_TRUE(evening.database_.violations().empty());
}

TEST_F(SimulatedTroubleCase, AServerThatIsStoppedSavesWhatItHas) {
  evening.start(0);
  auto session = *evening.servers_[0].players->load(1u);
  session.edit()->coins = 7;
  evening.stop(0);
  EXPECT_FALSE(evening.servers_[0].players);
  EXPECT_EQ(game.told, (std::vector<std::string>{"begin", "saved 1", "ended 1"}));
  EXPECT_EQ(evening.report_.spilled, 0U);
  EXPECT_EQ(evening.violations(), "");
}

TEST_F(SimulatedTroubleCase, WhatAStoppedServerSpilledIsSentByTheNext) {
  evening.start(0);
  evening.play_in_vain(1, 0);
  evening.stop(0);
  EXPECT_EQ(game.told, (std::vector<std::string>{"begin", "ended unsaved 1", "spilled 1"}));
  EXPECT_EQ(evening.report_.spilled, 1U);
  evening.start(0);
  EXPECT_EQ(game.told.back(), "replayed 1");
  EXPECT_EQ(evening.servers_[0].players->peek(1u)->data.coins, 7);
  evening.check_all_sent();
  EXPECT_EQ(evening.violations(), "");
}

TEST_F(SimulatedTroubleCase, WhatIsRefusedBecauseSomebodyWroteSinceIsKeptAndCounted) {
  evening.start(0);
  evening.start(1);
  evening.play_in_vain(1, 0);
  evening.stop(0);
  auto stolen = *evening.servers_[1].players->load(1u, {.conflict = Conflict::steal});
  ASSERT_TRUE(stolen.release());
  evening.start(0);
  EXPECT_EQ(evening.report_.refused, 1U);
  evening.check_all_sent();
  EXPECT_EQ(evening.violations(), "");
}

TEST_F(SimulatedTroubleCase, SeesAnEntryThatGoesWithoutBeingWritten) {
  evening.start(0);
  evening.play_in_vain(1, 0);
  evening.stop(0);
  const auto& entry = evening.spills_->entries(0).at(0);
  std::filesystem::remove(evening.spills_->of(0) + "/" + entry.name.text());
  evening.look_at_spilled(0);
  EXPECT_NE(evening.violations().find("is gone, and was never written"), std::string::npos);
}

TEST_F(SimulatedTroubleCase, SeesAnEntryThatIsRefusedForNothingAndNotTold) {
  evening.start(0);
  evening.play_in_vain(1, 0);
  evening.stop(0);
  const std::string folder = evening.spills_->of(0) + "/";
  spill::FileName name = evening.spills_->entries(0).at(0).name;
  const std::string file = name.text();
  name.end = spill::FileName::refused;
  std::filesystem::rename(folder + file, folder + name.text());
  evening.look_at_spilled(0);
  EXPECT_NE(evening.violations().find("nobody has written since"), std::string::npos);
  evening.start(0);
  EXPECT_EQ(evening.violations().find("does not tell"), std::string::npos) << "it does";
}

TEST_F(SimulatedTroubleCase, SeesARecordThatIsTakenBeforeWhatWasSpilledOfItIsSent) {
  evening.start(0);
  evening.play_in_vain(1, 0);
  evening.stop(0);
  const std::string folder = evening.spills_->of(0) + "/";
  const std::string file = evening.spills_->entries(0).at(0).name.text();
  std::filesystem::rename(folder + file, folder + "elsewhere");
  evening.start_unseen(0);  // it finds nothing to send
  std::filesystem::rename(folder + "elsewhere", folder + file);
  ASSERT_TRUE(evening.servers_[0].players->load(1u, {.conflict = Conflict::steal}));
  EXPECT_NE(evening.violations().find("was taken before"), std::string::npos);
}

TEST_F(SimulatedTroubleCase, AServerThatIsKilledSpillsNothing) {
  evening.start(0);
  evening.play_in_vain(1, 0);
  evening.crash(0);
  EXPECT_EQ(evening.spills_->meet(0, {}), 0U);
  evening.start(0);
  EXPECT_TRUE(evening.servers_[0].players->spilled()->empty());
}

TEST_F(SimulatedTroubleCase, WhatWasSpilledBeforeABackupGoesWithWhatIsPutBack) {
  evening.start(0);
  evening.play_in_vain(1, 0);
  evening.back_up();
  evening.stop(0);
  evening.put_back();
  EXPECT_TRUE(evening.spills_->entries(0).empty());
  evening.start(0);
  EXPECT_TRUE(evening.servers_[0].players->peek(1u).is(Errc::not_found));
  EXPECT_EQ(evening.violations(), "");
}

}  // namespace
