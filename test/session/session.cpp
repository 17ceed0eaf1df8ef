#include <persist/session/session.hpp>

#include <support/world.hpp>

// One session through its life: guards, dirty generations, saves, its end.

namespace {

using namespace test;

using SessionTest = World;

static_assert(sizeof(Players::Session) == sizeof(void*));
static_assert(sizeof(Players::Session::Edit) == sizeof(void*));
static_assert(sizeof(Players::Session::View) == sizeof(void*));

TEST_F(SessionTest, a_session_answers_what_it_is) {
  auto players = open();
  auto session = *players.load(1u);
  EXPECT_EQ(session.key(), 1u);
  EXPECT_EQ(session.id(), "1");
  EXPECT_EQ(session.usage().bytes, 0U);
  EXPECT_EQ(session.usage().share, 0.0);
  EXPECT_FALSE(session.instance_id().empty());
  session.edit()->coins = 7;
  const auto saved = session.save();
  ASSERT_TRUE(saved);
  EXPECT_TRUE(saved->written);
  EXPECT_EQ(saved->version, 1U);
  EXPECT_EQ(saved->bytes, session.stored_bytes());
  EXPECT_EQ(saved->at, clock.wall());
  EXPECT_EQ(session.created(), clock.wall());
  EXPECT_EQ(session.updated(), clock.wall());
  EXPECT_EQ(session.usage().bytes, saved->bytes);
  EXPECT_NEAR(session.usage().share, double(saved->bytes) / double(4 << 20), 1e-9);
  EXPECT_EQ(session.version(), 1U);
}

TEST_F(SessionTest, the_load_count_is_raised_by_the_first_commit_of_an_epoch) {
  auto players = open();
  auto session = *players.load(1u);
  EXPECT_EQ(session.load_count(), 0U);
  ASSERT_TRUE(session.save());  // clean: nothing is sent
  session.edit()->coins = 7;
  db.fail_commits(Errc::unavailable);
  EXPECT_FALSE(session.save());
  EXPECT_EQ(session.load_count(), 0U);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(session.load_count(), 1U);
  EXPECT_EQ(players.inspect(1u)->load_count, 1U);
  ASSERT_TRUE(session.release());
  auto again = *players.load(1u);
  ASSERT_TRUE(again.release());
  EXPECT_EQ(again.load_count(), 2U);
  EXPECT_EQ(players.inspect(1u)->load_count, 2U);
}

TEST_F(SessionTest, a_load_that_is_given_back_late_does_not_count) {
  auto players = open();
  db.fail_commits(Errc::unavailable);
  EXPECT_FALSE(players.load(1u, {.while_ = [] { return false; }}));
  play(5s, players);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.inspect(1u)->load_count, 0U);
}

TEST_F(SessionTest, half_an_edit_is_never_saved) {
  auto players = open();
  auto session = *players.load(1u);
  {
    auto guard = session.edit();
    guard->coins = 1;
    EXPECT_TRUE(session.save().is(Errc::busy));
    EXPECT_TRUE(session.save({.force = true}).is(Errc::busy));
    EXPECT_TRUE(session.release().is(Errc::busy));
    EXPECT_TRUE(session.grant_once("r", [](Player&) {}).is(Errc::busy));
    ASSERT_TRUE(session.request_save());
    play(40s, players);
    EXPECT_EQ(coins(players, 1), -1);
    EXPECT_EQ(session.state(), State::open);
    guard->coins = 2;
  }
  EXPECT_TRUE(session.is_dirty());
  clock.advance(10ms);
  players.poll();
  EXPECT_EQ(coins(players, 1), 2);
}

TEST_F(SessionTest, an_edit_guard_marks_the_session_dirty_when_it_ends) {
  auto players = open();
  auto session = *players.load(1u);
  {
    auto guard = session.edit();
    EXPECT_FALSE(session.is_dirty());
    const auto inner = session.view();
    EXPECT_EQ(inner->coins, 100);
  }
  EXPECT_TRUE(session.is_dirty());
  EXPECT_EQ(session.edit([](Player& player) { return ++player.coins; }), 101);
}

TEST_F(SessionTest, an_edit_while_a_save_is_out_belongs_to_the_next) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  // What is changed after the cut and before the reply.
  db.script().during_commit = [&] { session.edit()->coins = 2; };
  ASSERT_TRUE(session.save());
  EXPECT_TRUE(session.is_dirty());
  EXPECT_EQ(coins(players, 1), 1);
  play(31s, players);
  EXPECT_EQ(coins(players, 1), 2);
}

TEST_F(SessionTest, a_save_that_failed_leaves_the_session_dirty) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  db.fail_commits(Errc::io);
  EXPECT_TRUE(session.save().is(Errc::io));
  EXPECT_TRUE(session.is_dirty());
  EXPECT_EQ(session.version(), 0U);
  ASSERT_TRUE(session.save());
  EXPECT_FALSE(session.is_dirty());
}

TEST_F(SessionTest, touch_marks_and_force_writes) {
  auto players = open();
  auto session = *players.load(1u);
  ASSERT_TRUE(session.save({.force = true})->written);
  session.touch();
  EXPECT_TRUE(session.is_dirty());
  EXPECT_TRUE(session.save()->written);
  EXPECT_FALSE(session.save()->written);
  EXPECT_TRUE(session.save({.force = true})->written);
  EXPECT_EQ(session.version(), 3U);
}

TEST_F(SessionTest, a_change_made_without_a_guard_is_caught_at_release) {
  auto players = open();
  auto session = *players.load(1u);
  Player* leaked = nullptr;
  session.edit([&](Player& player) { leaked = &player; });
  ASSERT_TRUE(session.save());
  leaked->coins = 7;
  EXPECT_FALSE(session.save()->written);
  const auto released = session.release();
  EXPECT_TRUE(released->written);
  EXPECT_EQ(coins(players, 1), 7);
  auto again = *players.load(1u);
  EXPECT_FALSE(again.release()->written);
}

TEST_F(SessionTest, a_release_saves_and_gives_back_in_one_commit) {
  auto players = open();
  auto session = *players.load(1u);
  auto copy = session;
  session.edit()->coins = 7;
  db.script() = {};
  const auto released = session.release();
  ASSERT_TRUE(released);
  EXPECT_TRUE(released->written);
  EXPECT_EQ(db.script().commit_requests, 1U);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(copy.state(), State::released);
  EXPECT_FALSE(copy.is_active());
  EXPECT_EQ(players.metrics().releases, 1U);
}

TEST_F(SessionTest, a_store_may_release_without_saving) {
  auto told = options();
  told.save_on_release = false;
  Players players("players", db, told);
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  bool there = true;
  const auto heard = session.on_released([&](Reason, bool saved) { there = saved; });
  const auto released = session.release();
  ASSERT_TRUE(released);
  EXPECT_FALSE(released->written);
  EXPECT_FALSE(there);
  EXPECT_EQ(coins(players, 1), -1);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(SessionTest, after_the_end_every_call_says_closed) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  ASSERT_TRUE(session.release());
  EXPECT_TRUE(session.save().is(Errc::closed));
  EXPECT_TRUE(session.request_save().is(Errc::closed));
  EXPECT_TRUE(session.release().is(Errc::closed));
  EXPECT_TRUE(session.request_release().is(Errc::closed));
  EXPECT_TRUE(session.erase().is(Errc::closed));
  EXPECT_TRUE(session.durable().is(Errc::closed));
  EXPECT_TRUE(session.try_edit().is(Errc::closed));
  EXPECT_TRUE(session.add_user_id(1).is(Errc::closed));
  EXPECT_TRUE(session.set_metadata(persist::Value{}).is(Errc::closed));
  EXPECT_TRUE(session.send(2u, Gift{}).is(Errc::closed));
  EXPECT_TRUE(session.grant_once("r", [](Player&) {}).is(Errc::closed));
  EXPECT_EQ(session.view()->coins, 7);
}

TEST_F(SessionTest, an_edit_after_the_end_goes_to_a_copy_and_is_counted_and_logged) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  ASSERT_TRUE(session.release());
  session.edit()->coins = 8;
  EXPECT_EQ(session.edit()->coins, 8);
  EXPECT_EQ(session.view()->coins, 7);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(players.metrics().edits_after_end, 1U);
  EXPECT_TRUE(logged("never saved"));
  play(60s, players);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(SessionTest, a_guard_that_outlives_the_session_is_harmless) {
  auto players = open();
  auto other = open("eu-2");
  auto session = *players.load(1u);
  std::optional guard(session.edit());
  auto thief = other.load(1u, {.conflict = persist::Conflict::steal});
  play(30s, players);
  EXPECT_EQ(session.state(), State::lost);
  (*guard)->coins = 3;
  guard.reset();
  EXPECT_FALSE(session.save());
}

TEST_F(SessionTest, dropping_the_last_handle_is_a_release_and_reported_as_such) {
  auto players = open();
  std::vector<Reason> why;
  const auto heard =
      players.on_released([&](auto&, Reason reason, bool) { why.push_back(reason); });
  {
    auto session = *players.load(1u);
    session.edit()->coins = 7;
    auto copy = session;
  }
  EXPECT_EQ(players.open_sessions(), 1U);
  players.poll();
  EXPECT_EQ(why, std::vector{Reason::dropped});
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(SessionTest, a_session_outlives_its_store) {
  std::optional<Players> players(open());
  auto session = *players->load(1u);
  session.edit()->coins = 7;
  std::string heard;
  const auto released = session.on_released([&](Reason why, bool saved) {
    heard = std::string(name(why)) + (saved ? " saved" : " unsaved");
  });
  players.reset();
  EXPECT_EQ(heard, "shutdown saved");
  EXPECT_EQ(session.state(), State::released);
  EXPECT_TRUE(session.save().is(Errc::closed));
  EXPECT_EQ(session.view()->coins, 7);
  session.edit()->coins = 8;
  EXPECT_EQ(session.attempts_left(), 0);
  session.on_message([](Player&, const Gift&) {});
  auto after = open();
  EXPECT_EQ(coins(after, 1), 7);
}

TEST_F(SessionTest, a_store_destroyed_with_what_cannot_be_saved_says_so) {
  std::optional<Players> players(open());
  auto session = *players->load(1u);
  session.edit()->coins = 7;
  std::string heard;
  const auto released = session.on_released([&](Reason why, bool saved) {
    heard = std::string(name(why)) + (saved ? " saved" : " unsaved");
  });
  db.fail_commits(Errc::io, 1000);
  const auto before = clock.now();
  players.reset();
  EXPECT_GE(clock.now() - before, 10s);
  EXPECT_LE(clock.now() - before, 31s);
  EXPECT_EQ(heard, "shutdown unsaved");
  EXPECT_EQ(session.state(), State::lost);
  EXPECT_TRUE(logged("error: 1: the store was closed before its last changes were saved"));
  EXPECT_EQ(session.view()->coins, 7);
}

TEST_F(SessionTest,
       after_an_unknown_outcome_a_save_is_followed_by_a_newer_one_that_holds_all_of_it) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.grant_once("receipt", [](Player& player) { ++player.level; }));
  db.lose_reply();
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  EXPECT_TRUE(session.is_dirty());
  session.edit()->coins += 10;
  play(5s, players);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(coins(players, 1), 115);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
  EXPECT_EQ(*session.grant_once("receipt", [](Player& player) { ++player.level; }),
            persist::Grant::durable);
  EXPECT_EQ(session.view()->level, 2);
}

TEST_F(SessionTest, after_an_unknown_outcome_a_release_goes_again_with_the_same_number) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  db.lose_reply();
  EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
  EXPECT_EQ(session.state(), State::releasing);
  bool there = false;
  const auto heard = session.on_released([&](Reason, bool saved) { there = saved; });
  play(3s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_TRUE(there);
  EXPECT_EQ(players.inspect(1u)->version, 1U);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(SessionTest, a_release_that_landed_before_somebody_else_came_is_no_loss) {
  auto players = open();
  auto other = open("eu-2");
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  db.lose_reply();
  EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
  auto next = *other.load(1u);
  EXPECT_EQ(next.view()->coins, 7);
  bool there = false;
  const auto heard = session.on_released([&](Reason, bool saved) { there = saved; });
  play(3s, players);
  EXPECT_TRUE(ended(session.state()));
  EXPECT_TRUE(there);
}

TEST_F(SessionTest, a_release_that_fails_goes_on_with_the_next_polls) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  db.fail_commits(Errc::unavailable, 2);
  EXPECT_TRUE(session.release().is(Errc::unavailable));
  EXPECT_EQ(session.state(), State::releasing);
  session.edit()->coins = 8;  // it is not over yet
  play(10s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(coins(players, 1), 8);
}

TEST_F(SessionTest, what_is_too_large_is_refused_and_nothing_is_written) {
  auto told = options();
  told.record_limit = 1000;
  Players players("players", db, told);
  auto session = *players.load(1u);
  session.edit()->name.assign(2000, 'x');
  EXPECT_TRUE(session.save().is(Errc::too_large));
  EXPECT_EQ(coins(players, 1), -1);
  session.edit()->name.assign(500, 'x');
  ASSERT_TRUE(session.save());
  session.edit()->name.assign(2000, 'x');
  EXPECT_TRUE(session.release().is(Errc::too_large));
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(players.peek(1u)->data.name.size(), 500U);
}

TEST_F(SessionTest, what_breaks_a_rule_is_not_saved_and_play_goes_on) {
  auto players = open();
  auto session = *players.load(1u);
  std::string told;
  const auto refused =
      session.on_save_refused([&](const persist::Error& error) { told = error.message(); });
  session.edit()->coins = -1;
  EXPECT_TRUE(session.save().is(Errc::invalid));
  EXPECT_NE(told.find("coins below zero"), std::string::npos);
  EXPECT_TRUE(session.is_dirty());
  play(5min, players);
  EXPECT_EQ(session.state(), State::open);
  EXPECT_TRUE(players.inspect(1u)->held);
  EXPECT_EQ(coins(players, 1), -1);
  EXPECT_GT(players.metrics().saves_refused, 1U);
  session.edit()->coins = 1;
  play(31s, players);
  EXPECT_EQ(coins(players, 1), 1);
}

TEST_F(SessionTest, durable_is_what_storage_holds) {
  auto players = open();
  auto session = *players.load(1u);
  EXPECT_TRUE(session.durable().is(Errc::not_found));
  session.edit()->coins = 7;
  ASSERT_TRUE(session.save());
  session.edit()->coins = 8;
  EXPECT_EQ(session.durable()->coins, 7);
  EXPECT_EQ(session.clone().coins, 8);
  auto other = open("eu-2");
  auto thief = other.load(1u, {.conflict = persist::Conflict::steal});
  EXPECT_TRUE(session.durable().is(Errc::fenced));
}

TEST_F(SessionTest, user_ids_and_metadata_are_saved_with_the_data) {
  auto players = open();
  auto session = *players.load(1u);
  ASSERT_TRUE(session.add_user_id(11));
  ASSERT_TRUE(session.add_user_id(12));
  ASSERT_TRUE(session.add_user_id(11));
  ASSERT_TRUE(session.remove_user_id(12));
  ASSERT_TRUE(session.set_metadata(persist::Value("vip")));
  EXPECT_TRUE(session.is_dirty());
  db.fail_commits(Errc::unavailable);
  EXPECT_FALSE(session.save());
  ASSERT_TRUE(session.release());
  const auto read = players.peek(1u);
  EXPECT_EQ(read->user_ids, std::vector<std::uint64_t>{11});
  EXPECT_EQ(read->metadata, persist::Value("vip"));
  auto again = *players.load(1u);
  EXPECT_EQ(again.user_ids(), std::vector<std::uint64_t>{11});
  EXPECT_EQ(*again.metadata(), persist::Value("vip"));
}

TEST_F(SessionTest, user_ids_and_metadata_that_are_too_large_are_refused_and_the_rest_is_saved) {
  auto told = options();
  told.record_limit = 1000;
  Players players("players", db, told);
  auto session = *players.load(1u);
  ASSERT_TRUE(session.set_metadata(persist::Value(std::string(900, 'x'))));
  const auto larger = session.set_metadata(persist::Value(std::string(1000, 'x')));
  EXPECT_TRUE(larger.is(Errc::too_large));
  EXPECT_NE(larger.error().message().find("1003"), std::string::npos) << larger.error();
  std::uint64_t users = 0;
  while (session.add_user_id(users))
    ++users;
  EXPECT_EQ(users, 12U);  // (1,000 - 903) / 8
  EXPECT_TRUE(session.add_user_id(users).is(Errc::too_large));
  session.edit()->name.assign(900, 'x');
  ASSERT_TRUE(session.release());
  EXPECT_EQ(players.peek(1u)->user_ids.size(), 12U);
  EXPECT_EQ(players.peek(1u)->metadata, persist::Value(std::string(900, 'x')));
}

TEST_F(SessionTest, an_attachment_lives_with_the_session) {
  auto players = open();
  auto session = *players.load(1u);
  EXPECT_EQ(session.attach<int>(7), 7);
  session.attach<int>() = 8;
  auto copy = session;
  EXPECT_EQ(copy.attach<int>(), 8);
  EXPECT_EQ(copy.attach<std::string>("x"), "x");
}

TEST_F(SessionTest, autosave_of_one_session_can_be_changed_while_it_is_open) {
  auto players = open();
  auto session = *players.load(1u);
  auto off = *players.load(2u);
  session.edit()->coins = 7;
  off.edit()->coins = 7;
  players.poll();
  session.set_autosave(2s);
  play(3s, players);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(SessionTest, erasing_ends_the_session_and_a_late_save_writes_nothing) {
  auto players = open();
  auto other = open("eu-2");
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  ASSERT_TRUE(session.save());
  session.edit()->coins = 8;
  ASSERT_TRUE(other.erase(1u));
  const auto late = session.save();
  EXPECT_TRUE(late.is(Errc::fenced));
  EXPECT_NE(late.error().detail().find("erased"), std::string_view::npos);
  EXPECT_EQ(session.state(), State::lost);
  EXPECT_EQ(coins(players, 1), -1);
  auto again = *players.load(1u);
  EXPECT_TRUE(again.is_new());
  ASSERT_TRUE(again.save({.force = true}));
  EXPECT_GT(again.version(), 1U);
  ASSERT_TRUE(again.erase());
  EXPECT_EQ(again.state(), State::lost);
}

}  // namespace
