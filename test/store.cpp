// builds: single no-exceptions
#include <persist/store.hpp>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

struct Item {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
};
struct PlayerData {
  std::int64_t coins = 0;
  int level = 1;
  std::vector<Item> inventory;
};
using Players = persist::Store<persist::key::Prefixed<"Player_", std::uint64_t>, PlayerData,
                               persist::backend::Memory>;

struct Store : testing::Test {
  persist::testing::ManualClock clock;
  persist::backend::Memory db{clock};
  Players open(std::string server) {
    persist::StoreOptions told;
    told.server_id = std::move(server);
    told.clock = &clock;
    return Players("PlayerData", db, std::move(told));
  }
};

TEST_F(Store, a_player_is_loaded_changed_saved_and_given_back) {
  Players players = open("eu-1");
  ASSERT_TRUE(players.status());
  {
    auto session = players.load(42u);
    ASSERT_TRUE(session);
    EXPECT_EQ(session->id(), "Player_42");
    session->edit()->coins += 10;
    session->edit()->inventory.push_back({7, 2});
    EXPECT_TRUE(session->release());
  }
  auto again = open("eu-2").load(42u);
  EXPECT_EQ(again->view()->coins, 10);
  EXPECT_EQ(again->view()->inventory.at(0).count, 2);
}

TEST_F(Store, a_store_that_is_destroyed_saves_what_is_dirty) {
  {
    Players players = open("eu-1");
    auto one = players.load(1u);
    auto two = players.load(2u);
    one->edit()->coins = 1;
    two->edit()->coins = 2;
  }
  Players players = open("eu-2");
  EXPECT_EQ(players.peek(1u)->data.coins, 1);
  EXPECT_EQ(players.peek(2u)->data.coins, 2);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(Store, a_store_can_be_moved_with_its_sessions) {
  Players players = open("eu-1");
  auto session = players.load(1u);
  Players moved = std::move(players);
  session->edit()->coins = 5;
  EXPECT_TRUE(session->save());
  EXPECT_EQ(moved.peek(1u)->data.coins, 5);
  EXPECT_EQ(moved.open_sessions(), 1U);
}

TEST_F(Store, a_handover_between_two_servers_loses_nothing) {
  Players a = open("eu-1");
  Players b = open("eu-2");
  auto held = a.load(1u);
  held->edit()->coins = 5;
  auto loading = b.begin_load(1u);
  clock.advance(1s);
  persist::poll(a, b);
  ASSERT_TRUE(loading.ready());
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->view()->coins, 5);
  EXPECT_FALSE(held->is_active());
}

TEST_F(Store, a_store_without_a_name_is_refused_in_words) {
  Players players("", db);
  ASSERT_TRUE(players.status().is(persist::Errc::invalid));
  EXPECT_NE(players.status().error().detail().find("needs a name"), std::string_view::npos);
  EXPECT_TRUE(players.load(1u).is(persist::Errc::invalid));
}

TEST_F(Store, a_store_without_its_own_clock_and_id_works) {
  persist::Store<int, PlayerData, persist::backend::Memory> plain("plain",
                                                                  persist::backend::Memory());
  auto session = plain.load(-1);
  session->edit()->coins = 1;
  EXPECT_TRUE(session->release());
  EXPECT_EQ(plain.inspect(-1)->holder.server, "");
}

}  // namespace
