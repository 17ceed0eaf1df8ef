#include "../../example/day/evening.hpp"
#include "../../example/day/profiles.hpp"

#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include <support/made_day.hpp>

namespace {

using persist::backend::Memory;

std::ifstream data(const std::string& name) {
  return std::ifstream(std::string(PERSIST_SOURCE_DIR) + "/example/day/data/" + name);
}

TEST(Day, the_evening_of_the_shipped_day_is_right_to_the_last_coin) {
  persist::testing::ManualClock clock;
  Memory database(clock);
  auto morning = data("profiles.jsonl");
  const auto players = day::read_players(morning, "profiles.jsonl");
  ASSERT_TRUE(players) << players.error();
  EXPECT_EQ(players->size(), 120U);
  morning.clear();
  morning.seekg(0);
  const auto imported = day::import_profiles(morning, "profiles.jsonl", database);
  ASSERT_TRUE(imported) << imported.error();
  auto trace = data("day.csv");
  const auto events = day::read_trace(trace, *players);
  ASSERT_TRUE(events) << events.error();

  day::Servers<Memory> servers(database, clock);
  const auto played = servers.play(*events);
  ASSERT_TRUE(played) << played.error();
  const auto closed = servers.close(*players);
  ASSERT_TRUE(closed) << closed.error();
  EXPECT_EQ(servers.tally().events, events->size());

  std::stringstream evening;
  const auto written = day::export_evening(database, evening);
  ASSERT_TRUE(written) << written.error();
  auto expected = data("expected.jsonl");
  const auto wrong = day::differences(expected, "expected", evening, "evening");
  ASSERT_TRUE(wrong) << wrong.error();
  for (const std::string& line : *wrong)
    ADD_FAILURE() << line;
}

TEST(Day, a_profile_that_is_none_of_the_game_is_refused_with_its_file_and_line) {
  const auto why = [](const std::string& row) {
    std::istringstream profiles(R"({"key":"Player_7","value":{"Data":{}}})"
                                "\n" +
                                row);
    const auto players = day::read_players(profiles, "morning");
    return players ? std::string() : players.error().message();
  };
  EXPECT_EQ(why(R"({"key":"Player_8","value":{"Data":{"coins":5.0,"pets":[]}}})"), "");
  const std::pair<const char*, const char*> broken[] = {
      {R"({"key":"Player_8")", "corrupt"},
      {R"({"key":"Player_007","value":{"Data":{}}})", "Player_007 is no player's key"},
      {R"({"key":"\u001b","value":{"Data":{}}})", "\\x1b is no player's key"},
      {R"({"key":"Player_8","value":{"Data":{"coins":"many"}}})", "at coins"},
      {R"({"key":"Player_8","value":{"Data":{"coins":-1}}})", "coins are not within"}};
  for (const auto& [row, words] : broken) {
    EXPECT_NE(why(row).find("morning:2: "), std::string::npos) << row << why(row);
    EXPECT_NE(why(row).find(words), std::string::npos) << why(row);
  }
}

}  // namespace
