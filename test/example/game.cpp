#include "../../example/day/game.hpp"

#include <persist/testing/manual_clock.hpp>

#include <string>
#include <variant>

#include <gtest/gtest.h>

// How a game tests itself: its rules alone, then with a store on Memory and a clock that is moved
// by hand. No file, no second of waiting.

namespace {

using namespace day;
using namespace std::chrono_literals;

PlayerData rich() {
  PlayerData player;
  player.coins = 100;
  player.inventory = {{.id = 7, .name = "oak_bow", .count = 2, .durability = 0.5}};
  return player;
}

TEST(Rules, an_item_that_is_bought_first_is_new_and_a_second_one_is_counted) {
  PlayerData player = rich();
  EXPECT_TRUE(buy(player, 8, "oak_axe", 30));
  EXPECT_TRUE(buy(player, 7, "oak_bow", 20));
  EXPECT_EQ(player.coins, 50);
  ASSERT_EQ(player.inventory.size(), 2U);
  EXPECT_EQ(player.inventory[0].count, 3);
  EXPECT_EQ(player.inventory[0].durability, 0.5);
  EXPECT_EQ(player.inventory[1].name, "oak_axe");
  EXPECT_EQ(player.inventory[1].count, 1);
  EXPECT_EQ(player.inventory[1].durability, 1.0);
}

TEST(Rules, what_cannot_be_paid_is_refused_and_changes_nothing) {
  PlayerData player = rich();
  EXPECT_TRUE(buy(player, 8, "oak_axe", 101).is(Errc::refused));
  EXPECT_TRUE(spend(player, 101).is(Errc::refused));
  EXPECT_TRUE(spend(player, -1).is(Errc::refused));
  EXPECT_EQ(player.coins, 100);
  EXPECT_EQ(player.inventory.size(), 1U);
}

TEST(Rules, an_item_whose_count_reaches_nothing_is_gone) {
  PlayerData player = rich();
  EXPECT_TRUE(take_item(player, 7));
  EXPECT_EQ(player.inventory.size(), 1U);
  EXPECT_TRUE(take_item(player, 7));
  EXPECT_TRUE(player.inventory.empty());
  EXPECT_TRUE(take_item(player, 7).is(Errc::refused));
}

TEST(Rules, no_number_grows_beyond_what_json_keeps) {
  PlayerData player = rich();
  player.inventory[0].count = most;
  player.xp = most - 1;
  EXPECT_TRUE(earn(player, 5, 2).is(Errc::refused));
  EXPECT_EQ(player.coins, 100) << "the coins of a refused reward";
  EXPECT_TRUE(earn(player, 0, 1));
  EXPECT_TRUE(buy(player, 7, "oak_bow", 10).is(Errc::refused));
  EXPECT_EQ(player.coins, 100) << "the price of an item that did not fit";
}

/// Two servers of the game on one database in memory.
class Game : public testing::Test {
 protected:
  using Players = persist::Store<PlayerKey, PlayerSave, persist::backend::Memory>;

  Players open(const char* server) {
    Players players("PlayerData", database_, {.server_id = server, .clock = &clock_});
    players.on_message([](PlayerData& data, const Gift& gift) { return receive(data, gift); });
    return players;
  }
  /// A session of a player who has 100 coins and an item 7.
  Players::Session join(Players& players, std::uint64_t id) {
    auto session = players.load(id, {.default_value = rich()});
    EXPECT_TRUE(session) << session.error();
    return *session;
  }

  persist::testing::ManualClock clock_;
  persist::backend::Memory database_{clock_};
  Players eu_ = open("eu-1");
  Players us_ = open("us-1");
};

TEST_F(Game, a_trade_moves_the_item_and_the_coins_and_is_saved) {
  auto buyer = join(eu_, 1);
  auto seller = join(eu_, 2);
  const auto done = eu_.transact(buyer, seller, [](PlayerData& buying, PlayerData& selling) {
    return trade(buying, selling, 7, "oak_bow", 40);
  });
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(*done, persist::Transacted::durable);
  const auto bought = us_.peek(1);
  const auto sold = us_.peek(2);
  EXPECT_EQ(bought->data.coins, 60);
  EXPECT_EQ(bought->data.inventory.at(0).count, 3);
  EXPECT_EQ(sold->data.coins, 140);
  EXPECT_EQ(sold->data.inventory.at(0).count, 1);
}

TEST_F(Game, a_trade_that_is_refused_half_way_leaves_both_as_they_were) {
  auto buyer = join(eu_, 1);
  auto seller = join(eu_, 2);
  const auto done = eu_.transact(buyer, seller, [](PlayerData& buying, PlayerData& selling) {
    return trade(buying, selling, 99, "no_such_item", 40);  // found out after the coins have moved
  });
  EXPECT_TRUE(done.is(Errc::refused));
  EXPECT_EQ(buyer.view()->coins, 100);
  EXPECT_EQ(seller.view()->coins, 100);
}

TEST_F(Game, a_gift_reaches_a_player_who_is_not_online) {
  ASSERT_TRUE(join(us_, 2).release());
  auto giver = join(eu_, 1);
  giver.edit()->coins -= 30;
  ASSERT_TRUE(giver.send(2, Gift{30, 1}));
  ASSERT_TRUE(giver.release());
  EXPECT_EQ(join(us_, 2).view()->gift_coins, 30);
}

TEST_F(Game, a_gift_reaches_a_player_on_another_server_with_his_next_poll) {
  auto receiver = join(us_, 2);
  auto giver = join(eu_, 1);
  giver.edit()->coins -= 30;
  ASSERT_TRUE(giver.send(2, Gift{30, 1}));
  EXPECT_EQ(receiver.view()->gift_coins, 0);
  ASSERT_TRUE(giver.save());
  us_.poll();
  EXPECT_EQ(receiver.view()->gift_coins, 30);
}

TEST_F(Game, a_receipt_is_granted_once_however_often_the_shop_asks) {
  const auto ask = [](Players::Session& session) {
    return session.grant_once("R-1", [](PlayerData& data) { return deliver(data, "hat"); });
  };
  auto session = join(eu_, 1);
  EXPECT_EQ(*ask(session), persist::Grant::pending) << "not saved: the shop is told nothing";
  EXPECT_EQ(*ask(session), persist::Grant::pending);
  ASSERT_TRUE(session.release());
  auto later = join(us_, 1);
  EXPECT_EQ(*ask(later), persist::Grant::durable);
  EXPECT_EQ(later.view()->developer_products.at("hat"), 1);
}

TEST_F(Game, what_the_rules_of_the_data_forbid_is_not_saved) {
  auto session = join(eu_, 1);
  ASSERT_TRUE(session.save({.force = true}));
  session.edit()->coins = -1;
  EXPECT_TRUE(session.save().is(Errc::invalid));
  EXPECT_EQ(us_.peek(1)->data.coins, 100);
}

TEST_F(Game, an_edit_is_saved_within_the_autosave_interval) {
  auto session = join(eu_, 1);
  session.edit()->coins += 5;
  eu_.poll();
  clock_.advance(30s);
  eu_.poll();
  EXPECT_EQ(us_.peek(1)->data.coins, 105);
}

TEST_F(Game, fields_of_a_newer_build_stay_with_their_record_and_their_item) {
  using Raw = persist::Store<persist::key::Text, persist::Value, persist::backend::Memory>;
  using persist::Value;
  Raw raw("PlayerData", database_, {.clock = &clock_});
  const auto item = [](int id, const char* glow) {
    return Value::map({{"id", id}, {"name", "x"}, {"count", 1}, {"glow", glow}});
  };
  ASSERT_TRUE(raw.overwrite(
      "Player_1", Value::map({{"coins", 10},
                              {"pets", Value::array({"cat"})},
                              {"settings", Value::map({{"colour_blind", "none"}})},
                              {"inventory", Value::array({item(1, "red"), item(2, "blue")})}})));
  auto session = eu_.load(1);
  ASSERT_TRUE(session) << session.error();
  auto seller = join(eu_, 2);
  ASSERT_TRUE(eu_.transact(seller, *session, [](PlayerData& buying, PlayerData& selling) {
    return trade(buying, selling, 1, "x", 1);  // the first item goes, the second moves up
  }));
  ASSERT_TRUE(session->release());
  const auto stored = raw.peek("Player_1");
  ASSERT_TRUE(stored) << stored.error();
  EXPECT_EQ(stored->data["pets"], Value::array({"cat"}));
  EXPECT_EQ(stored->data["settings"]["colour_blind"], Value("none"));
  ASSERT_EQ(stored->data["inventory"].size(), 1U);
  EXPECT_EQ(stored->data["inventory"][0]["glow"], Value("blue"));
  EXPECT_EQ(stored->data["coins"], Value(11));
}

TEST_F(Game, fields_that_a_save_cannot_place_are_named_and_come_back_when_it_can) {
  using Raw = persist::Store<persist::key::Text, persist::Value, persist::backend::Memory>;
  using persist::Value;
  Raw raw("PlayerData", database_, {.clock = &clock_});
  const Value item = Value::map({{"id", 2}, {"glow", "blue"}});
  ASSERT_TRUE(raw.overwrite("Player_1", Value::map({{"inventory", Value::array({item})}})));
  auto session = join(eu_, 1);
  std::vector<std::string> dropped;
  const auto connection =
      session.on_dropped_fields([&](const std::vector<std::string>& paths) { dropped = paths; });
  session.edit()->inventory.push_back(session.view()->inventory[0]);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(dropped, std::vector<std::string>{"inventory.2"}) << "two items have that id";
  EXPECT_EQ(raw.peek("Player_1")->data["inventory"][0].find("glow"), nullptr);
  dropped.clear();
  session.edit()->inventory.pop_back();
  ASSERT_TRUE(session.save());
  EXPECT_TRUE(dropped.empty());
  EXPECT_EQ(raw.peek("Player_1")->data["inventory"][0]["glow"], Value("blue"));
}

TEST_F(Game, data_without_a_type_is_filled_in_at_every_depth_from_a_template) {
  using Raw = persist::Store<persist::key::Text, persist::Value, persist::backend::Memory>;
  using persist::Value;
  Raw raw("PlayerData", database_, {.clock = &clock_});
  const Value stored = Value::map({{"coins", 10}, {"settings", Value::map({{"hud", true}})}});
  ASSERT_TRUE(raw.overwrite("old", stored));
  const Value filler = Value::map(
      {{"coins", 1}, {"pets", 2}, {"settings", Value::map({{"hud", false}, {"fov", 70}})}});
  const Value settings = Value::map({{"fov", 70}, {"hud", true}});
  EXPECT_EQ(*raw.load("old", {.reconcile_with = filler})->view(),
            Value::map({{"coins", 10}, {"pets", 2}, {"settings", settings}}));
  EXPECT_EQ(*raw.load("new", {.reconcile_with = filler})->view(), filler);
}

}  // namespace
