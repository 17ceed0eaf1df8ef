#include <persist/store/purchase.hpp>

#include <support/world.hpp>

// What a shop is told, and when.

namespace {

using namespace test;
using Outcome = persist::PurchaseOutcome;

struct Buying : World {
  Players players = open();
  int calls = 0;
  auto buys() {
    return [this](Player& player) { ++calls, player.coins += 10; };
  }
  Outcome buy(std::uint64_t key = 1) { return players.purchase(key, "order", buys()).outcome; }
};

TEST_F(Buying, a_purchase_is_granted_once_and_only_when_it_is_saved) {
  auto session = players.load(1u);
  EXPECT_EQ(buy(), Outcome::granted);
  EXPECT_EQ(coins(players, 1), 110) << "saved before the shop is told";
  EXPECT_EQ(buy(), Outcome::granted_before);
  EXPECT_EQ(calls, 1);
}

TEST_F(Buying, of_somebody_who_is_not_here_too) {
  ASSERT_TRUE(players.load(1u)->release());
  EXPECT_EQ(buy(), Outcome::granted);
  EXPECT_EQ(buy(), Outcome::granted_before);
  EXPECT_EQ(coins(players, 1), 110);
}

TEST_F(Buying, where_storage_is_away_the_shop_asks_again_and_it_is_given_once) {
  auto session = players.load(1u);
  db.fail_commits(Errc::unavailable);
  EXPECT_EQ(buy(), Outcome::retry_later);
  EXPECT_EQ(session->view()->coins, 110) << "the player has it already";
  EXPECT_EQ(buy(), Outcome::granted_before);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(coins(players, 1), 110);
}

TEST_F(Buying, what_failed_offline_has_not_happened) {
  ASSERT_TRUE(players.load(1u)->release());
  db.fail_commits(Errc::unavailable);
  EXPECT_EQ(buy(), Outcome::retry_later);
  play(1min, players);
  EXPECT_EQ(coins(players, 1), 100);
  EXPECT_EQ(buy(), Outcome::granted);
  EXPECT_EQ(coins(players, 1), 110);
}

TEST_F(Buying, a_lost_reply_grants_once) {
  auto session = players.load(1u);
  db.lose_reply();
  const Outcome first = buy();
  EXPECT_TRUE(first == Outcome::granted || first == Outcome::retry_later);
  play(1min, players);
  EXPECT_EQ(buy(), Outcome::granted_before);
  EXPECT_EQ(coins(players, 1), 110);
}

TEST_F(Buying, where_another_server_was_first_the_shop_hears_that_nothing_was_given_again) {
  using Guilds = persist::Store<std::uint64_t, Save, Db, persist::lock::Optimistic>;
  Guilds here("guilds", db, options("eu-1"));
  Guilds there("guilds", db, options("us-1"));
  const auto gives = [](Player& player) { player.coins += 50; };
  int tries = 0;
  const auto bought = here.purchase(7, {"order 1"}, [&](Player& player) {
    const bool is_first = tries++ == 0;
    EXPECT_TRUE(!is_first || there.purchase(7, {"order 1"}, gives).outcome == Outcome::granted);
    gives(player);
  });
  EXPECT_EQ(tries, 1);
  EXPECT_EQ(bought.outcome, Outcome::granted_before);
  EXPECT_EQ(here.peek(7)->data.coins, 150);
}

TEST_F(Buying, while_another_server_has_the_record_the_shop_asks_again) {
  auto other = open("eu-2");
  auto held = other.load(1u);
  const persist::Purchase bought = players.purchase(1u, "order", buys());
  EXPECT_EQ(bought.outcome, Outcome::retry_later);
  EXPECT_EQ(bought.why, Errc::locked);
  EXPECT_EQ(calls, 0);
}

TEST_F(Buying, a_function_or_a_rule_that_says_no_is_a_refusal_that_leaves_nothing) {
  auto session = players.load(1u);
  const auto no = [](Player& player) -> persist::Result<void> {
    player.coins = 0;
    return persist::Error(Errc::refused, "no such product");
  };
  EXPECT_EQ(players.purchase(1u, "order", no).outcome, Outcome::refused);
  const auto invalid = [](Player& player) { player.coins = -1; };
  EXPECT_EQ(players.purchase(1u, "order", invalid).outcome, Outcome::refused);
  const auto later = [](Player&) -> persist::Result<void> {
    return persist::Error(Errc::full, "the bag is full");
  };
  EXPECT_EQ(players.purchase(1u, "order", later).outcome, Outcome::retry_later);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_EQ(buy(), Outcome::granted) << "the receipt is not used up";
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(Buying, a_function_that_throws_has_not_said_no) {
  ASSERT_TRUE(players.load(1u)->release());
  for (const bool is_here : {false, true}) {
    auto session = is_here ? players.load(1u) : persist::Result<Players::Session>(Errc::closed);
    const auto bought = players.purchase(1u, "order", [&](Player& player) {
      ++calls, player.coins = 0;
      throw 7;
    });
    EXPECT_EQ(bought.outcome, Outcome::retry_later);
    EXPECT_NE(bought.why.message().find("threw"), std::string::npos) << bought.why;
  }
  EXPECT_EQ(calls, 2) << "and not again and again";
  EXPECT_EQ(buy(), Outcome::granted);
  EXPECT_EQ(coins(players, 1), 110);
}
#endif

TEST_F(Buying, a_receipt_older_than_what_is_remembered_is_refused) {
  auto session = players.load(1u);
  session->node().more().receipts_forgotten = 100;
  EXPECT_EQ(players.purchase(1u, "order", buys()).outcome, Outcome::refused);
  EXPECT_EQ(calls, 0);
}

TEST(PurchaseOutcome, has_a_name) {
  EXPECT_EQ(name(Outcome::granted), "granted");
  EXPECT_EQ(name(Outcome::refused), "refused");
}

TEST(Purchase, that_failed_says_whether_to_ask_again) {
  EXPECT_EQ(persist::Purchase(persist::Error(Errc::unavailable)).outcome, Outcome::retry_later);
  EXPECT_EQ(persist::Purchase(persist::Error(Errc::locked)).outcome, Outcome::retry_later);
  EXPECT_EQ(persist::Purchase(persist::Error(Errc::too_large)).outcome, Outcome::refused);
}

}  // namespace
