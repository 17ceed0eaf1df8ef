#include <persist/store/critical.hpp>

#include <support/world.hpp>

#include <string>
#include <vector>

namespace {

using namespace test;
using persist::CriticalState;
using persist::TimePoint;

static_assert(sizeof(persist::CriticalOptions) <= 4 * sizeof(persist::Duration));

TimePoint at(int second) {
  return TimePoint() + 1h + std::chrono::seconds(second);
}
void fail(CriticalState& state, int second) {
  state.hear(true);
  if (state.is_to_count()) state.count(at(second));
}

TEST(CriticalState, it_begins_with_so_many_failures_in_so_long) {
  CriticalState state({});
  for (const int second : {0, 30, 60, 90})
    fail(state, second);
  EXPECT_FALSE(state.is_on());
  fail(state, 121);
  EXPECT_FALSE(state.is_on()) << "the first is too long ago";
  fail(state, 122);
  EXPECT_TRUE(state.is_on());
  EXPECT_EQ(state.until(), at(30 + 120));
}

TEST(CriticalState, failures_of_one_second_are_one) {
  CriticalState state({});
  for (int i = 0; i < 1000; ++i)
    fail(state, 0);
  EXPECT_FALSE(state.is_on());
  for (const int second : {1, 2, 3, 4})
    fail(state, second);
  EXPECT_TRUE(state.is_on());
}

TEST(CriticalState, it_lasts_as_long_as_there_are_failures_and_is_forgotten_then) {
  CriticalState state({});
  for (int second = 0; second <= 600; second += 20) {
    fail(state, second);
    state.look(at(second));
    EXPECT_EQ(state.is_on(), second >= 80) << second;
  }
  state.look(at(639));
  EXPECT_TRUE(state.is_on());
  state.look(at(640));
  EXPECT_FALSE(state.is_on());
  EXPECT_EQ(state.until(), TimePoint::max());
  fail(state, 641);
  EXPECT_FALSE(state.is_on());
}

TEST(CriticalState, loads_are_refused_for_a_while_after_a_failure_unless_something_succeeded) {
  CriticalState state({});
  for (int second = 0; second < 4; ++second)
    fail(state, second);
  EXPECT_FALSE(state.refuses_loads(at(4)));
  fail(state, 4);
  EXPECT_TRUE(state.refuses_loads(at(4)));
  EXPECT_TRUE(state.refuses_loads(at(13)));
  EXPECT_FALSE(state.refuses_loads(at(14))) << "one may find out";
  fail(state, 14);
  EXPECT_TRUE(state.refuses_loads(at(15)));
  state.hear(false);
  EXPECT_FALSE(state.refuses_loads(at(15)));
  EXPECT_TRUE(state.is_on());
}

TEST(CriticalState, it_can_be_switched_off) {
  CriticalState never({.errors = 0});
  CriticalState loads({.errors = 1, .refuse_loads = 0s});
  for (int second = 0; second < 100; ++second)
    fail(never, second), fail(loads, second);
  EXPECT_FALSE(never.is_on());
  EXPECT_TRUE(loads.is_on());
  EXPECT_FALSE(loads.refuses_loads(at(99)));
}

struct CriticalStore : World {
  Players players{"players", db, options()};
  std::vector<bool> told;
  persist::Connection heard{players.on_critical([this](bool is_on) { told.push_back(is_on); })};

  void down() { db.fail_commits(Errc::unavailable, 10'000); }
  void up() { db.script().commits.clear(); }
};

TEST_F(CriticalStore, says_when_the_database_keeps_failing_and_when_it_does_no_more) {
  auto session = players.load(1);
  session->edit()->coins = 5;
  down();
  ASSERT_TRUE(session->save().is(Errc::unavailable));
  play(10s, players);
  EXPECT_FALSE(players.is_critical());
  play(20s, players);
  EXPECT_TRUE(players.is_critical());
  EXPECT_EQ(told, std::vector<bool>{true});
  up();
  play(30s, players);
  EXPECT_EQ(coins(players, 1), 5);
  EXPECT_TRUE(players.is_critical());
  play(2min, players);
  EXPECT_FALSE(players.is_critical());
  EXPECT_EQ(told, (std::vector<bool>{true, false}));
}

TEST_F(CriticalStore, refuses_loads_at_once_until_something_succeeds) {
  auto session = players.load(1);
  session->edit()->coins = 5;
  down();
  ASSERT_TRUE(session->save().is(Errc::unavailable));
  play(16s, players);
  ASSERT_TRUE(players.is_critical());
  const auto asked = db.script().acquire_requests;
  const auto refused = players.load(2);
  ASSERT_TRUE(refused.is(Errc::unavailable)) << refused.error();
  EXPECT_EQ(refused.error().key(), "2");
  EXPECT_NE(refused.error().message().find("keeps failing"), std::string::npos);
  auto begun = players.begin_load(3);
  EXPECT_TRUE(begun.ready());
  EXPECT_TRUE(begun.take().is(Errc::unavailable));
  EXPECT_TRUE(players.update(4, [](Player&) {}).is(Errc::unavailable));
  EXPECT_EQ(db.script().acquire_requests, asked) << "nothing was sent";
  EXPECT_TRUE(players.load(1)) << "what is open is open";
  up();
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(players.is_critical());
  EXPECT_TRUE(players.load(2));
}

TEST_F(CriticalStore, lets_autosaves_wait_longer) {
  auto rarely_heard_of = options();
  rarely_heard_of.renew = 0s;  // a renewal saves what is dirty
  rarely_heard_of.lease = 1h;
  Players slow("players", db, rarely_heard_of);
  auto session = slow.load(1);
  auto other = slow.load(2);
  session->edit()->coins = 5;
  down();
  ASSERT_TRUE(session->save().is(Errc::unavailable));
  play(30s, slow);
  ASSERT_TRUE(slow.is_critical());
  up();
  ASSERT_TRUE(session->save());
  other->edit()->coins = 6;
  play(55s, slow);
  EXPECT_NE(coins(slow, 2), 6) << "30 s were the interval, 60 s are half of the longer one";
  play(65s, slow);
  EXPECT_EQ(coins(slow, 2), 6);
}

TEST_F(CriticalStore, without_a_listener_both_are_logged) {
  heard = {};
  auto session = players.load(1);
  session->edit()->coins = 5;
  down();
  play(1min, players);
  EXPECT_TRUE(logged("warning: the database keeps failing"));
  up();
  play(4min, players);
  EXPECT_TRUE(logged("warning: the database has recovered"));
}

TEST_F(CriticalStore, wakes_its_caller_when_the_state_ends) {
  auto told_options = options();
  told_options.relay = 0s;
  told_options.critical = {.errors = 1, .within = 100s};
  Players quiet("players", db, told_options);
  db.script().acquires.push_back({Errc::unavailable});
  EXPECT_TRUE(quiet.try_load(1).is(Errc::unavailable));
  EXPECT_TRUE(quiet.is_critical());
  EXPECT_EQ(quiet.next_deadline(), clock.now() + 100s);
  clock.advance(100s);
  EXPECT_FALSE(quiet.is_critical());
  quiet.poll();
  EXPECT_TRUE(logged("has recovered"));
}

TEST_F(CriticalStore, a_listener_that_throws_is_logged_and_one_may_call_the_store) {
  auto second = players.on_critical([&](bool) {
    EXPECT_TRUE(players.load(1));
    throw std::runtime_error("out of order");
  });
  auto session = players.load(1);
  session->edit()->coins = 5;
  down();
  play(1min, players);
  EXPECT_EQ(told, std::vector<bool>{true});
  EXPECT_TRUE(logged("a listener of on_critical threw: out of order"));
}

TEST_F(CriticalStore, what_the_database_refuses_for_a_reason_is_no_failure_of_it) {
  auto session = players.load(1);
  session->edit()->coins = 5;
  db.fail_commits(Errc::too_large, 100);
  play(3min, players);
  EXPECT_FALSE(players.is_critical());
}

}  // namespace
