#include <persist/testing/simulation/world.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "noting.hpp"

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::SimulatedWorld;
using persist::testing::SimulationOptions;
using test::Noting;

struct World : SimulatedWorld<Noting, lock::Lease<>> {
  using Base = SimulatedWorld<Noting, lock::Lease<>>;
  explicit World(Noting& game) : Base(game, quiet()) { open(); }
  static SimulationOptions quiet() {
    SimulationOptions options;
    options.faults = {};
    options.keeps_history = true;
    return options;
  }
  using Base::crash, Base::holds, Base::servers_, Base::start, Base::stragglers_;
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

}  // namespace
