#include <persist/store/store_calls.hpp>

#include <support/world.hpp>

#include <persist/lock/none.hpp>

// The calls of a store that need no session, and what a store is.

namespace {

using namespace test;
using persist::Grant;

struct StoreCalls : World {
  Players players{open()};
  void store(std::uint64_t key, std::int64_t coins) {
    auto session = *players.load(key);
    session.edit()->coins = coins;
    ASSERT_TRUE(session.release());
  }
};

TEST_F(StoreCalls, peek_reads_what_is_durable) {
  store(1, 7);
  auto session = *players.load(1u);
  session.edit()->coins = 8;
  const auto read = players.peek(1u);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->data.coins, 7);
  EXPECT_EQ(read->version, 1U);
  EXPECT_EQ(read->load_count, 1U);
  EXPECT_EQ(players.peek(1u, {.live = true})->data.coins, 8);
  EXPECT_TRUE(players.peek(2u).is(Errc::not_found));
  EXPECT_TRUE(players.peek(2u, {.live = true}).is(Errc::not_found));
}

TEST_F(StoreCalls, find_never_opens) {
  store(1, 7);
  EXPECT_TRUE(players.find(1u).is(Errc::not_found));
  auto session = *players.load(1u);
  EXPECT_EQ(*players.find(1u), session);
  ASSERT_TRUE(session.request_release());
  EXPECT_TRUE(players.find(1u).is(Errc::not_found));
}

TEST_F(StoreCalls, inspect_says_who_holds_a_record_and_what_waits_in_it) {
  EXPECT_FALSE(players.inspect(1u)->exists);
  store(1, 7);
  auto free = players.inspect(1u);
  EXPECT_TRUE(free->exists);
  EXPECT_FALSE(free->held);
  EXPECT_GT(free->bytes, 0U);
  auto session = *players.load(1u);
  clock.advance(3s);
  ASSERT_TRUE(players.post(1u, Gift{1}));
  const auto held = players.inspect(1u);
  EXPECT_TRUE(held->held);
  EXPECT_EQ(held->holder.server, "eu-1");
  EXPECT_EQ(held->holder.epoch, session.epoch());
  EXPECT_EQ(held->holder.age, 3s);
  EXPECT_EQ(held->inbox_messages, 1U);
  EXPECT_GT(held->inbox_bytes, 0U);
}

TEST_F(StoreCalls, update_changes_the_live_data_of_a_session_that_is_open_here) {
  auto session = *players.load(1u);
  const auto answer = players.update(1u, [](Player& player) { return player.coins += 1; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, 101);
  EXPECT_EQ(session.view()->coins, 101);
  EXPECT_TRUE(session.is_dirty());
  EXPECT_TRUE(players.update(1u, [](Player& player) { player.coins = -1; }).is(Errc::invalid));
  EXPECT_EQ(session.view()->coins, 101);
}

TEST_F(StoreCalls, update_changes_a_record_that_nobody_holds) {
  store(1, 7);
  EXPECT_EQ(*players.update(1u, [](Player& player) { return player.coins += 1; }), 8);
  EXPECT_EQ(coins(players, 1), 8);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_TRUE(players
                  .update(1u,
                          [](Player& player) -> persist::Result<int> {
                            player.coins = 0;
                            return persist::Error(Errc::refused, "no");
                          })
                  .is(Errc::refused));
  EXPECT_TRUE(players.update(1u, [](Player& player) { player.coins = -1; }).is(Errc::invalid));
  EXPECT_EQ(coins(players, 1), 8);
  EXPECT_EQ(players.inspect(1u)->version, 2U);
  EXPECT_TRUE(players.update(2u, [](Player&) {}).is(Errc::not_found));
  EXPECT_FALSE(players.inspect(2u)->exists);
}

TEST_F(StoreCalls, update_of_a_record_that_is_held_elsewhere_is_locked) {
  auto other = open("eu-2");
  auto held = *other.load(1u);
  const auto before = clock.now();
  EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::locked));
  EXPECT_EQ(clock.now(), before);
  EXPECT_FALSE(players.inspect(1u)->release_requested);
}

TEST_F(StoreCalls, overwrite_ends_a_live_session_elsewhere) {
  auto other = open("eu-2");
  auto held = *other.load(1u);
  held.edit()->coins = 5;
  ASSERT_TRUE(held.grant_once("r", [](Player&) {}));
  ASSERT_TRUE(held.add_user_id(9));
  ASSERT_TRUE(held.save());
  held.edit()->coins = 6;
  Player fresh;
  fresh.coins = 77;
  const auto written = players.overwrite(1u, fresh);
  ASSERT_TRUE(written);
  EXPECT_FALSE(written->dropped_unknown);
  EXPECT_TRUE(held.save().is(Errc::fenced));
  EXPECT_EQ(coins(players, 1), 77);
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{9});
  EXPECT_EQ(*players.load(1u)->grant_once("r", [](Player&) {}), Grant::durable);
}

TEST_F(StoreCalls, an_overwrite_that_breaks_a_rule_takes_the_record_from_nobody) {
  auto other = open("eu-2");
  auto held = *other.load(1u);
  held.edit()->coins = 5;
  Player bad;
  bad.coins = -1;
  EXPECT_TRUE(players.overwrite(1u, bad).is(Errc::invalid));
  EXPECT_TRUE(held.save());
  EXPECT_EQ(coins(players, 1), 5);
}

TEST_F(StoreCalls, overwrite_of_an_open_session_is_its_new_data) {
  auto session = *players.load(1u);
  Player fresh;
  fresh.coins = 77;
  ASSERT_TRUE(players.overwrite(1u, fresh));
  EXPECT_EQ(session.view()->coins, 77);
  EXPECT_EQ(session.state(), State::open);
  EXPECT_EQ(coins(players, 1), 77);
}

struct OldPlayer {
  std::int64_t coins = 0;
};

TEST_F(StoreCalls, update_keeps_unknown_fields_and_overwrite_drops_them_and_says_so) {
  store(1, 7);
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.level = 9; }));
  persist::Store<std::uint64_t, OldPlayer, Db> old("players", db, options("old"));
  ASSERT_TRUE(old.update(1u, [](OldPlayer& player) { player.coins = 8; }));
  EXPECT_EQ(players.peek(1u)->data.level, 9);
  EXPECT_EQ(coins(players, 1), 8);
  const auto written = old.overwrite(1u, OldPlayer{3});
  ASSERT_TRUE(written);
  EXPECT_TRUE(written->dropped_unknown);
  EXPECT_EQ(players.peek(1u)->data.level, 1);
}

TEST_F(StoreCalls, a_grant_of_a_record_that_nobody_holds_is_durable_at_once_and_once) {
  store(1, 7);
  int runs = 0;
  const auto fn = [&](Player& player) { ++player.coins, ++runs; };
  EXPECT_EQ(*players.grant_once(1u, "r", fn), Grant::durable);
  EXPECT_EQ(*players.grant_once(1u, "r", fn), Grant::durable);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(coins(players, 1), 8);
  EXPECT_EQ(players.metrics().grants, 1U);
  EXPECT_EQ(players.metrics().grants_repeated, 1U);
  auto other = open("eu-2");
  auto held = *other.load(1u);
  EXPECT_TRUE(players.grant_once(1u, "s", fn).is(Errc::locked));
}

TEST_F(StoreCalls, a_grant_is_pending_until_it_is_saved) {
  auto session = *players.load(1u);
  int runs = 0;
  const auto fn = [&](Player& player) { ++player.coins, ++runs; };
  EXPECT_EQ(*session.grant_once("r", fn), Grant::pending);
  EXPECT_EQ(*session.grant_once("r", fn), Grant::pending);
  db.fail_commits(Errc::io);
  EXPECT_FALSE(session.save());
  EXPECT_EQ(*session.grant_once("r", fn), Grant::pending);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(*session.grant_once("r", fn), Grant::durable);
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(session.grant_once("", fn).is(Errc::invalid));
  EXPECT_TRUE(session.grant_once("bad", [](Player& p) { p.coins = -1; }).is(Errc::invalid));
  EXPECT_EQ(session.view()->coins, 101);
  EXPECT_EQ(*session.grant_once("bad", fn), Grant::pending);  // it was never granted
}

TEST_F(StoreCalls, a_grant_that_was_lost_with_its_session_may_be_granted_again) {
  auto other = open("eu-2");
  auto session = *players.load(1u);
  EXPECT_EQ(*session.grant_once("r", [](Player& p) { ++p.coins; }), Grant::pending);
  auto thief = *other.load(1u, {.conflict = persist::Conflict::steal});
  EXPECT_FALSE(session.save());
  EXPECT_EQ(*thief.grant_once("r", [](Player& p) { ++p.coins; }), Grant::pending);
  EXPECT_EQ(thief.view()->coins, 101);
}

TEST_F(StoreCalls, a_receipt_older_than_the_oldest_forgotten_is_refused) {
  auto session = *players.load(1u);
  const auto none = [](Player&) {};
  const auto long_ago = clock.wall();
  for (int i = 0; i < 4097; ++i)
    ASSERT_TRUE(session.grant_once("old-" + std::to_string(i), none));
  ASSERT_TRUE(session.save());
  clock.advance(100 * 24h);
  for (int i = 0; i < 4097; ++i)
    ASSERT_TRUE(session.grant_once("new-" + std::to_string(i), none)) << i;
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(session.save({.force = true}));  // forgets
  EXPECT_EQ(*session.grant_once({"old-1", long_ago}, none), Grant::refused);
  EXPECT_EQ(*session.grant_once("no time", none), Grant::refused);
  EXPECT_EQ(*session.grant_once({"today", clock.wall()}, none), Grant::pending);
  EXPECT_EQ(*session.grant_once("new-7", none), Grant::durable);
}

TEST_F(StoreCalls, erase_removes_the_record_with_all_it_has) {
  store(1, 7);
  ASSERT_TRUE(players.post(1u, Gift{1}));
  ASSERT_TRUE(players.erase(1u));
  EXPECT_FALSE(players.inspect(1u)->exists);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
  EXPECT_TRUE(players.erase(2u).is(Errc::not_found));
  auto session = *players.load(1u);
  EXPECT_TRUE(session.is_new());
  ASSERT_TRUE(players.erase(1u));
  EXPECT_EQ(session.state(), State::lost);
}

TEST_F(StoreCalls, scan_gives_every_key_with_data_once_in_pages) {
  for (std::uint64_t key = 0; key < 25; ++key)
    store(key, 1);
  ASSERT_TRUE(players.post(99u, Gift{1}));  // no data
  std::vector<std::string> keys;
  persist::KeyPage page;
  for (int pages = 0; !page.done && pages < 10; ++pages) {
    page = *players.scan(page.next, 10);
    EXPECT_LE(page.keys.size(), 10U);
    keys.insert(keys.end(), page.keys.begin(), page.keys.end());
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::unique(keys.begin(), keys.end()), keys.end());
  EXPECT_EQ(keys.size(), 25U);
}

TEST_F(StoreCalls, a_server_id_that_is_too_long_is_refused) {
  Players bad("players", db, options("a server's name of 24 b."));
  EXPECT_TRUE(bad.status().is(Errc::invalid));
  EXPECT_TRUE(bad.load(1u).is(Errc::invalid));
  EXPECT_TRUE(bad.begin_load(1u).take().is(Errc::invalid));
  EXPECT_TRUE(bad.post(1u, Gift{}).is(Errc::invalid));
  EXPECT_TRUE(bad.scan().is(Errc::invalid));
  (void)bad.poll();
  EXPECT_TRUE(open("a server's name of 23 b").status());
}

TEST_F(StoreCalls, a_store_opened_with_another_lock_kind_is_invalid) {
  persist::Store<std::uint64_t, Save, Db, persist::lock::None> none("players", db, options());
  EXPECT_TRUE(none.status().is(Errc::invalid));
  EXPECT_TRUE(none.load(1u).is(Errc::invalid));
  (void)none.poll();
  persist::Store<std::uint64_t, Save, Db, persist::lock::None> own("others", db, options());
  EXPECT_TRUE(own.status());
}

TEST_F(StoreCalls, stores_of_two_names_share_no_records) {
  Players other("others", db, options());
  store(1, 7);
  EXPECT_TRUE(other.peek(1u).is(Errc::not_found));
  EXPECT_EQ(other.name(), "others");
}

TEST_F(StoreCalls, what_a_store_did_is_counted) {
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  ASSERT_TRUE(session.save());
  db.fail_commits(Errc::io);
  session.edit()->coins = 8;
  EXPECT_FALSE(session.save());
  ASSERT_TRUE(session.release());
  EXPECT_FALSE(players.load(2u, {.while_ = [] { return false; }}));
  const persist::Metrics& metrics = players.metrics();
  EXPECT_EQ(metrics.loads, 1U);
  EXPECT_EQ(metrics.loads_failed, 1U);
  EXPECT_EQ(metrics.saves, 2U);
  EXPECT_EQ(metrics.saves_failed, 1U);
  EXPECT_EQ(metrics.releases, 1U);
  EXPECT_GT(metrics.bytes_saved, 0U);
}

using persist::Conflict;

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

// grant_once

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

TEST_F(StoreCallsTest, a_change_of_what_nobody_plays_is_written_whatever_a_release_does) {
  auto told = options();
  told.save_on_release = false;
  Players players("players", db, told);
  const auto gives = [](Player& player) { player.coins += 5; };
  EXPECT_EQ(*players.grant_once(1u, "r", gives), Grant::durable);
  EXPECT_EQ(coins(players, 1), 105);
  EXPECT_TRUE(players.update(1u, gives));
  EXPECT_EQ(coins(players, 1), 110);
  EXPECT_TRUE(players.overwrite(1u, Player{7, 1, "new"}));
  EXPECT_EQ(coins(players, 1), 7);
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

TEST_F(StoreCallsTest, a_post_whose_reply_is_lost_is_there_once) {
  auto players = open();
  db.script().posts_fail.push_back({Errc::unknown_outcome, true});
  const auto posted = players.post(1u, Gift{5});
  ASSERT_TRUE(posted);
  EXPECT_FALSE(posted->repeated);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  db.script().posts_fail.assign(9, {Errc::unknown_outcome});
  EXPECT_TRUE(players.post(1u, Gift{5}).is(Errc::unknown_outcome));
}

TEST_F(StoreCallsTest, a_calendar_that_is_put_right_is_heard_of) {
  clock.set_wall(persist::WallTime(std::chrono::hours(24 * 365 * 30)));  // no time server yet
  auto players = open();
  clock.set_wall(persist::WallTime(std::chrono::hours(24 * 365 * 56)));
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "early"}).is(Errc::refused));
  play(6s, players);
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "g"}));
  clock.set_wall(clock.wall() + std::chrono::hours(24 * 30));
  auto session = *players.load(2u);
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "h"}));
  clock.set_wall(clock.wall() + std::chrono::hours(24 * 30));
  ASSERT_TRUE(session.save({.force = true}));
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "i", .expires = 1h}));
  gives_gifts(players);
  EXPECT_EQ(players.load(1u)->view()->coins, 105) << "the others are over";
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
