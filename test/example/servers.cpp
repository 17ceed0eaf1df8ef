#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <support/made_day.hpp>

namespace {

using namespace day;
using namespace std::chrono_literals;
using persist::backend::Memory;

const std::vector<std::uint64_t> everybody = {1, 2, 3};

class FourServers : public testing::Test {
 protected:
  using Players = Servers<Memory>::Players;

  Result<void> play(const std::string& lines, const std::function<void()>& progress = {}) {
    std::istringstream from("time_ms,server,player,op,a,b,c,d\n" + lines);
    const auto day = read_trace(from, everybody);
    return day ? servers_.play(*day, progress) : Result<void>(day.error());
  }
  /// A server that is none of the four, holds the player's record with 50 coins in it, and is never
  /// heard of again.
  Players silent_holder(std::uint64_t player, persist::Duration lease) {
    Players outside("PlayerData", database_,
                    {.server_id = "outside", .lease = lease, .clock = &clock_});
    auto session = outside.load(player);
    EXPECT_TRUE(session) << session.error();
    session->edit()->coins = 50;
    EXPECT_TRUE(session->save());
    kept_.push_back(*session);
    return outside;
  }
  PlayerData stored(std::uint64_t player) {
    const auto found = servers_.stores()[0].peek(player);
    EXPECT_TRUE(found) << found.error();
    return found->data;
  }
  std::uint64_t handovers() {
    std::uint64_t all = 0;
    for (auto& store : servers_.stores())
      all += store.metrics().handovers;
    return all;
  }

  persist::testing::ManualClock clock_;
  Memory database_{clock_};
  Servers<Memory> servers_{database_, clock_};
  std::vector<Servers<Memory>::Session> kept_;
};

TEST_F(FourServers, a_session_is_handed_to_the_server_that_the_player_joins) {
  const auto played = play(
      "0,eu-1,1,join,,,,\n"
      "10,eu-1,1,earn,5,6,,\n"
      "20,us-1,1,join,,,,\n"
      "20,us-1,1,earn,7,8,,\n"
      "25,eu-1,1,leave,,,,\n"  // of a session that us-1 has by now
      "30,us-1,1,leave,,,,\n");
  ASSERT_TRUE(played) << played.error();
  EXPECT_EQ(stored(1).coins, 12);
  EXPECT_EQ(stored(1).xp, 14);
  EXPECT_EQ(handovers(), 1U);
  EXPECT_EQ(servers_.tally().let_go_early, 1U);
}

TEST_F(FourServers, what_names_a_player_who_is_loading_waits_in_order_and_nobody_else_does) {
  const auto holder = silent_holder(1, 60s);
  std::vector<std::uint64_t> played_by_line;
  const auto played = play(
      "0,eu-1,2,join,,,,\n"
      "0,eu-1,3,join,,,,\n"
      "10,eu-1,2,earn,40,0,,\n"
      "20,eu-1,1,join,,,,\n"     // goes on when the holder's lease has ended
      "30,eu-1,1,earn,10,0,,\n"  // waits
      "40,eu-1,2,gift,1,40,,\n"  // waits: it names a player who is loading
      "50,eu-1,2,earn,5,0,,\n"   // waits: its player has an event that waits
      "60,eu-1,3,earn,7,0,,\n"   // does not wait
      "70,eu-1,1,gift,3,60,,\n"  // waits, and can be paid because what was earned came before it
      "80,eu-1,3,earn,1,0,,\n",  // waits: an event that waits names its player
      [&] { played_by_line.push_back(servers_.tally().events); });
  ASSERT_TRUE(played) << played.error();
  EXPECT_EQ(played_by_line, (std::vector<std::uint64_t>{1, 2, 3, 4, 4, 4, 4, 5, 5, 5}));
  EXPECT_EQ(servers_.tally().waited, 5U);
  EXPECT_EQ(servers_.tally().refused_by_rules, 0U);
  ASSERT_TRUE(servers_.close(everybody));
  EXPECT_EQ(stored(1).coins, 0);
  EXPECT_EQ(stored(1).gift_coins, 40);
  EXPECT_EQ(stored(2).coins, 5);
  EXPECT_EQ(stored(3).coins, 8);
  EXPECT_EQ(stored(3).gift_coins, 60);
}

TEST_F(FourServers, a_player_who_moves_on_while_he_is_loading_ends_up_where_he_joined_last) {
  const auto holder = silent_holder(1, 60s);
  const auto played = play(
      "0,eu-1,1,join,,,,\n"
      "10,us-1,1,join,,,,\n"
      "20,eu-1,1,leave,,,,\n"
      "30,us-1,1,earn,10,0,,\n");
  ASSERT_TRUE(played) << played.error();
  EXPECT_EQ(servers_.stores()[0].open_sessions(), 0U);
  EXPECT_EQ(servers_.stores()[2].open_sessions(), 1U);
  EXPECT_EQ(servers_.stores()[2].find(std::uint64_t{1})->view()->coins, 60);
}

TEST_F(FourServers, a_record_that_never_comes_ends_the_day_with_the_line_and_the_holder) {
  const auto holder = silent_holder(1, 24h);
  const auto played = play("0,eu-1,2,join,,,,\n0,eu-1,1,join,,,,\n10,eu-1,1,earn,10,0,,\n");
  ASSERT_TRUE(played.is(Errc::locked));
  EXPECT_TRUE(played.error().detail().starts_with("line 3: ")) << played.error();
  EXPECT_NE(played.error().detail().find("outside"), std::string::npos) << played.error();
}

TEST_F(FourServers, what_a_rule_refuses_is_counted_and_the_day_goes_on) {
  const auto played = play(
      "0,eu-1,1,join,,,,\n"
      "0,eu-1,2,join,,,,\n"
      "10,eu-1,1,gift,2,5,,\n"
      "20,eu-1,1,trade,2,7,oak_bow,0\n"
      "30,eu-1,1,earn,5,0,,\n");
  ASSERT_TRUE(played) << played.error();
  EXPECT_EQ(servers_.tally().refused_by_rules, 2U);
  ASSERT_TRUE(servers_.close(everybody));
  EXPECT_EQ(stored(1).coins, 5);
  EXPECT_EQ(stored(2).gift_coins, 0) << "a gift that was not paid";
}

TEST_F(FourServers, everybody_is_saved_in_the_evening_and_waiting_gifts_are_taken_in) {
  const auto played = play(
      "0,eu-1,1,join,,,,\n"
      "10,eu-1,1,earn,9,0,,\n"
      "20,eu-1,1,gift,3,4,,\n"
      "30,eu-1,1,gift,1,5,,\n"  // to himself
      "40,eu-1,1,purchase,R-1,hat,,\n"
      "50,eu-1,1,purchase,R-1,hat,,\n");
  ASSERT_TRUE(played) << played.error();
  ASSERT_TRUE(servers_.close(everybody));
  EXPECT_EQ(stored(1).coins, 0);
  EXPECT_EQ(stored(1).gift_coins, 5);
  EXPECT_EQ(stored(1).developer_products.at("hat"), 1);
  EXPECT_EQ(stored(3).gift_coins, 4);
  for (auto& store : servers_.stores())
    EXPECT_EQ(store.open_sessions(), 0U);
}

}  // namespace
