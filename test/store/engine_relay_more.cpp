#include <persist/store/engine_relay.hpp>

#include <support/world.hpp>

// Messages that found no room: they wait in their senders' records and are sent on.

namespace {

using namespace test;

struct EngineRelay : World {
  std::vector<std::int64_t> taken;

  /// A store whose inboxes hold one message.
  Players narrow(std::string server = "eu-1") {
    auto told = options(std::move(server));
    told.inbox_limit.messages = 1;
    return Players("players", db, told);
  }
  void takes(Players& players) {
    players.on_message([this](Player& player, const Gift& gift) {
      player.coins += gift.coins;
      taken.push_back(gift.coins);
    });
  }
  /// Plays the receiver until its messages are in.
  void empty_inbox(Players& players, std::uint64_t key, int times) {
    for (int i = 0; i < times; ++i) {
      auto session = players.load(key);
      ASSERT_TRUE(session);
      ASSERT_TRUE(session->release());
      play(30s, players);
    }
  }
};

TEST_F(EngineRelay, what_finds_no_room_waits_in_the_same_commit_and_arrives_in_order_and_once) {
  auto players = narrow();
  auto session = players.load(1u);
  for (std::int64_t coins = 1; coins <= 4; ++coins) {
    session->edit()->coins -= coins;
    ASSERT_TRUE(session->send(2u, Gift{coins}));
    if (coins % 2 == 0) {
      EXPECT_TRUE(session->save());
    }
  }
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 3U);
  EXPECT_EQ(coins(players, 1), 90);
  takes(players);
  empty_inbox(players, 2, 6);
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(coins(players, 2), 110);
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
}

TEST_F(EngineRelay, another_servers_store_sends_on_after_the_senders_session_has_ended) {
  auto b = narrow("eu-2");
  {
    auto a = narrow("eu-1");
    auto session = a.load(1u);
    ASSERT_TRUE(session->send(2u, Gift{1}));
    ASSERT_TRUE(session->send(2u, Gift{2}));
    ASSERT_TRUE(session->release());
  }
  takes(b);
  empty_inbox(b, 2, 3);
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(b.inspect(1u)->outbox_messages, 0U);
}

TEST_F(EngineRelay, two_servers_that_send_on_the_same_do_it_once) {
  auto a = narrow("eu-1");
  auto b = narrow("eu-2");
  takes(b);
  auto session = a.load(1u);
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->send(2u, Gift{2}));
  ASSERT_TRUE(session->save());
  for (int i = 0; i < 3; ++i) {
    auto receiver = b.load(2u);
    ASSERT_TRUE(receiver->release());
    play(30s, a, b);
  }
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(EngineRelay, a_later_message_overtakes_no_earlier_one_but_those_to_others_go) {
  auto players = narrow();
  auto session = players.load(1u);
  for (const std::uint64_t key : {2U, 2U, 3U})
    ASSERT_TRUE(session->send(key, Gift{static_cast<std::int64_t>(key)}));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(3u)->inbox_messages, 1U);
  ASSERT_TRUE(session->send(2u, Gift{9}));
  ASSERT_TRUE(session->send(4u, Gift{9}));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 2U);
  EXPECT_EQ(players.inspect(4u)->inbox_messages, 1U);
}

TEST_F(EngineRelay, full_receivers_hold_up_nobody_elses_messages) {
  auto players = narrow();
  for (std::uint64_t sender = 1000; sender < 1200; ++sender) {
    auto session = players.load(sender);
    ASSERT_TRUE(session->send(sender + 1000, Gift{1}));
    ASSERT_TRUE(session->send(sender + 1000, Gift{2}));
    ASSERT_TRUE(session->release());
  }
  auto last = players.load(9999u);
  ASSERT_TRUE(last->send(5u, Gift{1}));
  ASSERT_TRUE(last->send(5u, Gift{2}));
  ASSERT_TRUE(last->release());
  takes(players);
  auto receiver = players.load(5u);
  play(2min, players);
  EXPECT_EQ(receiver->view()->coins, 103);
  EXPECT_EQ(players.inspect(9999u)->outbox_messages, 0U);
}

TEST_F(EngineRelay, an_outbox_that_another_server_has_emptied_takes_messages_again) {
  auto told = options("eu-1");
  told.inbox_limit.messages = 1;
  told.outbox_limit = 2;
  told.relay = 30s;
  Players a("players", db, told);
  auto b = narrow("eu-2");
  takes(b);
  auto session = a.load(1u);
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->send(2u, Gift{2}));
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->send(2u, Gift{3}));
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(session->send(2u, Gift{4}).is(Errc::full));
  empty_inbox(b, 2, 3);
  ASSERT_EQ(b.inspect(1u)->outbox_messages, 0U);
  play(31s, a);
  EXPECT_TRUE(session->send(2u, Gift{4}));
  EXPECT_TRUE(session->send(2u, Gift{5}));
}

TEST_F(EngineRelay, the_next_session_of_a_sender_does_not_overtake_what_waits) {
  auto players = narrow();
  takes(players);
  {
    auto session = players.load(1u);
    ASSERT_TRUE(session->send(2u, Gift{1}));
    ASSERT_TRUE(session->send(2u, Gift{2}));
    ASSERT_TRUE(session->release());
  }
  {
    auto session = players.load(1u);
    ASSERT_TRUE(session->send(2u, Gift{3}));
    ASSERT_TRUE(session->release());
  }
  empty_inbox(players, 2, 5);
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2, 3}));
}

TEST_F(EngineRelay, erasing_a_sender_sends_what_waits_or_is_refused) {
  auto players = narrow();
  auto session = players.load(1u);
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->send(2u, Gift{2}));
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(session->erase().is(Errc::full));
  EXPECT_EQ(session->state(), State::open);
  EXPECT_TRUE(players.inspect(1u)->exists);
  ASSERT_TRUE(players.erase(1u, {.drop_outbox = true}));
  EXPECT_EQ(session->state(), State::lost);
  takes(players);
  empty_inbox(players, 2, 3);
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1}));
}

}  // namespace
