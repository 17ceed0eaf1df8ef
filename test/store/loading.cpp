#include <persist/store/loading.hpp>

#include <support/world.hpp>

#include <type_traits>

// The caller's end of a load that `poll` carries on.

namespace {

using namespace test;

using LoadingTest = World;

static_assert(!std::is_copy_constructible_v<Players::Loading>);
static_assert(std::is_nothrow_move_constructible_v<Players::Loading>);

TEST_F(LoadingTest, a_load_is_taken_once) {
  auto players = open();
  auto loading = players.begin_load(1u);
  EXPECT_FALSE(loading.ready());
  EXPECT_TRUE(loading.take().is(Errc::busy));
  players.poll();
  EXPECT_TRUE(loading.ready());
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_TRUE(loading.ready());
  EXPECT_TRUE(loading.take().is(Errc::cancelled));
  EXPECT_EQ(session->state(), State::open);
}

TEST_F(LoadingTest, a_load_that_was_called_off_says_so_and_gives_the_record_back) {
  auto players = open();
  auto other = open("eu-2");
  auto loading = players.begin_load(1u);
  loading.cancel();
  EXPECT_TRUE(loading.take().is(Errc::cancelled));
  loading.cancel();
  play(5s, players);
  EXPECT_EQ(players.open_sessions(), 0U);
  auto done = players.begin_load(1u);
  players.poll();
  ASSERT_TRUE(done.ready());
  done.cancel();
  EXPECT_TRUE(done.take().is(Errc::cancelled));
  play(5s, players);
  EXPECT_TRUE(other.try_load(1u));
}

TEST_F(LoadingTest, a_load_that_was_moved_from_is_empty_and_one_that_is_replaced_is_called_off) {
  auto players = open();
  auto first = players.begin_load(1u);
  auto moved = std::move(first);
  EXPECT_TRUE(first.take().is(Errc::cancelled));  // NOLINT: what it says then is promised
  players.poll();
  ASSERT_TRUE(moved.ready());
  moved = players.begin_load(2u);
  play(5s, players);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(moved.take()->key(), 2U);
}

TEST_F(LoadingTest, a_load_of_a_session_that_is_open_is_ready_at_once) {
  auto players = open();
  auto session = players.load(1u);
  auto loading = players.begin_load(1u);
  EXPECT_TRUE(loading.ready());
  EXPECT_EQ(*loading.take(), *session);
}

TEST_F(LoadingTest, callers_that_joined_get_one_session_and_each_may_drop_out) {
  auto players = open();
  auto one = players.begin_load(1u);
  auto two = players.begin_load(1u);
  auto three = players.begin_load(1u);
  one.cancel();
  players.poll();
  auto second = two.take();
  auto third = three.take();
  ASSERT_TRUE(second && third);
  EXPECT_EQ(*second, *third);
  EXPECT_EQ(second->load_count(), 0U);
  ASSERT_TRUE(second->release());
  EXPECT_EQ(third->state(), State::released);
}

TEST_F(LoadingTest, what_was_lost_before_it_was_taken_is_no_session) {
  auto players = open();
  auto other = open("eu-2");
  auto late = players.begin_load(1u);
  players.poll();
  ASSERT_TRUE(late.ready());
  auto newer = *other.load(1u, {.conflict = persist::Conflict::steal});
  play(30s, players);
  const auto taken = late.take();
  EXPECT_TRUE(taken.is(Errc::fenced)) << taken.error();
  EXPECT_EQ(newer.state(), State::open);
}

TEST_F(LoadingTest, what_was_handed_over_before_it_was_taken_is_no_session) {
  auto players = open();
  auto other = open("eu-2");
  auto late = players.begin_load(1u);
  players.poll();
  auto newer = other.begin_load(1u);
  play(30s, players, other);
  const auto taken = late.take();
  EXPECT_TRUE(taken.is(Errc::closed)) << taken.error();
  EXPECT_TRUE(newer.take());
}

TEST_F(LoadingTest, a_key_that_is_none_is_ready_with_its_error) {
  persist::Store<std::string, Player, Db> named("named", db, options());
  auto loading = named.begin_load(std::string());
  EXPECT_TRUE(loading.ready());
  EXPECT_TRUE(loading.take().is(Errc::invalid));
}

TEST_F(LoadingTest, a_load_whose_store_is_gone_says_closed) {
  std::optional<Players> players(open());
  auto loading = players->begin_load(1u);
  players.reset();
  EXPECT_TRUE(loading.ready());
  const auto taken = loading.take();
  EXPECT_FALSE(taken);
}

}  // namespace
