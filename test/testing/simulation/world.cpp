#include <persist/testing/simulation/world.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::SimulatedWorld;
using persist::testing::SimulationOptions;

/// Notes what it is told of.
struct Noting {
  struct Purse {
    std::int64_t coins = 100;
  };
  using Save = Purse;
  std::vector<std::string> told;

  template <class Players>
  void begin(Players&) {
    told.emplace_back("begin");
  }
  template <class Session>
  void saving(Session&) {}
  template <class Session>
  void saved(Session& session) {
    told.push_back("saved " + std::string(session.id()));
  }
  template <class Session>
  void ended(Session& session, bool was_saved) {
    told.push_back((was_saved ? "ended " : "ended unsaved ") + std::string(session.id()));
  }
  void erased(std::uint64_t player, const Purse* held) {
    told.push_back("erased " + std::to_string(player) + " with " +
                   (held != nullptr ? std::to_string(held->coins) : "nothing"));
  }
  void backed_up() { told.emplace_back("backed up"); }
  void put_back() { told.emplace_back("put back"); }
};

struct World : SimulatedWorld<Noting> {
  using Base = SimulatedWorld<Noting>;
  explicit World(Noting& game) : Base(game, quiet()) { open(); }
  static SimulationOptions quiet() {
    SimulationOptions options;
    options.faults = {};
    options.keeps_history = true;
    return options;
  }
  void back_up() {
    backup_.emplace(database_.backup());
    backed_up_ = world_.now();
  }
  using Base::crash, Base::database_, Base::fill, Base::holds, Base::places_, Base::put_back,
      Base::report_, Base::servers_, Base::start, Base::world_;
};

struct SimulatedWorldCase : ::testing::Test {
  Noting game;
  World world{game};
};

TEST_F(SimulatedWorldCase, TellsTheGameWhatHappensToItsSessions) {
  world.start(0);
  auto session = *world.servers_[0].players->load(1u);
  EXPECT_TRUE(world.holds(session));
  session.edit()->coins = 7;
  ASSERT_TRUE(session.release());
  EXPECT_FALSE(world.servers_[0].told.empty());
  ASSERT_TRUE(world.servers_[0].players->erase(1u));
  EXPECT_EQ(game.told,
            (std::vector<std::string>{"begin", "saved 1", "ended 1", "erased 1 with 7"}));
}

TEST_F(SimulatedWorldCase, AServerThatCrashesTellsNothingAndSavesNothing) {
  world.start(0);
  world.start(1);
  auto session = *world.servers_[0].players->load(1u);
  session.edit()->coins = 7;
  world.crash(0);
  EXPECT_FALSE(world.servers_[0].players);
  EXPECT_EQ(game.told, (std::vector<std::string>{"begin", "begin"}));
  EXPECT_TRUE(world.servers_[1].players->peek(1u).is(Errc::not_found));
}

TEST_F(SimulatedWorldCase, AFullDatabaseIsFullForAllServersAndForThoseThatStartThen) {
  world.start(0);
  auto session = *world.servers_[0].players->load(1u);
  session.edit()->coins = 7;
  world.fill(world.world_.now() + 1min);
  EXPECT_TRUE(session.save().is(Errc::io));
  world.start(1);
  auto other = *world.servers_[1].players->load(2u);
  other.edit()->coins = 7;
  EXPECT_TRUE(other.save().is(Errc::io));
  world.fill({});
  EXPECT_TRUE(session.save());
  EXPECT_TRUE(other.save());
}

// Whoever held a record when the backup was made could go on writing as if nothing had happened.
TEST_F(SimulatedWorldCase, WhatIsPutBackEndsTheServersOfThenAndFencesThoseSince) {
  world.start(0);
  auto kept = *world.servers_[0].players->load(1u);
  kept.edit()->coins = 7;
  ASSERT_TRUE(kept.save());
  world.back_up();
  world.world_.advance(1s);
  world.start(1);
  world.places_[2].server = 1;
  world.places_[2].session = *world.servers_[1].players->load(2u);
  ASSERT_TRUE(world.places_[2].session->save({.force = true}));
  world.put_back();
  EXPECT_EQ(game.told.back(), "put back");
  EXPECT_FALSE(world.servers_[0].players) << "it ran then";
  ASSERT_TRUE(world.servers_[1].players) << "it did not";
  EXPECT_FALSE(world.places_[2].session);
  ASSERT_EQ(world.servers_[1].forgotten.size(), 1U);
  EXPECT_TRUE(world.servers_[1].players->peek(2u).is(Errc::not_found));
  EXPECT_EQ(world.servers_[1].players->peek(1u)->data.coins, 7);
  EXPECT_TRUE(world.servers_[1].forgotten[0].save({.force = true}).is(Errc::fenced));
  EXPECT_TRUE(world.database_.violations().empty());
}

}  // namespace
