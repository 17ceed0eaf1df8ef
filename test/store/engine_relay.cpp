#include <persist/store/engine_relay.hpp>

#include <support/world.hpp>

// Messages from record to record: with their cause, or not at all.

namespace {

using namespace test;

struct EngineRelay : World {
  /// A store whose inboxes hold `room` messages and outboxes `out`.
  Players small(std::size_t room, std::size_t out = 1000) {
    auto told = options();
    told.inbox_limit.messages = room;
    told.outbox_limit = out;
    return Players("players", db, told);
  }
};

TEST_F(EngineRelay, a_message_leaves_with_the_save_that_contains_its_cause) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins -= 5;
  ASSERT_TRUE(session.send(2u, Gift{5}));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.metrics().messages_sent, 1U);
  ASSERT_TRUE(session.save({.force = true}));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
}

TEST_F(EngineRelay, a_message_whose_cause_was_not_saved_is_never_sent) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = *a.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{5}));
  auto thief = *b.load(1u, {.conflict = persist::Conflict::steal});
  EXPECT_FALSE(session.save());
  ASSERT_TRUE(thief.save({.force = true}));
  play(60s, a, b);
  EXPECT_EQ(a.inspect(2u)->inbox_messages, 0U);
}

TEST_F(EngineRelay, a_send_alone_makes_the_session_dirty_and_an_invalid_key_is_refused) {
  auto players = open();
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{5}));
  EXPECT_TRUE(session.is_dirty());
  persist::Store<std::string, Save, Db> named("named", db, options());
  auto other = *named.load(std::string("ann"));
  EXPECT_TRUE(other.send(std::string(), Gift{5}).is(Errc::invalid));
  EXPECT_FALSE(other.is_dirty());
}

TEST_F(EngineRelay, a_save_never_fails_because_a_receiver_is_full) {
  auto players = small(1);
  gives_gifts(players);
  auto session = *players.load(1u);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 2U);
  for (int i = 0; i < 3; ++i) {  // the receiver plays, and empties his inbox
    auto receiver = *players.load(2u);
    ASSERT_TRUE(receiver.release());
    play(21s, players);
  }
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
  ASSERT_TRUE(players.load(2u)->release());
  EXPECT_EQ(coins(players, 2), 103);
  EXPECT_EQ(players.metrics().messages_relayed, 2U);
}

TEST_F(EngineRelay, what_waits_keeps_its_order_and_is_not_overtaken) {
  auto players = small(1);
  players.on_message([](Player& player, const Letter& letter) { player.name += letter.text; });
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Letter{"a"}));
  ASSERT_TRUE(session.send(2u, Letter{"b"}));
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(players.load(2u)->release());  // room again
  ASSERT_TRUE(session.send(2u, Letter{"c"}));
  ASSERT_TRUE(session.save());
  for (int i = 0; i < 4; ++i) {
    play(21s, players);
    ASSERT_TRUE(players.load(2u)->release());
  }
  EXPECT_EQ(players.peek(2u)->data.name, "abc");
}

TEST_F(EngineRelay, a_full_outbox_makes_send_answer_full) {
  auto players = small(1, 3);
  auto session = *players.load(1u);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session.send(2u, Gift{1}));
  EXPECT_TRUE(session.send(2u, Gift{1}).is(Errc::full));
  ASSERT_TRUE(session.save());  // one is delivered, two wait
  ASSERT_TRUE(session.send(2u, Gift{1}));
  EXPECT_TRUE(session.send(2u, Gift{1}).is(Errc::full));
}

TEST_F(EngineRelay, whoever_loads_the_record_knows_what_still_waits_in_it) {
  auto players = small(1, 3);
  auto session = *players.load(1u);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.release());
  auto again = *players.load(1u);
  ASSERT_TRUE(again.send(2u, Gift{1}));
  EXPECT_TRUE(again.send(2u, Gift{1}).is(Errc::full));
}

TEST_F(EngineRelay, a_relay_that_is_repeated_is_harmless) {
  auto a = small(1);
  auto b = open("eu-2");
  gives_gifts(a);
  auto session = *a.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(a.load(2u)->release());
  play(60s, a, b);
  EXPECT_EQ(a.inspect(2u)->inbox_messages, 1U);
  ASSERT_TRUE(a.load(2u)->release());
  play(60s, a, b);
  EXPECT_EQ(a.inspect(2u)->inbox_messages, 0U);
  EXPECT_EQ(coins(a, 2), 102);
}

TEST_F(EngineRelay, full_receivers_hold_up_nobody_else) {
  auto players = small(1);
  for (std::uint64_t sender = 1000; sender < 1100; ++sender) {
    auto session = *players.load(sender);
    ASSERT_TRUE(session.send(1u, Gift{1}));
    ASSERT_TRUE(session.release());
  }
  auto last = *players.load(9999u);  // listed behind all of them
  ASSERT_TRUE(last.send(2u, Gift{1}));
  ASSERT_TRUE(last.send(2u, Gift{1}));
  ASSERT_TRUE(last.release());
  gives_gifts(players);
  ASSERT_TRUE(players.load(2u)->release());
  play(60s, players);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(9999u)->outbox_messages, 0U);
}

TEST_F(EngineRelay, erasing_sends_what_waits_first_or_says_that_it_cannot) {
  auto players = small(1);
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.release());
  EXPECT_TRUE(players.erase(1u).is(Errc::full));
  EXPECT_TRUE(players.inspect(1u)->exists);
  EXPECT_TRUE(players.erase(1u, {.drop_outbox = true}));
  EXPECT_FALSE(players.inspect(1u)->exists);
}

TEST_F(EngineRelay, a_message_that_no_inbox_can_hold_is_refused_when_it_is_sent) {
  auto players = open();
  auto session = *players.load(1u);
  const Letter huge{std::string(std::size_t{2} << 20, 'x')};
  EXPECT_TRUE(session.send(2u, huge).is(Errc::too_large));
  EXPECT_TRUE(players.post(2u, huge).is(Errc::too_large));
  EXPECT_FALSE(session.is_dirty());
}

struct Outbox : World {
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

TEST_F(Outbox, another_servers_store_sends_on_after_the_senders_session_has_ended) {
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

TEST_F(Outbox, a_relay_of_which_any_step_fails_or_is_not_heard_of_delivers_once_and_in_order) {
  using Fault = Db::Fault;
  for (const Fault fault : {Fault{Errc::unavailable, false}, Fault{Errc::unknown_outcome, true}})
    for (const bool post : {false, true}) {
      auto players = narrow();
      takes(players);
      taken.clear();
      auto session = players.load(1u);
      for (std::int64_t each = 1; each <= 4; ++each)
        ASSERT_TRUE(session->send(2u, Gift{each}));
      ASSERT_TRUE(session->release());
      for (int times = 0; times < 6; ++times) {
        (post ? db.script().posts_fail : db.script().takes_fail).push_back(fault);
        empty_inbox(players, 2, 1);
      }
      EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2, 3, 4})) << post << fault.applied;
      EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
    }
}

TEST_F(Outbox, what_could_not_be_taken_out_still_counts) {
  auto told = options();
  told.inbox_limit.messages = 1;
  told.outbox_limit = 2;
  Players players("players", db, told);
  auto session = players.load(1u);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->save());
  takes(players);
  ASSERT_TRUE(players.load(2u)->release());
  db.script().takes_fail.push_back({Errc::unavailable});
  play(6s, players);
  ASSERT_EQ(players.inspect(1u)->outbox_messages, 2U);
  EXPECT_TRUE(session->send(2u, Gift{1}).is(Errc::full));
}

TEST_F(Outbox, two_servers_that_send_on_the_same_do_it_once) {
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

TEST_F(Outbox, an_outbox_that_another_server_has_emptied_takes_messages_again) {
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

TEST_F(Outbox, the_next_session_of_a_sender_does_not_overtake_what_waits) {
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

}  // namespace
