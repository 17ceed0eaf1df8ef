#include <persist/store/store_calls.hpp>

#include <support/world.hpp>

#include <set>

// The calls of a store that need no session.

namespace {

using namespace test;
using persist::Conflict;
using persist::Grant;

/// The same record as a newer build knows it.
struct NewerPlayer {
  std::int64_t coins = 100;
  int level = 1;
  std::string name;
  std::string title = "duke";
};
using Newer = persist::Store<std::uint64_t, NewerPlayer, Db>;

struct StoreCallsTest : World {
  void store(Players& players, std::uint64_t key, std::int64_t amount) {
    auto session = players.load(key);
    ASSERT_TRUE(session);
    session->edit()->coins = amount;
    ASSERT_TRUE(session->release());
  }
  void store_by_a_newer_build(std::uint64_t key) {
    Newer newer("players", db, options("newer"));
    auto session = newer.load(key);
    session->edit()->title = "king";
    ASSERT_TRUE(session->release());
  }
  std::string title(std::uint64_t key) {
    Newer newer("players", db, options("newer"));
    return newer.peek(key)->data.title;
  }
};

// update

TEST_F(StoreCallsTest,
       update_changes_a_record_that_nobody_holds_and_returns_what_the_function_did) {
  auto players = open();
  store(players, 1, 7);
  const auto answer = players.update(1u, [](Player& player) {
    player.coins += 1;
    return std::string("done");
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, "done");
  EXPECT_EQ(coins(players, 1), 8);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(StoreCallsTest, update_of_a_live_session_edits_what_is_played) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.coins = 9; }));
  EXPECT_EQ(session->view()->coins, 9);
  EXPECT_TRUE(session->is_dirty());
  EXPECT_EQ(coins(players, 1), -1);
  auto guard = session->edit();
  EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::busy));
}

TEST_F(StoreCallsTest, update_of_what_another_server_holds_is_locked_and_asks_nobody_to_leave) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = a.load(1u);
  const auto answer = b.update(1u, [](Player&) { FAIL(); });
  EXPECT_TRUE(answer.is(Errc::locked));
  EXPECT_NE(answer.error().message().find("eu-1"), std::string::npos);
  EXPECT_FALSE(a.inspect(1u)->release_requested);
}

TEST_F(StoreCallsTest, update_of_no_record_is_not_found_and_makes_none) {
  auto players = open();
  EXPECT_TRUE(players.update(1u, [](Player&) { FAIL(); }).is(Errc::not_found));
  EXPECT_FALSE(players.inspect(1u)->exists);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.inspect(1u)->load_count, 0U);
}

TEST_F(StoreCallsTest, a_refused_update_makes_no_record_even_if_giving_back_fails_at_first) {
  auto players = open();
  db.fail_commits(Errc::unavailable);
  EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::not_found));
  play(1min, players);
  EXPECT_FALSE(players.inspect(1u)->exists);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(logged("not saved"));
}

TEST_F(StoreCallsTest, an_update_that_failed_does_not_happen_later) {
  auto players = open();
  store(players, 1, 7);
  for (const Errc code : {Errc::unavailable, Errc::timeout, Errc::io}) {
    db.fail_commits(code);
    EXPECT_TRUE(players.update(1u, [](Player& player) { player.coins += 10; }).is(code));
    play(1min, players);
    EXPECT_EQ(coins(players, 1), 7);
    EXPECT_FALSE(players.inspect(1u)->held);
  }
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.coins += 10; }));
  EXPECT_EQ(coins(players, 1), 17);
}

TEST_F(StoreCallsTest, an_update_of_unknown_outcome_is_sent_again_until_it_is_known) {
  auto players = open();
  store(players, 1, 7);
  db.lose_reply();
  EXPECT_TRUE(
      players.update(1u, [](Player& player) { player.coins += 10; }).is(Errc::unknown_outcome));
  play(1min, players);
  EXPECT_EQ(coins(players, 1), 17);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(StoreCallsTest, update_refuses_what_breaks_a_rule_or_says_no) {
  auto players = open();
  store(players, 1, 7);
  EXPECT_TRUE(players.update(1u, [](Player& player) { player.coins = -1; }).is(Errc::invalid));
  EXPECT_TRUE(players
                  .update(1u,
                          [](Player& player) -> persist::Result<int> {
                            player.coins = 8;
                            return persist::Error(Errc::full, "no room");
                          })
                  .is(Errc::full));
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_FALSE(players.inspect(1u)->held);
#if PERSIST_HAS_EXCEPTIONS
  EXPECT_TRUE(players.update(1u, [](Player&) { throw 1; }).is(Errc::refused));
  EXPECT_EQ(coins(players, 1), 7);
#endif
}

TEST_F(StoreCallsTest, update_keeps_fields_that_this_build_does_not_know) {
  auto players = open();
  store_by_a_newer_build(1);
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.coins = 3; }));
  EXPECT_EQ(coins(players, 1), 3);
  EXPECT_EQ(title(1), "king");
}

TEST_F(StoreCallsTest, a_change_of_what_nobody_plays_leaves_its_messages_alone) {
  auto players = open();
  gives_gifts(players);
  store(players, 1, 7);
  ASSERT_TRUE(players.post(1u, Gift{5}));
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.level = 2; }));
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  EXPECT_EQ(players.load(1u)->view()->coins, 12);
}

// overwrite

TEST_F(StoreCallsTest, overwrite_replaces_the_data_and_nothing_beside_it) {
  auto players = open();
  gives_gifts(players);
  {
    auto session = players.load(1u);
    ASSERT_TRUE(session->add_user_id(77));
    ASSERT_TRUE(session->set_metadata(persist::Value("vip")));
    ASSERT_TRUE(session->grant_once("r", [](Player&) {}));
    ASSERT_TRUE(session->release());
  }
  ASSERT_TRUE(players.post(1u, Gift{5}));
  const auto done = players.overwrite(1u, Player{1, 2, "new"});
  ASSERT_TRUE(done);
  EXPECT_FALSE(done->dropped_unknown);
  EXPECT_EQ(done->version, players.inspect(1u)->version);
  EXPECT_EQ(coins(players, 1), 1);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{77});
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 6);
  EXPECT_EQ(*session->metadata(), persist::Value("vip"));
  EXPECT_EQ(*session->grant_once("r", [](Player&) { FAIL(); }), Grant::durable);
}

TEST_F(StoreCallsTest, overwrite_drops_unknown_fields_and_says_so) {
  auto players = open();
  store_by_a_newer_build(1);
  const auto done = players.overwrite(1u, Player{1, 2, "new"});
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->dropped_unknown);
  EXPECT_EQ(title(1), "duke");
}

TEST_F(StoreCallsTest, overwrite_ends_a_live_session_elsewhere) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = a.load(1u);
  session->edit()->coins = 50;
  ASSERT_TRUE(b.overwrite(1u, Player{1, 2, "new"}));
  EXPECT_TRUE(session->save().is(Errc::fenced));
  EXPECT_EQ(session->state(), State::lost);
  EXPECT_EQ(coins(b, 1), 1);
}

TEST_F(StoreCallsTest, overwrite_of_a_live_session_here_is_saved_and_play_goes_on) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(players.overwrite(1u, Player{1, 2, "new"}));
  EXPECT_EQ(session->view()->coins, 1);
  EXPECT_EQ(coins(players, 1), 1);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_TRUE(players.overwrite(1u, Player{-1, 2, "bad"}).is(Errc::invalid));
  EXPECT_EQ(session->view()->coins, 1);
}

TEST_F(StoreCallsTest, overwrite_makes_a_record_where_there_is_none) {
  auto players = open();
  ASSERT_TRUE(players.overwrite(1u, Player{1, 2, "new"}));
  EXPECT_EQ(coins(players, 1), 1);
}

struct Later {
  using data_type = NewerPlayer;
  static constexpr std::uint32_t schema_version = 2;
};

TEST_F(StoreCallsTest, an_overwrite_that_is_refused_ends_no_session_elsewhere) {
  auto players = open();
  persist::Store<std::uint64_t, Later, Db> later("players", db, options("newer"));
  auto session = later.load(1u);
  ASSERT_TRUE(session->save({.force = true}));
  EXPECT_TRUE(players.overwrite(1u, Player{}).is(Errc::too_new));
  EXPECT_TRUE(session->save({.force = true}));
  EXPECT_EQ(session->state(), State::open);
}

// erase

TEST_F(StoreCallsTest, erase_ends_a_session_here_and_a_late_save_writes_nothing) {
  auto players = open();
  store(players, 1, 7);
  auto session = players.load(1u);
  const auto epoch = session->epoch();
  session->edit()->coins = 50;
  ASSERT_TRUE(players.erase(1u));
  EXPECT_EQ(session->state(), State::lost);
  EXPECT_TRUE(session->save().is(Errc::closed));
  play(1min, players);
  EXPECT_TRUE(players.peek(1u).is(Errc::not_found));
  auto again = players.load(1u);
  EXPECT_TRUE(again->is_new());
  EXPECT_GT(again->epoch(), epoch);
  EXPECT_EQ(again->view()->coins, 100);
}

TEST_F(StoreCallsTest, erase_of_what_another_server_plays_fences_it) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  store(a, 1, 7);
  auto session = a.load(1u);
  session->edit()->coins = 50;
  ASSERT_TRUE(b.erase(1u));
  const auto saved = session->save();
  EXPECT_TRUE(saved.is(Errc::fenced));
  EXPECT_NE(saved.error().message().find("erased"), std::string::npos);
  EXPECT_TRUE(b.peek(1u).is(Errc::not_found));
}

TEST_F(StoreCallsTest, erase_takes_messages_receipts_and_users_along) {
  auto players = open();
  {
    auto session = players.load(1u);
    ASSERT_TRUE(session->add_user_id(77));
    ASSERT_TRUE(session->grant_once("r", [](Player&) {}));
    ASSERT_TRUE(session->release());
  }
  ASSERT_TRUE(players.post(1u, Gift{5}));
  ASSERT_TRUE(players.erase(1u));
  EXPECT_TRUE(players.erase(2u).is(Errc::not_found));
  auto session = players.load(1u);
  EXPECT_EQ(session->waiting_messages(), 0U);
  EXPECT_TRUE(session->user_ids().empty());
  EXPECT_EQ(*session->grant_once("r", [](Player&) {}), Grant::pending);
}

TEST_F(StoreCallsTest, a_record_may_be_erased_inside_its_own_handler) {
  auto players = open();
  players.on_message([&](Player& player, const Gift& gift) {
    player.coins += gift.coins;
    EXPECT_TRUE(players.erase(1u));
  });
  auto session = players.load(1u);
  ASSERT_TRUE(players.post(1u, Gift{5}));
  ASSERT_TRUE(players.post(1u, Gift{6}));
  players.poll();
  EXPECT_EQ(session->state(), State::lost);
  play(1min, players);
  EXPECT_TRUE(players.peek(1u).is(Errc::not_found));
}

// peek, inspect, scan, find

TEST_F(StoreCallsTest, peek_is_what_is_durable_or_what_is_played) {
  auto players = open();
  auto session = players.load(1u);
  EXPECT_TRUE(players.peek(1u).is(Errc::not_found));
  session->edit()->coins = 5;
  for (std::uint64_t user = 0; user < 40; ++user)
    ASSERT_TRUE(session->add_user_id(user));
  ASSERT_TRUE(session->save());
  session->edit()->coins = 6;
  EXPECT_EQ(players.peek(1u)->data.coins, 5);
  const auto live = players.peek(1u, {.live = true});
  ASSERT_TRUE(live);
  EXPECT_EQ(live->data.coins, 6);
  EXPECT_EQ(live->user_ids, session->user_ids());
  EXPECT_EQ(live->user_ids.size(), 40U);
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.peek(1u, {.live = true})->data.coins, 6);
}

TEST_F(StoreCallsTest, inspect_says_who_holds_a_record_and_what_waits_in_it) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  EXPECT_FALSE(a.inspect(1u)->exists);
  auto session = a.load(1u);
  session->edit()->coins = 5;
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(b.post(1u, Letter{"hello"}));
  clock.advance(7s);
  auto loading = b.begin_load(1u);
  b.poll();
  const auto found = b.inspect(1u);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->exists);
  EXPECT_TRUE(found->held);
  EXPECT_EQ(found->holder.server, "eu-1");
  EXPECT_EQ(found->holder.epoch, session->epoch());
  EXPECT_EQ(found->holder.age, 7s);
  EXPECT_TRUE(found->release_requested);
  EXPECT_EQ(found->inbox_messages, 1U);
  EXPECT_GT(found->inbox_bytes, 5U);
  EXPECT_EQ(found->outbox_messages, 0U);
  EXPECT_EQ(found->version, 1U);
  EXPECT_EQ(found->load_count, 1U);
  EXPECT_EQ(found->bytes, session->stored_bytes());
}

TEST_F(StoreCallsTest, scan_gives_every_key_with_data_once_in_pages_of_any_size) {
  auto players = open();
  std::set<std::string> expected;
  for (std::uint64_t key = 0; key < 25; ++key) {
    store(players, key, 1);
    expected.insert(std::to_string(key));
  }
  ASSERT_TRUE(players.post(1000u, Gift{5}));
  ASSERT_TRUE(players.erase(3u));
  expected.erase("3");
  for (const std::size_t most : {0U, 1U, 7U, 24U, 25U, 1000U}) {
    std::multiset<std::string> seen;
    std::string after;
    for (int page = 0; page < 100; ++page) {
      auto keys = players.scan(after, most);
      ASSERT_TRUE(keys);
      seen.insert(keys->keys.begin(), keys->keys.end());
      after = keys->next;
      if (keys->done) break;
    }
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), expected) << most;
    EXPECT_EQ(seen.size(), expected.size()) << most;
  }
}

TEST_F(StoreCallsTest, find_gives_what_is_open_and_never_opens) {
  auto players = open();
  EXPECT_TRUE(players.find(1u).is(Errc::not_found));
  auto session = players.load(1u);
  EXPECT_EQ(*players.find(1u), *session);
  ASSERT_TRUE(session->request_release());
  EXPECT_TRUE(players.find(1u).is(Errc::not_found));
}

// grant_once

TEST_F(StoreCallsTest, a_purchase_of_somebody_who_is_not_here_is_durable_at_once) {
  auto players = open();
  EXPECT_EQ(*players.grant_once(1u, "r", [](Player& player) { player.coins += 5; }),
            Grant::durable);
  EXPECT_EQ(coins(players, 1), 105);
  EXPECT_EQ(*players.grant_once(1u, "r", [](Player&) { FAIL(); }), Grant::durable);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(coins(players, 1), 105);
}

TEST_F(StoreCallsTest, a_purchase_of_somebody_who_plays_elsewhere_is_locked) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = a.load(1u);
  EXPECT_TRUE(b.grant_once(1u, "r", [](Player&) { FAIL(); }).is(Errc::locked));
}

TEST_F(StoreCallsTest, a_purchase_of_somebody_who_plays_here_is_saved_with_what_he_did) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->level = 4;
  EXPECT_EQ(*players.grant_once(1u, "r", [](Player& player) { player.coins += 5; }),
            Grant::durable);
  EXPECT_EQ(coins(players, 1), 105);
  EXPECT_EQ(players.peek(1u)->data.level, 4);
  db.fail_commits(Errc::unavailable, 2);
  EXPECT_EQ(*players.grant_once(1u, "s", [](Player& player) { player.coins += 5; }),
            Grant::pending);
  EXPECT_EQ(*players.grant_once(1u, "s", [](Player&) { FAIL(); }), Grant::pending);
  EXPECT_EQ(*players.grant_once(1u, "s", [](Player&) { FAIL(); }), Grant::durable);
  EXPECT_EQ(coins(players, 1), 110);
}

TEST_F(StoreCallsTest, a_purchase_that_went_with_a_lost_session_is_not_pending) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = a.load(1u);
  auto thief = b.load(1u, {.conflict = Conflict::steal});
  EXPECT_TRUE(a.grant_once(1u, "r", [](Player&) {}).is(Errc::fenced));
  ASSERT_TRUE(thief->release());
  EXPECT_EQ(*a.grant_once(1u, "r", [](Player& player) { player.coins += 5; }), Grant::durable);
  EXPECT_EQ(coins(a, 1), 105);
}

TEST_F(StoreCallsTest, a_purchase_that_failed_is_not_granted_behind_the_shops_back) {
  auto players = open();
  store(players, 1, 7);
  db.fail_commits(Errc::unavailable);
  EXPECT_TRUE(
      players.grant_once(1u, "r", [](Player& player) { player.coins += 5; }).is(Errc::unavailable));
  play(1min, players);
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_EQ(*players.grant_once(1u, "r", [](Player& player) { player.coins += 5; }),
            Grant::durable);
  EXPECT_EQ(coins(players, 1), 12);
}

// post

TEST_F(StoreCallsTest, a_message_waits_for_a_record_that_does_not_exist_yet) {
  auto players = open();
  gives_gifts(players);
  const auto posted = players.post(1u, Gift{5});
  ASSERT_TRUE(posted);
  EXPECT_FALSE(posted->repeated);
  EXPECT_FALSE(players.inspect(1u)->exists);
  EXPECT_TRUE(players.scan()->keys.empty());
  auto session = players.load(1u);
  EXPECT_TRUE(session->is_new());
  EXPECT_EQ(session->view()->coins, 105);
}

TEST_F(StoreCallsTest, the_id_of_a_post_is_known_after_its_message_was_handled) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}, {.id = "mail/1"}));
  auto session = players.load(1u);
  ASSERT_TRUE(session->release());
  clock.advance(24h * 6);
  const auto again = players.post(1u, Gift{5}, {.id = "mail/1"});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(players.load(1u)->view()->coins, 105);
}

TEST_F(StoreCallsTest, a_post_that_was_first_tried_long_ago_is_refused) {
  auto players = open();
  const auto first = clock.wall();
  clock.advance(24h * 7);
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "mail/1", .first_tried = first}).is(Errc::refused));
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "mail/2", .first_tried = first + 1h}));
}

TEST_F(StoreCallsTest, posts_without_an_id_are_all_different) {
  auto players = open();
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(players.post(1u, Gift{5})->repeated);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 3U);
}

TEST_F(StoreCallsTest, a_function_that_calls_the_store_for_its_own_record_is_told_busy) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(players.update(1u, [&](Player&) {
    EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::busy));
    EXPECT_TRUE(players.grant_once(1u, "r", [](Player&) {}).is(Errc::busy));
    EXPECT_TRUE(players.overwrite(1u, Player{}).is(Errc::busy));
    EXPECT_EQ(players.peek(1u, {.live = true})->data.coins, 100);
  }));
}

}  // namespace
