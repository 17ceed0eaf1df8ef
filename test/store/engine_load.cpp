#include <persist/store/engine_load.hpp>

#include <support/world.hpp>

#include <persist/codec/json.hpp>

// Loading: attempts, holders, deadlines, and what a load that came to nothing leaves.

namespace {

using namespace test;

struct EngineLoad : World {
  /// Puts bytes under a key as a stranger would, and says which version that is.
  template <class AnyStore>
  void plant(AnyStore& store, std::uint64_t key, std::string_view what) {
    persist::AcquireRequest take;
    const std::string spelled = std::to_string(key);
    take.store = store.core().store();
    take.key = spelled;
    take.owner = db.next_owner(persist::ServerId("stranger"));
    take.lease = 1s;
    db.acquire(std::span(&take, 1));
    persist::Buffer bytes(persist::as_bytes(what));
    persist::Change change;
    change.store = take.store;
    change.key = spelled;
    change.fence = take.record.fence;
    change.fence.write = 1;
    change.data = &bytes;
    change.lease = persist::LeaseChange::release;
    persist::CommitRequest commit;
    commit.changes = std::span(&change, 1);
    db.commit(std::span(&commit, 1));
    ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
  std::string stored(Players& store, std::uint64_t key) {
    persist::ReadRequest read;
    const std::string spelled = std::to_string(key);
    read.store = store.core().store();
    read.key = spelled;
    db.read(std::span(&read, 1));
    return std::string(persist::as_text(read.record.data));
  }
};

Player rich(std::int64_t coins) {
  Player player;
  player.coins = coins;
  return player;
}

TEST_F(EngineLoad, a_load_of_a_new_record_gives_the_default_and_says_so) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session);
  EXPECT_TRUE(session->is_new());
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_EQ(session->version(), 0U);
  EXPECT_FALSE(session->is_dirty());
  ASSERT_TRUE(session->release());
  auto again = players.load(1u);
  EXPECT_FALSE(again->is_new());
  EXPECT_EQ(again->load_count(), 1U);
}

TEST_F(EngineLoad, a_load_may_bring_its_own_default) {
  auto players = open();
  auto session = players.load(1u, {.default_value = rich(5)});
  EXPECT_EQ(session->view()->coins, 5);
  ASSERT_TRUE(session->release());
  auto again = players.load(1u, {.default_value = rich(6)});
  EXPECT_EQ(again->view()->coins, 5);
}

TEST_F(EngineLoad, loading_a_key_that_is_open_gives_the_same_session) {
  auto players = open();
  auto one = players.load(1u);
  auto two = players.load(1u);
  EXPECT_EQ(*one, *two);
  EXPECT_EQ(one->epoch(), two->epoch());
  ASSERT_TRUE(one->release());
  EXPECT_EQ(two->state(), State::released);
  EXPECT_TRUE(two->save().is(Errc::closed));
}

TEST_F(EngineLoad, a_held_record_is_refused_at_once_with_its_holder) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  clock.advance(7s);
  const auto before = clock.now();
  const auto refused = b.load(1u, {.conflict = persist::Conflict::refuse});
  ASSERT_TRUE(refused.is(Errc::locked));
  EXPECT_EQ(clock.now(), before);
  ASSERT_NE(refused.error().holder(), nullptr);
  EXPECT_EQ(refused.error().holder()->server, "eu-1");
  EXPECT_EQ(refused.error().holder()->epoch, held->epoch());
  EXPECT_EQ(refused.error().holder()->age, 7s);
  EXPECT_EQ(refused.error().key(), "1");
  EXPECT_EQ(b.metrics().conflicts, 1U);
  EXPECT_FALSE(a.inspect(1u)->release_requested);
}

TEST_F(EngineLoad, a_request_makes_the_holder_save_and_let_go) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  held->edit()->coins = 7;
  std::vector<Reason> why;
  const auto heard = held->on_released([&](Reason reason, bool saved) {
    why.push_back(reason);
    EXPECT_TRUE(saved);
  });
  auto loading = b.begin_load(1u);
  const auto asked = clock.now();
  while (!loading.ready() && clock.now() < asked + 100s)
    play(1s, a, b);
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_EQ(clock.now() - asked, 1s);  // the next poll does all of it
  EXPECT_EQ(session->view()->coins, 7);
  EXPECT_EQ(held->state(), State::released);
  EXPECT_EQ(why, std::vector{Reason::handover});
  EXPECT_EQ(a.metrics().handovers, 1U);
}

TEST_F(EngineLoad, a_thief_takes_the_record_and_the_holder_can_change_nothing) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto old = a.load(1u);
  old->edit()->coins = 7;
  auto thief = b.load(1u, {.conflict = persist::Conflict::steal});
  ASSERT_TRUE(thief);
  EXPECT_GT(thief->epoch(), old->epoch());
  thief->edit()->coins = 8;
  ASSERT_TRUE(thief->save());
  const auto saved = old->save();
  ASSERT_TRUE(saved.is(Errc::fenced));
  ASSERT_NE(saved.error().holder(), nullptr);
  EXPECT_EQ(saved.error().holder()->server, "eu-2");
  EXPECT_EQ(old->state(), State::lost);
  EXPECT_EQ(coins(b, 1), 8);
}

TEST_F(EngineLoad, a_dead_holders_lease_runs_out_before_a_begun_load_gives_up) {
  auto b = open("eu-2");
  persist::testing::ManualClock stopped(clock.wall());
  auto told = options("eu-1");
  told.clock = &stopped;  // it never does anything any more
  Players a("players", db, told);
  auto held = a.load(1u);
  auto loading = b.begin_load(1u);
  const auto began = clock.now();
  while (!loading.ready() && clock.now() < began + 100s)
    play(1s, b);
  ASSERT_TRUE(loading.take());
  EXPECT_LE(clock.now() - began, 62s);
  held->edit()->coins = 9;
  EXPECT_TRUE(held->release().is(Errc::fenced));
}

TEST_F(EngineLoad, a_load_gives_up_at_its_deadline_and_withdraws_its_request) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  const auto began = clock.now();
  const auto refused = b.load(1u, {.deadline = 3s});
  ASSERT_TRUE(refused.is(Errc::locked));
  EXPECT_EQ(clock.now() - began, 3s);
  EXPECT_FALSE(a.inspect(1u)->release_requested);
  play(5s, a);
  EXPECT_EQ(held->state(), State::open);
}

TEST_F(EngineLoad, a_begun_load_that_is_dropped_withdraws_its_request) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  {
    auto loading = b.begin_load(1u);
    b.poll();
    EXPECT_TRUE(a.inspect(1u)->release_requested);
  }
  b.poll();
  EXPECT_FALSE(a.inspect(1u)->release_requested);
  EXPECT_EQ(b.open_sessions(), 0U);
}

TEST_F(EngineLoad, the_newest_asker_is_served_and_the_older_one_is_told) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto c = open("eu-3");
  auto held = a.load(1u);
  auto guard = held->edit();  // it cannot let go yet
  auto older = b.begin_load(1u);
  b.poll();
  auto newer = c.begin_load(1u);
  c.poll();
  play(3s, a, b, c);
  ASSERT_TRUE(older.ready());
  const auto refused = older.take();
  ASSERT_TRUE(refused.is(Errc::locked));
  EXPECT_NE(refused.error().detail().find("newer"), std::string_view::npos);
  EXPECT_FALSE(newer.ready());
  EXPECT_TRUE(a.inspect(1u)->release_requested);
}

TEST_F(EngineLoad, an_asker_that_is_gone_keeps_nobody_from_what_ran_out) {
  auto holder = open("eu-1");
  auto gone = open("eu-2");
  auto session = holder.load(1u);
  ASSERT_TRUE(session);
  auto asks = gone.begin_load(1u);
  gone.poll();
  clock.advance(200s);  // neither of the two is heard of again
  auto players = open("eu-3");
  db.script().acquires.push_back({Errc::unavailable});
  auto load = players.begin_load(1u);
  play(10s, players);
  ASSERT_TRUE(load.ready());
  const auto loaded = load.take();
  EXPECT_TRUE(loaded) << loaded.error();
}

TEST_F(EngineLoad, a_request_is_of_the_epoch_it_was_left_under) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u);
  b.poll();
  ASSERT_TRUE(held->release());
  auto again = a.load(1u);
  ASSERT_TRUE(again);
  EXPECT_FALSE(a.inspect(1u)->release_requested);
  play(3s, a);
  EXPECT_EQ(again->state(), State::open);
}

TEST_F(EngineLoad, while_a_request_stands_commits_save_and_do_not_renew) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto guard = held->edit();
  auto loading = b.begin_load(1u);
  b.poll();
  play(61s, a);
  EXPECT_FALSE(a.inspect(1u)->held);
}

TEST_F(EngineLoad, loads_of_one_key_are_joined) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto one = b.begin_load(1u);
  auto two = b.begin_load(1u);
  b.poll();
  ASSERT_TRUE(held->release());
  play(2s, b);
  ASSERT_TRUE(one.ready());
  ASSERT_TRUE(two.ready());
  auto first = one.take();
  auto second = two.take();
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(b.metrics().loads, 1U);
}

TEST_F(EngineLoad, a_load_that_joins_one_of_less_patience_waits_as_it_was_told) {
  auto holder = open("eu-2");
  auto players = open("eu-1");
  const auto taken = [&](Players::Loading loading) {
    play(3s, holder, players);
    auto session = loading.take();
    return session && session->release();
  };
  auto held = *holder.load(1u);
  auto begun = players.begin_load(1u, {.conflict = persist::Conflict::refuse});
  EXPECT_TRUE(taken(players.begin_load(1u)));
  EXPECT_EQ(held.state(), State::released);

  held = *holder.load(1u);
  std::optional<Players::Loading> joined;
  db.script().during_acquire = [&] { joined = players.begin_load(1u); };
  EXPECT_FALSE(players.try_load(1u));
  EXPECT_TRUE(taken(*std::move(joined)));
  EXPECT_EQ(held.state(), State::released);

  held = *holder.load(1u);
  begun = players.begin_load(1u, {.conflict = persist::Conflict::refuse});
  EXPECT_TRUE(players.try_load(1u).is(Errc::busy));
  players.poll();
  EXPECT_TRUE(begun.take().is(Errc::locked)) << "one attempt asks nobody to let go";
}

TEST_F(EngineLoad, a_joined_load_goes_on_while_anybody_wants_it) {
  auto players = open();
  auto one = players.begin_load(1u);
  auto two = players.begin_load(1u);
  one.cancel();
  players.poll();
  EXPECT_TRUE(one.take().is(Errc::cancelled));
  EXPECT_TRUE(two.take());
}

TEST_F(EngineLoad, a_begun_load_that_is_not_ready_says_busy) {
  auto players = open();
  auto loading = players.begin_load(1u);
  EXPECT_FALSE(loading.ready());
  EXPECT_TRUE(loading.take().is(Errc::busy));
  EXPECT_TRUE(players.find(1u).is(Errc::not_found));
  players.poll();
  EXPECT_TRUE(loading.take());
  EXPECT_TRUE(loading.take().is(Errc::cancelled));
}

TEST_F(EngineLoad, one_attempt_never_waits_not_even_for_a_load_that_does) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto begun = b.begin_load(1u);
  b.poll();
  const auto before = clock.now();
  const auto tried = b.try_load(1u);
  EXPECT_FALSE(tried);
  EXPECT_EQ(clock.now(), before);
  EXPECT_FALSE(begun.ready());
  EXPECT_TRUE(a.inspect(1u)->release_requested);
}

TEST_F(EngineLoad, a_change_of_a_record_that_is_being_loaded_ends_no_load) {
  auto a = open("eu-1");
  auto first = a.load(1u);
  ASSERT_TRUE(first->release());
  auto begun = a.begin_load(1u);
  const auto updated = a.update(1u, [](Player& player) { player.coins = 3; });
  play(2s, a);
  auto session = begun.take();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(session->view()->coins, updated ? 3 : 100);
}

TEST_F(EngineLoad, loading_one_that_is_releasing_waits_for_that_and_then_acquires) {
  auto players = open();
  auto old = players.load(1u);
  old->edit()->coins = 7;
  ASSERT_TRUE(old->request_release());
  auto loading = players.begin_load(1u);
  EXPECT_FALSE(loading.ready());
  play(2s, players);
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_NE(*session, *old);
  EXPECT_EQ(session->view()->coins, 7);
  old = persist::Error(Errc::closed);
  auto third = players.load(1u);
  EXPECT_EQ(*third, *session);
}

TEST_F(EngineLoad, a_blocking_load_finishes_the_release_that_is_under_way) {
  auto players = open();
  auto old = players.load(1u);
  old->edit()->coins = 7;
  ASSERT_TRUE(old->request_release());
  auto session = players.load(1u);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->view()->coins, 7);
  EXPECT_EQ(old->state(), State::released);
}

TEST_F(EngineLoad, a_blocking_load_finishes_what_a_change_that_failed_has_to_give_back) {
  auto players = open();
  ASSERT_TRUE(players.load(1u)->release());
  db.fail_commits(Errc::unavailable, 2);
  EXPECT_TRUE(players.update(1u, [](Player& player) { player.coins = 7; }).is(Errc::unavailable));
  auto session = players.load(1u);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->view()->coins, 100);
}

TEST_F(EngineLoad, a_blocking_load_gives_up_on_a_release_that_cannot_end) {
  auto players = open();
  auto old = players.load(1u);
  auto guard = old->edit();
  ASSERT_TRUE(old->request_release());
  const auto refused = players.load(1u);
  EXPECT_TRUE(refused.is(Errc::busy));
}

TEST_F(EngineLoad, a_load_that_waits_behind_a_release_may_be_called_off) {
  auto players = open();
  auto old = players.load(1u);
  old->edit()->coins = 7;
  db.fail_commits(Errc::unavailable, 1);
  ASSERT_TRUE(old->request_release());
  {
    auto loading = players.begin_load(1u);
    players.poll();
  }
  play(5s, players);
  EXPECT_EQ(old->state(), State::released);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_TRUE(players.load(1u));
}

TEST_F(EngineLoad, a_load_that_waits_behind_a_release_outlives_its_store) {
  std::optional<Players> players(open());
  auto old = players->load(1u);
  auto guard = old->edit();
  ASSERT_TRUE(old->request_release());
  auto loading = players->begin_load(1u);
  players.reset();
  EXPECT_TRUE(loading.ready());
  EXPECT_FALSE(loading.take());
}

TEST_F(EngineLoad, a_begun_load_outlives_its_store) {
  std::optional<Players> players(open());
  auto loading = players->begin_load(1u);
  players.reset();
  EXPECT_TRUE(loading.ready());
  EXPECT_FALSE(loading.take());
}

TEST_F(EngineLoad, a_load_whose_player_has_left_gives_its_lease_back) {
  auto players = open();
  const auto refused = players.load(1u, {.while_ = [] { return false; }});
  EXPECT_TRUE(refused.is(Errc::cancelled));
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.inspect(1u)->load_count, 0U);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_TRUE(players.load(1u, {.while_ = [] { return true; }}));
}

TEST_F(EngineLoad, a_begun_load_that_is_dropped_gives_its_lease_back) {
  auto players = open();
  {
    auto loading = players.begin_load(1u);
    players.poll();
    EXPECT_TRUE(players.inspect(1u)->held);
  }
  players.poll();
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(EngineLoad, a_load_that_came_to_nothing_fires_nothing) {
  auto players = open();
  int heard = 0;
  const auto a = players.on_saved([&](auto&, const auto&) { ++heard; });
  const auto b = players.on_released([&](auto&, Reason, bool) { ++heard; });
  const auto c = players.on_state_changed([&](auto&, State, State) { ++heard; });
  const auto d = players.on_saving([&](auto&, Player&, Reason) { ++heard; });
  const auto e = players.on_renewal_failed([&](auto&, int) { ++heard; });
  EXPECT_TRUE(players.load(1u, {.while_ = [] { return false; }}).is(Errc::cancelled));
  db.fail_commits(Errc::unavailable, 2);
  EXPECT_TRUE(players.load(2u, {.while_ = [] { return false; }}).is(Errc::cancelled));
  play(5s, players);
  EXPECT_FALSE(players.inspect(2u)->held);
  auto taken = players.begin_load(3u, {.while_ = [] { return false; }});
  db.fail_commits(Errc::unavailable);
  players.poll();
  auto thief = open("eu-2").load(3u, {.conflict = persist::Conflict::steal});
  play(5s, players);
  EXPECT_EQ(heard, 0);
}

TEST_F(EngineLoad, a_handler_of_saving_that_loads_what_the_same_poll_is_loading_is_not_hung) {
  auto players = open();
  auto begun = players.begin_load(1u);
  auto busy = players.load(2u);
  busy->edit()->coins = 3;
  ASSERT_TRUE(busy->request_save());
  std::optional<persist::Result<Players::Session>> nested;
  const auto saving = players.on_saving([&](auto&, Player&, Reason) { nested = players.load(1u); });
  const auto before = clock.now();
  players.poll();
  ASSERT_TRUE(nested);
  EXPECT_EQ(clock.now(), before);
  EXPECT_TRUE(*nested || nested->is(Errc::busy));
  players.poll();
  EXPECT_TRUE(begun.take());
}

TEST_F(EngineLoad, what_may_pass_is_tried_again_until_the_deadline) {
  auto players = open();
  db.script().acquires = {{Errc::unavailable}, {Errc::timeout}};
  EXPECT_TRUE(players.load(1u));
  db.script().acquires.assign(100, {Errc::unavailable});
  const auto before = clock.now();
  EXPECT_TRUE(players.load(2u).is(Errc::unavailable));
  EXPECT_GE(clock.now() - before, 10s);
  EXPECT_LE(clock.now() - before, 31s);
  db.script().acquires = {{Errc::io}};
  EXPECT_TRUE(players.load(3u).is(Errc::io));
}

TEST_F(EngineLoad, an_acquisition_whose_reply_was_lost_is_taken_again_under_the_same_epoch) {
  auto players = open();
  db.script().acquires = {{Errc::timeout, true}};
  auto session = players.load(1u);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->epoch(), 1U);
  EXPECT_TRUE(session->save({.force = true}));
}

TEST_F(EngineLoad, a_lease_counts_from_the_first_attempt_that_may_have_taken_it) {
  auto players = open();
  db.script().acquires = {{Errc::timeout, true}};
  auto loading = players.begin_load(1u);
  players.poll();
  const auto taken = clock.now();
  play(3s, players);
  auto session = loading.take();
  ASSERT_TRUE(session);
  db.fail_commits(Errc::unavailable, 1000);
  play(taken + 54s - clock.now(), players);
  EXPECT_EQ(session->state(), State::suspect);
  db.script().commits.clear();
}

TEST_F(EngineLoad, a_lease_that_was_waited_for_counts_from_the_attempt_that_took_it) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u);
  b.poll();
  clock.advance(30s);
  ASSERT_TRUE(held->release());
  b.poll();
  auto session = loading.take();
  ASSERT_TRUE(session);
  clock.advance(19s);
  const auto commits = db.script().commit_requests;
  b.poll();
  EXPECT_EQ(db.script().commit_requests, commits) << "no renewal is due yet";
  EXPECT_EQ(session->state(), State::open);
}

TEST_F(EngineLoad, what_an_attempt_took_that_nobody_heard_of_is_given_back) {
  auto players = open();
  for (const bool applied : {true, false}) {
    db.script().acquires = {{Errc::timeout, applied}};
    EXPECT_TRUE(players.try_load(1u).is(Errc::timeout));
    EXPECT_FALSE(players.inspect(1u)->held);
    db.script().acquires = {{Errc::unknown_outcome, applied}};
    auto loading = players.begin_load(1u);
    players.poll();
    loading.cancel();
    players.poll();
    EXPECT_FALSE(players.inspect(1u)->held);
    EXPECT_EQ(players.open_sessions(), 0U);
  }
  EXPECT_EQ(players.inspect(1u)->load_count, 0U);
}

TEST_F(EngineLoad, a_request_that_was_lost_on_its_way_is_left_by_the_next_attempt) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  db.script().acquires = {{Errc::unavailable}};
  auto loading = b.begin_load(1u);
  play(4s, a, b);
  EXPECT_TRUE(loading.take());
  EXPECT_EQ(held->state(), State::released);
}

TEST_F(EngineLoad, a_request_whose_reply_was_lost_does_not_put_a_newer_one_aside) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto c = open("eu-3");
  auto held = a.load(1u);
  auto guard = held->edit();  // it cannot let go yet
  db.script().acquires = {{Errc::timeout, true}};
  auto older = b.begin_load(1u);
  b.poll();
  EXPECT_TRUE(a.inspect(1u)->release_requested);
  auto newer = c.begin_load(1u);
  c.poll();
  play(3s, a, b, c);
  ASSERT_TRUE(older.ready());
  EXPECT_TRUE(older.take().is(Errc::locked));
  EXPECT_FALSE(newer.ready());
  EXPECT_TRUE(a.inspect(1u)->release_requested);
}

TEST_F(EngineLoad, a_load_that_ends_with_an_error_takes_its_request_back) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u);
  b.poll();
  EXPECT_TRUE(a.inspect(1u)->release_requested);
  db.script().acquires = {{Errc::io}};
  play(2s, b);
  EXPECT_TRUE(loading.take().is(Errc::io));
  EXPECT_FALSE(a.inspect(1u)->release_requested);
}

TEST_F(EngineLoad, a_load_that_is_called_off_while_it_is_out_leaves_neither_lease_nor_request) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  for (const bool is_held : {false, true}) {
    auto held = is_held ? a.load(1u) : persist::Result<Players::Session>(Errc::closed);
    auto loading = b.begin_load(1u);
    db.script().during_acquire = [&] { loading.cancel(); };
    b.poll();
    b.poll();
    EXPECT_TRUE(loading.take().is(Errc::cancelled));
    EXPECT_FALSE(a.inspect(1u)->release_requested);
    EXPECT_EQ(a.inspect(1u)->held, is_held);
    EXPECT_EQ(b.open_sessions(), 0U);
  }
}

TEST_F(EngineLoad, a_store_that_closes_takes_the_requests_of_its_loads_back) {
  auto a = open("eu-1");
  std::optional<Players> b(open("eu-2"));
  auto held = a.load(1u);
  auto loading = b->begin_load(1u);
  b->poll();
  EXPECT_TRUE(a.inspect(1u)->release_requested);
  b.reset();
  EXPECT_TRUE(loading.take().is(Errc::cancelled));
  EXPECT_FALSE(a.inspect(1u)->release_requested);
}

TEST_F(EngineLoad, a_record_is_loaded_while_one_of_those_who_wait_still_wants_it) {
  auto players = open();
  auto gone = players.begin_load(1u, {.while_ = [] { return false; }});
  auto back_again = players.begin_load(1u, {.while_ = [] { return true; }});
  players.poll();
  EXPECT_TRUE(back_again.take());
  auto still_here = players.begin_load(2u, {.while_ = [] { return true; }});
  auto left = players.begin_load(2u, {.while_ = [] { return false; }});
  still_here.cancel();
  players.poll();
  EXPECT_TRUE(left.take().is(Errc::cancelled));
  EXPECT_FALSE(players.inspect(2u)->held);
}

TEST_F(EngineLoad, the_condition_of_a_load_may_call_the_store_and_may_throw) {
  auto players = open();
  auto session = players.load(1u, {.while_ = [&] {
                                players.poll();
                                return players.load(2u).has_value();
                              }});
  ASSERT_TRUE(session);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_TRUE(players.load(3u, {.while_ = []() -> bool { throw 1; }}).is(Errc::cancelled));
  EXPECT_FALSE(players.inspect(3u)->held);
  EXPECT_TRUE(logged("threw"));
}

TEST_F(EngineLoad, a_blocking_load_that_joins_another_gives_up_at_its_own_deadline) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto begun = b.begin_load(1u);
  const auto began = clock.now();
  EXPECT_FALSE(b.load(1u, {.deadline = 3s}));
  EXPECT_LE(clock.now() - began, 5s);
  EXPECT_FALSE(begun.ready());
  EXPECT_TRUE(a.inspect(1u)->release_requested);
  play(3s, a, b);
  EXPECT_TRUE(begun.take());
}

TEST_F(EngineLoad, a_load_may_wait_for_ever) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto guard = held->edit();
  auto loading = b.begin_load(1u, {.deadline = persist::Duration::max()});
  play(30s, a, b);
  EXPECT_FALSE(loading.ready());
  play(60s, b);
  EXPECT_TRUE(loading.take());
}

TEST_F(EngineLoad, nobody_joins_the_change_of_a_record_that_nobody_plays) {
  auto players = open();
  ASSERT_TRUE(players.load(1u)->release());
  std::optional<Players::Loading> loading;
  const auto saving = players.on_saving([&](auto&, Player&, Reason) {
    EXPECT_TRUE(players.find(1u).is(Errc::not_found));
    if (!loading) loading = players.begin_load(1u);
  });
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.coins = 3; }));
  ASSERT_TRUE(loading);
  players.poll();
  auto session = loading->take();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(session->view()->coins, 3);
}

TEST_F(EngineLoad, a_record_that_cannot_be_read_is_never_replaced) {
  auto players = open();
  const std::string corrupt = "no envelope at all";
  plant(players, 1, corrupt);
  EXPECT_TRUE(players.load(1u).is(Errc::corrupt));
  EXPECT_TRUE(players.try_load(1u).is(Errc::corrupt));
  EXPECT_TRUE(players.peek(1u).is(Errc::corrupt));
  EXPECT_TRUE(players.overwrite(1u, Player{}).is(Errc::corrupt));
  EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::corrupt));
  EXPECT_TRUE(players.grant_once(1u, "r", [](Player&) {}).is(Errc::corrupt));
  auto begun = players.begin_load(1u);
  play(60s, players);
  EXPECT_TRUE(begun.take().is(Errc::corrupt));
  EXPECT_EQ(players.close_all(1s), 0U);
  EXPECT_EQ(stored(players, 1), corrupt);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.inspect(1u)->version, 1U);
}

TEST_F(EngineLoad, a_record_of_another_codec_is_named_and_left_alone) {
  using Texts =
      persist::Store<std::uint64_t, Save, Db, persist::lock::Lease<>, persist::codec::Json>;
  auto told = options();
  Texts texts("players", db, told);
  auto session = texts.load(1u);
  session->edit()->coins = 5;
  ASSERT_TRUE(session->release());
  auto players = open();
  const auto before = stored(players, 1);
  const auto refused = players.load(1u);
  ASSERT_TRUE(refused.is(Errc::wrong_codec));
  EXPECT_NE(refused.error().message().find("json"), std::string::npos) << refused.error();
  EXPECT_NE(refused.error().message().find("packed"), std::string::npos) << refused.error();
  EXPECT_TRUE(players.overwrite(1u, Player{}).is(Errc::wrong_codec));
  EXPECT_EQ(stored(players, 1), before);
  EXPECT_EQ(texts.load(1u)->view()->coins, 5);
}

TEST_F(EngineLoad, a_record_that_breaks_a_rule_is_refused_at_load) {
  struct Loose {
    std::int64_t coins = -5;
  };
  persist::Store<std::uint64_t, Loose, Db> loose("players", db, options());
  ASSERT_TRUE(loose.load(1u)->release());
  auto players = open();
  EXPECT_TRUE(players.load(1u).is(Errc::invalid));
  EXPECT_EQ(loose.peek(1u)->data.coins, -5);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(EngineLoad, a_key_that_is_none_is_refused_before_any_io) {
  using Named = persist::Store<std::string, Save, Db>;
  Named named("players", db, options());
  db.script() = {};
  for (const std::string& key :
       {std::string(), std::string(256, 'k'), std::string(10'000, 'k'), std::string("a\0b", 3)}) {
    EXPECT_TRUE(named.load(key).is(Errc::invalid)) << key.size();
    EXPECT_TRUE(named.begin_load(key).take().is(Errc::invalid));
    EXPECT_TRUE(named.find(key).is(Errc::invalid));
    EXPECT_TRUE(named.peek(key).is(Errc::invalid));
    EXPECT_TRUE(named.post(key, Gift{1}).is(Errc::invalid));
    EXPECT_TRUE(named.update(key, [](Player&) {}).is(Errc::invalid));
    EXPECT_TRUE(named.overwrite(key, Player{}).is(Errc::invalid));
    EXPECT_TRUE(named.erase(key).is(Errc::invalid));
  }
  EXPECT_EQ(db.script().acquire_requests + db.script().posts, 0U);
  auto path = named.load(std::string("../../etc/passwd"));
  ASSERT_TRUE(path);
  EXPECT_EQ(path->id(), "../../etc/passwd");
  ASSERT_TRUE(named.load(std::string(255, 'k')));
}

// A load that does without its record.

struct Ephemeral : World {
  Players players = open();
  static Players::LoadOptions may_do_without() {
    Players::LoadOptions how;
    how.if_unavailable = persist::IfUnavailable::ephemeral;
    return how;
  }
};

TEST_F(Ephemeral, a_load_that_may_do_without_storage_gives_the_default) {
  db.fail_acquires(Errc::unavailable, 1000);
  const auto began = clock.now();
  auto session = players.load(1u, may_do_without());
  ASSERT_TRUE(session);
  EXPECT_EQ(clock.now() - began, 10s) << "it tries until its deadline";
  EXPECT_TRUE(session->is_ephemeral());
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_TRUE(players.find(1u)->is_ephemeral());
}

TEST_F(Ephemeral, who_did_not_agree_to_one_gets_none) {
  db.fail_acquires(Errc::unavailable, 1000);
  auto session = players.load(1u, may_do_without());
  ASSERT_TRUE(session);
  db.script().acquires.clear();
  EXPECT_TRUE(players.load(1u).is(Errc::unavailable));
  EXPECT_EQ(*players.load(1u, may_do_without()), *session);
  EXPECT_TRUE(players.update(1u, [](Player& player) { player.coins = 9; }).is(Errc::unavailable))
      << "a change by key is meant to last";
  EXPECT_EQ(session->view()->coins, 100);
  ASSERT_TRUE(session->release());
  auto real = players.load(1u);
  ASSERT_TRUE(real);
  EXPECT_FALSE(real->is_ephemeral());
}

TEST_F(Ephemeral, nothing_of_it_is_ever_saved) {
  ASSERT_TRUE(players.update(1u, [](Player& player) { player.coins = 9; }, {.create = true}));
  db.fail_acquires(Errc::unavailable, 1000);
  auto session = players.load(1u, may_do_without());
  db.script().acquires.clear();
  session->edit()->coins = 5;
  EXPECT_TRUE(session->save().is(Errc::unavailable));
  EXPECT_TRUE(session->request_save().is(Errc::unavailable));
  EXPECT_TRUE(session->erase().is(Errc::unavailable));
  EXPECT_TRUE(session->durable().is(Errc::unavailable));
  EXPECT_TRUE(session->send(2u, Gift{1}).is(Errc::unavailable));
  EXPECT_TRUE(session->grant_once("r", [](Player&) {}).is(Errc::unavailable));
  auto other = players.load(2u);
  const auto trade = [](Player& a, Player& b) { --a.coins, ++b.coins; };
  EXPECT_TRUE(players.transact(*session, *other, trade).is(Errc::unavailable));
  play(5min, players);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(coins(players, 1), 9);
  std::vector<bool> saved;
  const auto heard =
      session->on_released([&](Reason, bool was_saved) { saved.push_back(was_saved); });
  EXPECT_TRUE(session->release().is(Errc::unavailable)) << "a loss is never silent";
  EXPECT_EQ(session->state(), State::released);
  EXPECT_EQ(saved, std::vector{false});
  EXPECT_TRUE(logged("ephemeral"));
  EXPECT_EQ(coins(players, 1), 9);
  EXPECT_EQ(players.load(1u)->view()->coins, 9);
}

TEST_F(Ephemeral, one_that_was_not_changed_ends_without_a_word) {
  db.fail_acquires(Errc::timeout, 1000);
  auto session = players.load(1u, may_do_without());
  ASSERT_TRUE(session);
  EXPECT_TRUE(session->release());
  EXPECT_EQ(coins(players, 1), -1);
}

TEST_F(Ephemeral, a_record_that_is_there_and_cannot_be_read_is_never_replaced_by_one) {
  auto other = open("eu-2");
  auto held = other.load(1u);
  EXPECT_TRUE(players.load(1u, may_do_without()).is(Errc::locked));
  db.fail_acquires(Errc::io, 1000);
  EXPECT_TRUE(players.load(2u, may_do_without()).is(Errc::io));
  db.script().acquires.clear();
}

TEST_F(Ephemeral, all_who_wait_must_agree) {
  db.fail_acquires(Errc::unavailable, 1000);
  auto one = players.begin_load(1u, may_do_without());
  auto two = players.begin_load(1u);
  play(2min, players);
  EXPECT_TRUE(one.take().is(Errc::unavailable));
  EXPECT_TRUE(two.take().is(Errc::unavailable));
}

TEST_F(Ephemeral, storage_that_comes_back_in_time_gives_the_record) {
  db.fail_acquires(Errc::unavailable, 2);
  auto session = players.load(1u, may_do_without());
  ASSERT_TRUE(session);
  EXPECT_FALSE(session->is_ephemeral());
  EXPECT_TRUE(session->save({.force = true}));
}

}  // namespace
