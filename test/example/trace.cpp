#include "../../example/day/trace.hpp"

#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace day;
using namespace std::chrono_literals;

Result<std::vector<Event>> read(const std::string& lines,
                                const std::string& header = "time_ms,server,player,op,a,b,c,d\n") {
  std::istringstream from(header + lines);
  return read_trace(from, {1, 2, 3});
}

/// Why the day is refused; it must be at that line.
std::string refusal(int line, const std::string& lines) {
  const auto day = read(lines);
  if (day) return "it was taken";
  const std::string text(day.error().detail());
  const std::string start = "line " + std::to_string(line) + " ";
  return text.starts_with(start) ? text.substr(start.size()) : "elsewhere: " + text;
}

const std::string joined = "10,eu-1,1,join,,,,\n20,eu-1,2,join,,,,\n";  // lines 2 and 3

TEST(Trace, every_op_is_read_with_its_arguments) {
  const auto day = read(joined +
                        "30,eu-1,1,earn,5,6,,\n30,eu-1,1,buy,7,oak_bow,8,\n30,eu-1,1,level_up,,,,\n"
                        "31,eu-1,1,gift,3,9,,\n32,eu-1,1,trade,2,7,oak_bow,4\n"
                        "33,eu-1,1,purchase,R-1,hat,,\n34,eu-1,1,leave,,,,\n");
  ASSERT_TRUE(day) << day.error();
  ASSERT_EQ(day->size(), 9U);
  EXPECT_EQ((*day)[0].at, 10ms);
  EXPECT_EQ((*day)[0].line, 2U);
  EXPECT_EQ(std::get<Earn>((*day)[2].what).xp, 6);
  EXPECT_EQ(std::get<Buy>((*day)[3].what).name, "oak_bow");
  EXPECT_EQ(std::get<Buy>((*day)[3].what).price, 8);
  EXPECT_EQ((*day)[4].partner(), std::nullopt);
  EXPECT_EQ((*day)[5].partner(), 3U);
  EXPECT_EQ((*day)[6].partner(), 2U);
  EXPECT_EQ(std::get<Trade>((*day)[6].what).price, 4);
  EXPECT_EQ(std::get<Purchase>((*day)[7].what).product, "hat");
}

TEST(Trace, a_day_without_events_is_a_day_and_one_without_its_header_is_none) {
  EXPECT_TRUE(read(""));
  EXPECT_TRUE(read("", "").is(Errc::invalid));
  EXPECT_TRUE(read("", "time,server\n").is(Errc::invalid));
  EXPECT_TRUE(read("10,eu-1,1,join,,,,\n", "").is(Errc::invalid));
}

TEST(Trace, a_broken_line_is_named) {
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,earn,5,6,\n"), "has 7 fields and not 8");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,earn,5,6,,,\n"), "has 9 fields and not 8");
  EXPECT_EQ(refusal(4, joined + "\n"), "has 1 fields and not 8");
  EXPECT_EQ(refusal(2, "x,eu-1,1,join,,,,\n"), "the time is no number up to 1000000000");
  EXPECT_EQ(refusal(2, "10,mars-1,1,join,,,,\n"), "names a server that does not exist");
  EXPECT_EQ(refusal(2, "10,eu-1,-1,join,,,,\n"),
            "a player is no number up to 18446744073709551615");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,earn,-5,6,,\n"),
            "coins is no number up to 9007199254740992");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,earn,5,9007199254740993,,\n"),
            "xp is no number up to 9007199254740992");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,level_up,1,,,\n"),
            "has more arguments than its op takes");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,buy,7,b\xffw,8,\n"),
            "an item's name is no text of 1 to 100 plain letters");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,purchase,,hat,,\n"),
            "a receipt is no text of 1 to 100 plain letters");
  EXPECT_EQ(refusal(4, joined + "5,eu-1,1,earn,5,6,,\n"), "goes back in time");
}

TEST(Trace, an_unknown_op_is_named) {
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,steal,2,,,\n"), "has an op that does not exist");
}

TEST(Trace, an_unknown_player_is_named_wherever_he_stands) {
  EXPECT_EQ(refusal(2, "10,eu-1,4,join,,,,\n"), "names a player that nobody knows: 4");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,gift,4,5,,\n"), "names a player that nobody knows: 4");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,trade,4,7,oak_bow,5\n"),
            "names a player that nobody knows: 4");
}

TEST(Trace, an_event_where_the_player_is_not_is_a_broken_line) {
  EXPECT_EQ(refusal(4, joined + "30,us-1,1,earn,5,6,,\n"),
            "happens on a server that the player is not on");
  EXPECT_EQ(refusal(5, joined + "30,eu-1,1,leave,,,,\n30,eu-1,1,earn,5,6,,\n"),
            "happens on a server that the player is not on");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,3,leave,,,,\n"),
            "happens on a server that the player is not on");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,join,,,,\n"),
            "joins a server that the player has not left");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,trade,3,7,oak_bow,5\n"),
            "trades with a player who is not there");
  EXPECT_EQ(refusal(4, joined + "30,eu-1,1,trade,1,7,oak_bow,5\n"),
            "has a player trade with himself");
}

TEST(Trace, a_player_may_join_before_he_has_left_and_then_plays_only_there) {
  const std::string moved = joined + "30,us-1,1,join,,,,\n";
  EXPECT_TRUE(read(moved + "31,us-1,1,earn,5,6,,\n32,eu-1,1,leave,,,,\n"));
  EXPECT_EQ(refusal(5, moved + "31,eu-1,1,earn,5,6,,\n"),
            "happens on a server that the player has moved from");
  EXPECT_EQ(refusal(6, moved + "31,us-1,1,leave,,,,\n32,eu-1,1,earn,5,6,,\n"),
            "happens on a server that the player has moved from");
}

}  // namespace
