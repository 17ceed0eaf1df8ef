#include <persist/store/engine_poll.hpp>

#include <support/world.hpp>

#include <optional>
#include <stdexcept>

// What is due when: autosave, gaps, renewals, and the batches they make.

namespace {

using namespace test;

using EnginePoll = World;

TEST_F(EnginePoll, an_edit_is_saved_within_the_interval) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  play(29s, players);
  play(1s, players);
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_FALSE(session->is_dirty());
}

TEST_F(EnginePoll, a_session_that_is_edited_all_the_time_is_saved_within_the_interval) {
  auto told = options();
  told.renew = 0s;
  told.lease = 1h;
  Players players("players", db, told);
  auto session = players.load(1u);
  for (int second = 0; second < 31; ++second) {
    session->edit()->coins = second;
    play(1s, players);
  }
  EXPECT_GE(coins(players, 1), 10);
}

TEST_F(EnginePoll, autosaves_of_one_moment_are_spread) {
  auto told = options();
  told.renew = 45s;
  Players players("players", db, told);
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 100; ++key) {
    sessions.push_back(*players.load(key));
    sessions.back().edit()->coins = 1;
  }
  db.script() = {};
  std::size_t most = 0;
  for (int second = 0; second < 31; ++second) {
    const auto before = db.script().changes;
    play(1s, players);
    most = (std::max)(most, db.script().changes - before);
  }
  EXPECT_GE(db.script().changes, 100U);
  EXPECT_LT(most, 50U);
}

TEST_F(EnginePoll, all_that_is_due_at_one_poll_is_one_batch) {
  auto players = open();
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 50; ++key) {
    sessions.push_back(*players.load(key));
    sessions.back().edit()->coins = 1;
  }
  players.poll();
  db.script() = {};
  clock.advance(31s);
  players.poll();
  EXPECT_EQ(db.script().commit_batches, 1U);
  EXPECT_EQ(db.script().commit_requests, 50U);
}

TEST_F(EnginePoll, stores_that_are_polled_together_share_one_batch) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto one = a.load(1u);
  auto two = b.load(2u);
  one->edit()->coins = 1;
  two->edit()->coins = 2;
  persist::poll(a, b);
  db.script() = {};
  clock.advance(31s);
  persist::poll(a, b);
  EXPECT_EQ(db.script().commit_batches, 1U);
  EXPECT_EQ(db.script().commit_requests, 2U);
  EXPECT_EQ(coins(a, 1), 1);
  EXPECT_EQ(coins(a, 2), 2);
}

TEST_F(EnginePoll, a_clean_session_is_not_written) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  ASSERT_TRUE(session->save());
  const auto version = session->version();
  play(10min, players);
  const auto saved = session->save();
  ASSERT_TRUE(saved);
  EXPECT_FALSE(saved->written);
  EXPECT_EQ(session->version(), version);
  EXPECT_EQ(players.inspect(1u)->version, version);
}

TEST_F(EnginePoll, a_lease_is_renewed_and_renewals_are_one_batch) {
  auto players = open();
  auto one = players.load(1u);
  auto two = players.load(2u);
  db.script() = {};
  clock.advance(20s);
  players.poll();
  EXPECT_EQ(db.script().commit_batches, 1U);
  EXPECT_EQ(db.script().commit_requests, 2U);
  EXPECT_EQ(players.metrics().renewals, 2U);
  play(10min, players);
  EXPECT_EQ(one->state(), State::open);
  EXPECT_TRUE(players.inspect(2u)->held);
}

TEST_F(EnginePoll, a_renewal_that_is_due_on_a_dirty_session_is_a_save) {
  auto told = options();
  told.autosave = 0s;
  Players players("players", db, told);
  auto session = players.load(1u);
  session->edit()->coins = 7;
  play(19s, players);
  EXPECT_EQ(coins(players, 1), -1);
  play(1s, players);
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_EQ(players.metrics().saves, 1U);
}

TEST_F(EnginePoll, a_requested_save_joins_the_one_that_waits) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  db.script() = {};
  ASSERT_TRUE(session->request_save());
  ASSERT_TRUE(session->request_save());
  EXPECT_EQ(db.script().commit_requests, 0U);
  players.poll();
  players.poll();
  EXPECT_EQ(db.script().commit_requests, 1U);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, a_forced_save_that_was_requested_writes_a_clean_session) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->save({.force = true}));
  ASSERT_TRUE(session->request_save({.force = true}));
  players.poll();
  EXPECT_EQ(session->version(), 2U);
}

TEST_F(EnginePoll, a_forced_save_that_found_the_session_busy_is_not_forgotten) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->save({.force = true}));
  ASSERT_TRUE(session->request_save({.force = true}));
  EXPECT_FALSE(session->grant_once("r", [&](Player&) { return players.poll(), false; }));
  EXPECT_EQ(session->version(), 1U);
  play(1s, players);
  EXPECT_EQ(session->version(), 2U);
}

TEST_F(EnginePoll, a_lease_shorter_than_the_usual_pause_is_renewed_before_it_is_in_doubt) {
  auto told = options();
  told.lease = 12s;
  Players players("players", db, told);
  auto session = players.load(1u);
  int changes = 0;
  auto heard = session->on_state_changed([&](State, State) { ++changes; });
  play(5min, players);
  EXPECT_EQ(changes, 0);
  EXPECT_TRUE(players.inspect(1u)->held);
}

TEST_F(EnginePoll, min_gap_waits_and_drops_nothing) {
  auto told = options();
  told.min_gap = 10s;
  Players players("players", db, told);
  auto session = players.load(1u);
  session->edit()->coins = 1;
  ASSERT_TRUE(session->save());
  session->edit()->coins = 2;
  ASSERT_TRUE(session->request_save());
  play(9s, players);
  EXPECT_EQ(coins(players, 1), 1);
  play(1s, players);
  EXPECT_EQ(coins(players, 1), 2);
  session->edit()->coins = 3;
  const auto before = clock.now();
  ASSERT_TRUE(session->save());
  EXPECT_EQ(clock.now() - before, 10s);
  EXPECT_EQ(coins(players, 1), 3);
}

TEST_F(EnginePoll, a_gap_longer_than_the_lease_costs_no_lease) {
  auto told = options();
  told.min_gap = 5min;
  Players players("players", db, told);
  auto session = players.load(1u);
  session->edit()->coins = 1;
  ASSERT_TRUE(session->save());
  session->edit()->coins = 2;
  const auto version = session->version();
  for (int second = 0; second < 299; ++second) {
    play(1s, players);
    ASSERT_EQ(session->state(), State::open) << second;
    ASSERT_TRUE(players.inspect(1u)->held) << second;
  }
  EXPECT_EQ(session->version(), version);
  play(40s, players);
  EXPECT_EQ(coins(players, 1), 2);
}

TEST_F(EnginePoll, a_gap_does_not_hold_up_the_last_save) {
  auto told = options();
  told.min_gap = 1h;
  Players players("players", db, told);
  auto session = players.load(1u);
  session->edit()->coins = 1;
  ASSERT_TRUE(session->save());
  session->edit()->coins = 2;
  ASSERT_TRUE(session->request_release());
  players.poll();
  EXPECT_EQ(session->state(), State::released);
  EXPECT_EQ(coins(players, 1), 2);
}

TEST_F(EnginePoll, a_session_whose_renewals_fail_is_suspect_and_comes_back) {
  auto players = open();
  auto session = players.load(1u);
  std::vector<int> left;
  const auto heard = session->on_renewal_failed([&](int tries) { left.push_back(tries); });
  db.fail_commits(Errc::unavailable, 1000);
  play(53s, players);
  EXPECT_EQ(session->state(), State::open);
  play(2s, players);
  EXPECT_EQ(session->state(), State::suspect);
  ASSERT_FALSE(left.empty());
  EXPECT_GT(left.front(), left.back());
  EXPECT_EQ(session->attempts_left(), 0);
  session->edit()->coins = 7;
  EXPECT_TRUE(session->send(2u, Gift{1}).is(Errc::busy));
  EXPECT_TRUE(session->grant_once("r", [](Player&) {}).is(Errc::busy));
  db.script().commits.clear();
  play(25s, players);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, a_machine_that_slept_through_its_lease_saves_if_nobody_took_the_record) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  std::vector<State> states;
  const auto heard = session->on_state_changed([&](State, State to) { states.push_back(to); });
  clock.advance(1h);
  players.poll();
  EXPECT_EQ(states, (std::vector{State::suspect, State::open}));
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, a_machine_that_slept_through_its_lease_loses_what_somebody_took) {
  auto players = open();
  auto other = open("eu-2");
  auto session = players.load(1u);
  session->edit()->coins = 7;
  clock.advance(1h);
  auto theirs = other.load(1u);
  ASSERT_TRUE(theirs);
  players.poll();
  EXPECT_EQ(session->state(), State::lost);
  EXPECT_TRUE(logged("its last changes were not saved"));
  EXPECT_TRUE(theirs->save({.force = true}));
  EXPECT_EQ(coins(other, 1), 100);
}

TEST_F(EnginePoll, a_calendar_that_is_set_back_a_day_costs_nobody_anything) {
  auto players = open();
  auto other = open("eu-2");
  auto session = players.load(1u);
  clock.set_wall(clock.wall() - std::chrono::hours(24));
  for (int i = 1; i <= 5; ++i) {
    session->edit()->coins = i;
    play(30s, players);
    EXPECT_EQ(coins(players, 1), i);
    EXPECT_TRUE(other.try_load(1u).is(Errc::locked)) << "its lease is counted on another clock";
  }
}

TEST_F(EnginePoll, a_lease_shorter_than_the_renewal_is_renewed_in_time) {
  auto told = options();
  told.lease = 10s;  // and `renew` stays at 20
  Players players("players", db, told);
  auto other = open("eu-2");
  auto session = players.load(1u);
  for (int second = 0; second < 60; ++second) {
    play(1s, players);
    ASSERT_EQ(session->state(), State::open) << second;
    ASSERT_TRUE(other.try_load(1u).is(Errc::locked)) << second;
  }
}

TEST_F(EnginePoll, a_lease_that_is_switched_off_needs_no_renewal) {
  auto told = options();
  told.lease = 0s;
  Players players("players", db, told);
  auto session = players.load(1u);
  const auto commits = db.script().commit_requests;
  play(5min, players);
  EXPECT_EQ(db.script().commit_requests, commits);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_TRUE(open("eu-2").try_load(1u)) << "nobody is kept out";
}

TEST_F(EnginePoll, a_time_without_end_is_a_long_one) {
  auto told = options();
  told.lease = told.renew = told.autosave = told.relay = persist::Duration::max();
  told.close_deadline = persist::Duration::max();
  Players players("players", db, told);
  auto session = players.load(1u);
  session->edit()->coins = 7;
  const auto commits = db.script().commit_requests;
  play(5min, players);
  EXPECT_EQ(db.script().commit_requests, commits);
  EXPECT_EQ(session->state(), State::open);
  EXPECT_TRUE(open("eu-2").try_load(1u).is(Errc::locked));
  EXPECT_EQ(players.close_all(persist::Duration::max()), 0U);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, a_time_without_end_of_one_session_is_a_long_one) {
  auto players = open();
  auto session = *players.load(1u);
  session.set_autosave(persist::Duration::max());
  session.set_min_gap(persist::Duration::max());
  session.edit()->coins = 7;
  ASSERT_TRUE(session.request_save());
  play(1s, players);
  session.edit()->coins = 8;
  ASSERT_TRUE(session.request_save());
  play(5min, players);
  EXPECT_EQ(coins(players, 1), 7) << "the gap is not over";
  EXPECT_TRUE(session.release());
}

TEST_F(EnginePoll, an_open_guard_keeps_the_data_back_and_not_the_lease) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  ASSERT_TRUE(session.request_save());
  std::optional guard(session.edit());
  play(2min, players);
  EXPECT_EQ(session.state(), State::open);
  EXPECT_TRUE(open("eu-2").try_load(1u).is(Errc::locked));
  EXPECT_EQ(coins(players, 1), -1);
  guard.reset();
  play(1s, players);
  EXPECT_EQ(coins(players, 1), 7) << "the save that was asked for is not forgotten";
}

TEST_F(EnginePoll, a_session_that_is_to_leave_and_cannot_keeps_its_lease) {
  auto players = open();
  auto session = *players.load(1u);
  std::optional guard(session.edit());
  (*guard)->coins = 7;
  ASSERT_TRUE(session.request_release());
  play(5min, players);
  EXPECT_EQ(session.state(), State::releasing);
  EXPECT_TRUE(open("eu-2").try_load(1u).is(Errc::locked));
  guard.reset();
  play(1s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, an_expired_lease_that_nobody_took_goes_on) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  clock.advance(10min);
  EXPECT_FALSE(players.inspect(1u)->held);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(session->state(), State::open);
  EXPECT_TRUE(players.inspect(1u)->held);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, a_session_whose_record_was_taken_is_lost_at_its_next_commit) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto old = a.load(1u);
  old->edit()->coins = 7;
  clock.advance(61s);
  auto newer = b.load(1u);
  ASSERT_TRUE(newer);
  EXPECT_GT(newer->epoch(), old->epoch());
  std::vector<Reason> why;
  const auto heard = old->on_released([&](Reason reason, bool saved) {
    why.push_back(reason);
    EXPECT_FALSE(saved);
  });
  a.poll();
  EXPECT_EQ(old->state(), State::lost);
  EXPECT_EQ(why, std::vector{Reason::lost});
  EXPECT_EQ(coins(b, 1), -1);
  EXPECT_EQ(a.metrics().lost, 1U);
}

TEST_F(EnginePoll, a_save_that_fails_is_tried_again_after_a_growing_pause) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  db.fail_commits(Errc::unavailable, 3);
  const auto saved = session->save();
  EXPECT_TRUE(saved.is(Errc::unavailable));
  EXPECT_TRUE(session->is_dirty());
  db.script().commit_requests = 0;
  play(3s, players);
  EXPECT_EQ(db.script().commit_requests, 2U);
  EXPECT_EQ(coins(players, 1), -1);
  play(5s, players);
  EXPECT_EQ(coins(players, 1), 7);
}

TEST_F(EnginePoll, poll_says_when_it_wants_to_be_called_next) {
  auto told = options();
  told.relay = 0s;
  Players players("players", db, told);
  EXPECT_EQ(players.poll(), persist::TimePoint::max());
  auto session = players.load(1u);
  const auto loaded = clock.now();
  EXPECT_EQ(players.poll(), loaded + 20s);
  EXPECT_EQ(players.next_deadline(), loaded + 20s);
  session->edit()->coins = 7;
  EXPECT_LE(players.next_deadline(), clock.now());
  const auto next = players.poll();
  EXPECT_GT(next, clock.now());
  EXPECT_LE(next, clock.now() + 30s);
}

TEST_F(EnginePoll, a_poll_with_a_limit_stops_between_sessions_and_goes_on_at_the_next) {
  auto players = open();
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 10; ++key) {
    sessions.push_back(*players.load(key));
    sessions.back().edit()->coins = 1;
    ASSERT_TRUE(sessions.back().request_save());
  }
  const auto slow = players.on_saving([&](auto&, Player&, Reason) { clock.advance(200us); });
  db.script() = {};
  EXPECT_LE(players.poll({.at_most = 500us}), clock.now());
  EXPECT_EQ(db.script().commit_requests, 3U);
  for (int i = 0; i < 3; ++i)
    (void)players.poll({.at_most = 500us});
  EXPECT_EQ(db.script().commit_requests, 10U);
  EXPECT_EQ(players.metrics().saves, 10U);
}

TEST_F(EnginePoll, a_poll_with_the_smallest_limit_still_does_something) {
  struct Ticking final : persist::Clock {
    explicit Ticking(persist::testing::ManualClock& to) : inner(to) {}
    persist::TimePoint now() const override { return inner.advance(1us), inner.now(); }
    persist::WallTime wall() const override { return inner.wall(); }
    void wait_until(persist::TimePoint at, persist::Wake& wake) override {
      inner.wait_until(at, wake);
    }
    persist::testing::ManualClock& inner;
  } ticking(clock);
  auto told = options("eu-2");
  told.clock = &ticking;
  Players other("players", db, told);
  auto mine = other.load(2u);
  mine->edit()->coins = 7;
  ASSERT_TRUE(mine->request_save());
  (void)other.poll({.at_most = 1ns});
  EXPECT_EQ(coins(other, 2), 7);
}

TEST_F(EnginePoll, a_poll_inside_a_handler_loses_nothing_of_the_poll_around_it) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 4; ++key) {
    sessions.push_back(*(key % 2 == 0 ? a : b).load(key));
    sessions.back().edit()->coins = 1;
    ASSERT_TRUE(sessions.back().request_save());
  }
  bool before = true;  // the write, and in the second round after it
  for (int round = 0; round < 2; ++round, before = false) {
    const auto saving = a.on_saving([&](auto&, Player&, Reason) {
      if (before) persist::poll(a, b);
    });
    const auto saved = a.on_saved([&](auto&, const auto&) {
      if (!before) persist::poll(a, b);
    });
    persist::poll(a, b);
    for (auto& session : sessions) {
      EXPECT_FALSE(session.is_dirty()) << round;
      session.edit()->coins += 1;
      ASSERT_TRUE(session.request_save());
    }
  }
  for (auto& session : sessions)
    EXPECT_TRUE(session.release());
  for (std::uint64_t key = 0; key < 4; ++key)
    EXPECT_EQ(coins(a, key), 3);
}

TEST_F(EnginePoll, an_idle_poll_asks_the_backend_for_nothing) {
  auto told = options();
  told.relay = 0s;
  Players players("players", db, told);
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 20; ++key)
    sessions.push_back(*players.load(key));
  players.poll();
  db.script() = {};
  for (int i = 0; i < 10; ++i)
    players.poll();
  EXPECT_EQ(db.script().commit_batches + db.script().acquire_batches, 0U);
}

TEST_F(EnginePoll, closing_saves_and_gives_back_all_in_one_batch) {
  auto players = open();
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 20; ++key) {
    sessions.push_back(*players.load(key));
    sessions.back().edit()->coins = 1;
  }
  db.script() = {};
  EXPECT_EQ(players.close_all(1s), 0U);
  EXPECT_EQ(db.script().commit_batches, 1U);
  EXPECT_EQ(coins(players, 19), 1);
  EXPECT_FALSE(players.inspect(19u)->held);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(EnginePoll, closing_says_how_many_could_not_be_saved) {
  auto players = open();
  auto one = players.load(1u);
  auto two = players.load(2u);
  one->edit()->coins = 1;
  two->edit()->coins = 2;
  auto guard = one->edit();
  const auto before = clock.now();
  EXPECT_EQ(players.close_all(5s), 1U);
  EXPECT_LE(clock.now() - before, 6s);
  EXPECT_EQ(coins(players, 2), 2);
}

TEST_F(EnginePoll, closing_tries_again_until_its_deadline) {
  auto players = open();
  auto one = players.load(1u);
  one->edit()->coins = 1;
  db.fail_commits(Errc::unavailable, 2);
  EXPECT_EQ(players.close_all(10s), 0U);
  EXPECT_EQ(coins(players, 1), 1);
}

TEST_F(EnginePoll, closing_does_not_wait_for_what_its_own_thread_is_in_the_midst_of) {
  auto players = open();
  auto session = *players.load(1u);
  int closings = 0;
  const auto closes = [&] {
    const auto before = clock.now();
    EXPECT_EQ(players.close_all(10s), 1U);
    EXPECT_EQ(clock.now(), before);
    ++closings;
  };
  players.on_message([&](Player&, const Gift&) { closes(); });
  ASSERT_TRUE(players.post(1u, Gift{5}));
  play(2s, players);
  EXPECT_EQ(closings, 1);
  EXPECT_EQ(session.state(), State::released);

  auto other = open("eu-2");
  auto theirs = *other.load(2u);
  session = *players.load(1u);
  const auto heard = other.on_saved([&](Players::Session&, const auto&) { closes(); });
  ASSERT_TRUE(theirs.request_save({.force = true}));
  ASSERT_TRUE(session.request_save({.force = true}));
  persist::poll(other, players);
  EXPECT_EQ(closings, 2);
  play(1s, players);
  EXPECT_EQ(session.state(), State::released);
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(EnginePoll, a_backend_that_throws_leaves_a_store_that_can_be_destroyed) {
  std::optional<Players> players(open());
  std::optional<Players> other(open("eu-2"));
  auto session = players->load(1u);
  ASSERT_TRUE(session->request_save({.force = true}));
  db.script().during_commit = [] { throw std::runtime_error("no"); };
  EXPECT_THROW(persist::poll(*players, *other), std::runtime_error);
  players.reset();  // a poll that was never over would end the program
  other.reset();
  EXPECT_EQ(session->state(), State::lost);
}
#endif

}  // namespace
