#include <persist/store/session_calls.hpp>

#include <support/world.hpp>

// The calls of a session that need its store: purchases, sends, what lies beside the data.

namespace {

using namespace test;
using persist::Conflict;
using persist::Grant;
using persist::ReceiptId;

using SessionCalls = World;

// Paths

TEST_F(SessionCalls, a_member_is_read_and_set_by_its_path_and_the_session_is_dirty) {
  auto players = open();
  auto session = players.load(1u);
  EXPECT_EQ(*session->get("/coins"), persist::Value(100));
  EXPECT_FALSE(session->is_dirty());
  ASSERT_TRUE(session->set("/coins", 7));
  EXPECT_TRUE(session->is_dirty());
  EXPECT_EQ(*session->get("/coins"), persist::Value(7));
  ASSERT_TRUE(session->release());
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_TRUE(session->set("/coins", 8).is(Errc::closed));
  EXPECT_TRUE(session->set("/none", 8).is(Errc::closed));
  EXPECT_EQ(*session->get("/coins"), persist::Value(7));
}

TEST_F(SessionCalls, a_value_that_does_not_fit_its_path_leaves_the_session_clean) {
  auto players = open();
  auto session = players.load(1u);
  const auto refused = session->set("/coins", "many");
  ASSERT_TRUE(refused.is(Errc::schema_mismatch));
  EXPECT_EQ(refused.error().path(), "coins");
  EXPECT_EQ(refused.error().key(), "1");
  EXPECT_TRUE(session->set("/gems", 1).is(Errc::not_found));
  EXPECT_TRUE(session->set("coins", 1).is(Errc::invalid));
  EXPECT_FALSE(session->is_dirty());
  EXPECT_EQ(session->view()->coins, 100);
}

TEST_F(SessionCalls, a_path_inside_a_purchase_leads_into_its_copy) {
  auto players = open();
  auto session = players.load(1u);
  EXPECT_TRUE(session
                  ->grant_once("r",
                               [&](Player&) -> persist::Result<void> {
                                 EXPECT_TRUE(session->set("/coins", 5));
                                 EXPECT_EQ(*session->get("/coins"), persist::Value(5));
                                 return persist::Error(Errc::full, "no");
                               })
                  .is(Errc::full));
  EXPECT_FALSE(session->is_dirty());
  EXPECT_EQ(session->view()->coins, 100);
}

// Purchases

TEST_F(SessionCalls, a_purchase_is_pending_until_it_is_saved_and_never_runs_twice) {
  auto players = open();
  auto session = players.load(1u);
  int runs = 0;
  const auto buy = [&](Player& player) { ++runs, player.coins += 5; };
  EXPECT_EQ(*session->grant_once("r", buy), Grant::pending);
  EXPECT_EQ(*session->grant_once("r", buy), Grant::pending);
  EXPECT_TRUE(session->is_dirty());
  ASSERT_TRUE(session->save());
  EXPECT_EQ(*session->grant_once("r", buy), Grant::durable);
  ASSERT_TRUE(session->release());
  auto again = players.load(1u);
  EXPECT_EQ(*again->grant_once("r", buy), Grant::durable);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(coins(players, 1), 105);
}

TEST_F(SessionCalls, a_purchase_that_was_not_saved_is_granted_by_who_takes_over) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto old = a.load(1u);
  EXPECT_EQ(*old->grant_once("r", [](Player& player) { player.coins += 5; }), Grant::pending);
  auto newer = b.load(1u, {.conflict = Conflict::steal});
  EXPECT_EQ(*newer->grant_once("r", [](Player& player) { player.coins += 5; }), Grant::pending);
  EXPECT_TRUE(old->save().is(Errc::fenced));
  ASSERT_TRUE(newer->release());
  EXPECT_EQ(coins(b, 1), 105);
}

TEST_F(SessionCalls, purchases_of_one_save_are_all_durable_with_it) {
  auto players = open();
  auto session = players.load(1u);
  EXPECT_EQ(*session->grant_once("a", [](Player& player) { player.coins += 1; }), Grant::pending);
  EXPECT_EQ(*session->grant_once("b", [](Player& player) { player.coins += 2; }), Grant::pending);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(*session->grant_once("a", [](Player&) {}), Grant::durable);
  EXPECT_EQ(*session->grant_once("b", [](Player&) {}), Grant::durable);
  EXPECT_EQ(coins(players, 1), 103);
}

TEST_F(SessionCalls, a_purchase_that_fails_leaves_nothing_and_may_be_tried_again) {
  auto players = open();
  auto session = players.load(1u);
  const auto refused = [&](auto fn) { return session->grant_once("r", fn).error().code(); };
  EXPECT_EQ(refused([](Player& player) { return player.coins = 1, false; }), Errc::refused);
  EXPECT_EQ(refused([](Player& player) { player.coins = -1; }), Errc::invalid);
#if PERSIST_HAS_EXCEPTIONS
  EXPECT_EQ(refused([](Player& player) { player.coins = 2, throw 1; }), Errc::refused);
#endif
  EXPECT_EQ(refused([&](Player&) -> persist::Result<void> {
              EXPECT_TRUE(session->send(2u, Gift{5}));
              return persist::Error(Errc::full, "no room");
            }),
            Errc::full);
  EXPECT_FALSE(session->is_dirty());
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_EQ(*session->grant_once("r", [](Player& player) { player.coins = 3; }), Grant::pending);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(coins(players, 1), 3);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
}

TEST_F(SessionCalls, a_purchase_that_no_save_could_hold_is_too_large_and_leaves_nothing) {
  auto told = options();
  told.record_limit = 1000;
  Players players("players", db, told);
  auto session = players.load(1u);
  const auto buy = [&](std::size_t size) {
    return session->grant_once("r", [&](Player& player) {
      player.name.assign(size, 'x');
      EXPECT_TRUE(session->send(2u, Gift{5}));
    });
  };
  const auto granted = buy(2000);
  EXPECT_TRUE(granted.is(Errc::too_large));
  EXPECT_EQ(granted.error().key(), "1");
  EXPECT_FALSE(session->is_dirty());
  EXPECT_TRUE(session->view()->name.empty());
  const auto updated = players.update(1u, [](Player& player) { player.name.assign(2000, 'x'); });
  EXPECT_TRUE(updated.is(Errc::too_large));
  EXPECT_TRUE(session->save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  EXPECT_EQ(*buy(500), Grant::pending);
  EXPECT_TRUE(session->release());
  EXPECT_EQ(players.peek(1u)->data.name.size(), 500U);
}

TEST_F(SessionCalls, a_purchase_without_an_id_is_invalid) {
  auto players = open();
  auto session = players.load(1u);
  EXPECT_TRUE(session->grant_once("", [](Player&) { FAIL(); }).is(Errc::invalid));
}

TEST_F(SessionCalls, a_purchase_whose_function_erases_the_record_is_not_granted) {
  auto players = open();
  auto session = *players.load(1u);
  const auto granted = session.grant_once("p1", [&](Player& player) {
    player.coins += 50;
    EXPECT_TRUE(players.erase(1u).is(Errc::not_found) || session.state() == State::lost);
  });
  EXPECT_TRUE(granted.is(Errc::closed));
  EXPECT_EQ(session.view()->coins, 100);
}

TEST_F(SessionCalls, inside_a_purchase_its_session_neither_saves_nor_ends_nor_grants) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->grant_once("r", [&](Player& player) {
    session->edit()->coins = 7;
    EXPECT_EQ(player.coins, 7);
    EXPECT_TRUE(session->save().is(Errc::busy));
    EXPECT_TRUE(session->release().is(Errc::busy));
    EXPECT_TRUE(session->grant_once("s", [](Player&) {}).is(Errc::busy));
    players.poll();
  }));
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(session->view()->coins, 7);
  auto guard = session->edit();
  EXPECT_TRUE(session->grant_once("t", [](Player&) {}).is(Errc::busy));
}

TEST_F(SessionCalls, old_receipts_are_forgotten_by_the_day_and_what_is_older_is_refused) {
  auto players = open();
  auto session = players.load(1u);
  const auto first_day = clock.wall();
  ASSERT_TRUE(session->grant_once(ReceiptId("first", first_day), [](Player&) {}));
  clock.advance(24h * 200);
  ASSERT_TRUE(session->save());
  for (int i = 0; i < 4096; ++i)
    ASSERT_TRUE(session->grant_once("r" + std::to_string(i), [](Player&) {}));
  ASSERT_TRUE(session->save());
  session->touch();
  ASSERT_TRUE(session->save());  // more than 4,096 are stored: the first day goes
  const auto refused = [&](const ReceiptId& receipt) {
    return *session->grant_once(receipt, [](Player&) {}) == Grant::refused;
  };
  EXPECT_TRUE(refused(ReceiptId("first", first_day)));
  EXPECT_TRUE(refused(ReceiptId("older", first_day - 24h)));
  EXPECT_TRUE(refused("of unknown time"));
  EXPECT_FALSE(refused(ReceiptId("newer", clock.wall() - 24h * 90)));
  EXPECT_EQ(*session->grant_once("r7", [](Player&) { FAIL(); }), Grant::durable);
  ASSERT_TRUE(session->release());
  session = players.load(1u);
  EXPECT_TRUE(refused(ReceiptId("first", first_day)));
  EXPECT_FALSE(refused(ReceiptId("newest", clock.wall())));
}

TEST_F(SessionCalls, receipts_that_are_stored_twice_after_a_lost_reply_push_none_out) {
  auto players = open();
  const persist::WallTime old = clock.wall() - std::chrono::days(200);
  const ReceiptId oldest("oldest", old - std::chrono::days(1));
  const auto gives = [](Player& player) { ++player.coins; };
  auto session = *players.load(1u);
  ASSERT_TRUE(session.grant_once(oldest, gives));
  for (std::size_t i = 1; i < persist::receipts_kept; ++i)
    ASSERT_TRUE(session.grant_once(ReceiptId(std::to_string(i), old), gives));
  db.lose_reply();
  ASSERT_FALSE(session.save());
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(session.release());
  auto again = *players.load(1u);
  ASSERT_TRUE(again.save({.force = true}));
  EXPECT_EQ(*again.grant_once(oldest, gives), Grant::durable);
}

TEST_F(SessionCalls, a_purchase_that_was_just_saved_is_durable_however_old_it_is) {
  auto players = open();
  auto session = players.load(1u);
  const auto start = clock.wall();
  ASSERT_TRUE(session->grant_once(ReceiptId("first", start), [](Player&) {}));
  clock.advance(24h * 200);
  for (int i = 0; i < 4096; ++i)
    ASSERT_TRUE(session->grant_once("r" + std::to_string(i), [](Player&) {}));
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->grant_once(ReceiptId("late", start), [](Player&) {}));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(*session->grant_once(ReceiptId("late", start), [](Player&) { FAIL(); }),
            Grant::durable);
}

// Sends

TEST_F(SessionCalls, a_message_leaves_with_the_save_that_holds_its_cause) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins -= 5;
  ASSERT_TRUE(session->send(2u, Gift{5}));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  db.fail_commits(Errc::io);
  EXPECT_FALSE(session->save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(coins(players, 1), 95);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  ASSERT_TRUE(session->save({.force = true}));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
}

TEST_F(SessionCalls, a_message_of_a_session_that_was_fenced_never_leaves) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto old = a.load(1u);
  ASSERT_TRUE(old->send(2u, Gift{5}));
  auto newer = b.load(1u, {.conflict = Conflict::steal});
  EXPECT_TRUE(old->save().is(Errc::fenced));
  ASSERT_TRUE(newer->release());
  play(1min, a, b);
  EXPECT_EQ(b.inspect(2u)->inbox_messages, 0U);
}

TEST_F(SessionCalls, a_message_whose_reply_was_lost_arrives_once) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->send(2u, Gift{5}));
  db.lose_reply();
  EXPECT_TRUE(session->save().is(Errc::unknown_outcome));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  ASSERT_TRUE(session->send(2u, Gift{6}));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 2U);
}

TEST_F(SessionCalls, a_full_outbox_is_told_and_nothing_is_dropped) {
  auto told = options();
  told.inbox_limit.messages = 1;
  told.outbox_limit = 2;
  told.relay = 0s;
  Players players("players", db, told);
  auto session = players.load(1u);
  ASSERT_TRUE(players.post(2u, Gift{1}));
  ASSERT_TRUE(session->send(2u, Gift{2}));
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->send(2u, Gift{3}));
  EXPECT_TRUE(session->send(2u, Gift{4}).is(Errc::full));
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(session->send(2u, Gift{4}).is(Errc::full));
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 2U);
  ASSERT_TRUE(session->release());
  auto again = players.load(1u);
  EXPECT_TRUE(again->send(2u, Gift{4}).is(Errc::full));
}

TEST_F(SessionCalls, a_handler_may_post_and_send_to_its_own_record) {
  auto players = open();
  int left = 3;
  players.on_message([&](Player& player, const Gift& gift) {
    player.coins += gift.coins;
    if (left-- > 0) {
      EXPECT_TRUE(players.post(1u, Gift{1}));
      EXPECT_TRUE(players.find(1u)->send(1u, Gift{10}));
    }
  });
  auto session = players.load(1u);
  ASSERT_TRUE(players.post(1u, Gift{0}));
  play(2min, players);
  EXPECT_EQ(session->view()->coins, 133);
  EXPECT_EQ(coins(players, 1), 133);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(SessionCalls, a_send_to_no_key_is_invalid_and_after_the_end_closed) {
  auto players = open();
  persist::Store<std::string, Save, Db> named("named", db, options());
  auto session = named.load(std::string("a"));
  EXPECT_TRUE(session->send(std::string(), Gift{1}).is(Errc::invalid));
  EXPECT_TRUE(session->send(std::string(256, 'x'), Gift{1}).is(Errc::invalid));
  EXPECT_FALSE(session->is_dirty());
  ASSERT_TRUE(session->release());
  EXPECT_TRUE(session->send(std::string("b"), Gift{1}).is(Errc::closed));
}

// Beside the data

TEST_F(SessionCalls, an_attachment_is_made_once_whatever_it_is_asked_for_with) {
  auto players = open();
  auto session = players.load(1u);
  auto& made = session->attach<std::string>("first");
  EXPECT_EQ(session->attach<std::string>(), "first");
  std::string other = "second";
  EXPECT_EQ(&session->attach<std::string>(other), &made);
  EXPECT_EQ(session->attach<std::vector<int>>(3U, 1).size(), 3U);
  EXPECT_EQ(session->attach<std::vector<int>>().size(), 3U);
}

TEST_F(SessionCalls, metadata_and_users_of_a_failed_save_go_with_the_next) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->set_metadata(persist::Value("vip")));
  ASSERT_TRUE(session->add_user_id(5));
  EXPECT_TRUE(session->is_dirty());
  db.fail_commits(Errc::unavailable);
  EXPECT_FALSE(session->save());
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.peek(1u)->metadata, persist::Value("vip"));
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{5});
}

TEST_F(SessionCalls, users_and_metadata_belong_to_the_success_of_a_purchase) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->add_user_id(5));
  ASSERT_TRUE(session->set_metadata(persist::Value("vip")));
  ASSERT_TRUE(session->save());
  bool succeeds = false;
  const auto buy = [&](Player& player) {
    player.coins += 1;
    EXPECT_TRUE(session->add_user_id(6));
    EXPECT_TRUE(session->remove_user_id(5));
    EXPECT_TRUE(session->set_metadata(persist::Value("lord")));
    EXPECT_EQ(session->user_ids(), std::vector<std::uint64_t>{6}) << "as it will be";
    EXPECT_EQ(*session->metadata(), persist::Value("lord"));
    return succeeds;
  };
  EXPECT_TRUE(session->grant_once("r", buy).is(Errc::refused));
  EXPECT_EQ(session->user_ids(), std::vector<std::uint64_t>{5});
  EXPECT_EQ(*session->metadata(), persist::Value("vip"));
  EXPECT_FALSE(session->is_dirty());
  db.script() = {};
  ASSERT_TRUE(session->save({.force = true}));
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{5});
  EXPECT_EQ(players.peek(1u)->metadata, persist::Value("vip"));
  succeeds = true;
  ASSERT_TRUE(session->grant_once("r", buy));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{6});
  EXPECT_EQ(players.peek(1u)->metadata, persist::Value("lord"));
}

TEST_F(SessionCalls, a_save_that_fails_during_a_purchase_still_owes_the_users_it_took) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->add_user_id(5));
  ASSERT_TRUE(session->set_metadata(persist::Value("vip")));
  db.fail_commits(Errc::unavailable);
  db.script().during_commit = [&] {
    const auto bought = session->grant_once("r", [&](Player&) {
      EXPECT_TRUE(session->add_user_id(6));
      EXPECT_TRUE(session->set_metadata(persist::Value("lord")));
      return false;
    });
    EXPECT_TRUE(bought.is(Errc::refused));
  };
  EXPECT_FALSE(session->save());
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{5});
  EXPECT_EQ(players.peek(1u)->metadata, persist::Value("vip"));
}

TEST_F(SessionCalls, durable_is_fenced_once_somebody_else_has_the_record) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = a.load(1u);
  EXPECT_TRUE(session->durable().is(Errc::not_found));
  session->edit()->coins = 5;
  ASSERT_TRUE(session->save());
  session->edit()->coins = 6;
  EXPECT_EQ(session->durable()->coins, 5);
  auto thief = b.load(1u, {.conflict = Conflict::steal});
  EXPECT_TRUE(session->durable().is(Errc::fenced));
}

TEST_F(SessionCalls, usage_is_the_last_written_size_and_its_share_of_the_limit) {
  auto told = options();
  told.record_limit = 1000;
  Players players("players", db, told);
  auto session = players.load(1u);
  EXPECT_EQ(session->usage().bytes, 0U);
  EXPECT_EQ(session->usage().share, 0.0);
  ASSERT_TRUE(session->save({.force = true}));
  const auto usage = session->usage();
  EXPECT_EQ(usage.bytes, players.inspect(1u)->bytes);
  EXPECT_DOUBLE_EQ(usage.share, static_cast<double>(usage.bytes) / 1000);
}

TEST_F(SessionCalls, a_release_that_is_busy_because_of_a_partner_changes_nothing) {
  auto players = open();
  auto one = players.load(1u);
  auto two = players.load(2u);
  ASSERT_TRUE(players.request_transact(*one, *two, [](Player&, Player&) {}));
  {
    auto guard = two->edit();
    EXPECT_TRUE(one->release().is(Errc::busy));
    EXPECT_EQ(one->state(), State::open);
  }
  EXPECT_TRUE(one->release());
  EXPECT_TRUE(players.inspect(2u)->exists);
}

}  // namespace
