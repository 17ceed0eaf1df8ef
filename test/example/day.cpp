#include "../../example/day/evening.hpp"
#include "../../example/day/profiles.hpp"
#include "../../example/day/servers.hpp"

#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace {

using persist::backend::Memory;

std::ifstream data(const std::string& name) {
  return std::ifstream(std::string(PERSIST_SOURCE_DIR) + "/example/day/data/" + name);
}

TEST(Day, the_evening_of_the_shipped_day_is_right_to_the_last_coin) {
  persist::testing::ManualClock clock;
  Memory database(clock);
  auto morning = data("profiles.jsonl");
  const auto imported = day::import_profiles(morning, "profiles.jsonl", database);
  ASSERT_TRUE(imported) << imported.error();
  const auto players = day::all_players(database);
  ASSERT_TRUE(players) << players.error();
  EXPECT_EQ(players->size(), 120U);
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
  const auto wrong = day::differences(expected, evening);
  ASSERT_TRUE(wrong) << wrong.error();
  for (const std::string& line : *wrong)
    ADD_FAILURE() << line;
}

TEST(Day, a_store_with_a_key_that_no_player_has_is_refused) {
  persist::testing::ManualClock clock;
  Memory database(clock);
  std::istringstream profiles(R"({"key":"Player_007","value":{"Data":{},"MetaData":{}}})");
  ASSERT_TRUE(day::import_profiles(profiles, "profiles.jsonl", database));
  EXPECT_TRUE(day::all_players(database).is(persist::Errc::invalid));
}

}  // namespace
