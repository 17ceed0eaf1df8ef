#include <persist/store/replay.hpp>

#include <persist/host.hpp>

#include "spill_case.hpp"

namespace test {
namespace {

struct ReplayWithHost : SpillCase {};

TEST_F(ReplayWithHost,
       entries_are_read_and_their_stores_asked_for_on_a_lane_and_not_in_the_game_s_tick) {
  spill_coins(7, 5);
  down();
  auto players = open_spilling();
  persist::HostOptions told;
  told.lanes = 0;
  told.clock = &clock;
  persist::Host host(told);
  ASSERT_TRUE(host.attach(players));
  up();
  const auto before = db.script().opens;
  clock.advance(1min);
  host.poll();
  EXPECT_EQ(players.spilled()->size(), 1U);
  EXPECT_EQ(db.script().opens, before);
  EXPECT_TRUE(host.run_lane());
  host.poll();
  EXPECT_TRUE(players.spilled()->empty());
}

}  // namespace
}  // namespace test
