#include <persist/store/loading.hpp>

#include <support/world.hpp>

namespace {

using namespace test;

using LoadingTest = World;
using Loading = Players::Loading;

static_assert(!std::copy_constructible<Loading>);
static_assert(std::is_nothrow_move_constructible_v<Loading>);

TEST_F(LoadingTest, an_answer_is_taken_once) {
  auto players = open();
  Loading loading = players.begin_load(1u);
  EXPECT_FALSE(loading.ready());
  players.poll();
  EXPECT_TRUE(loading.ready());
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_TRUE(loading.ready());
  EXPECT_TRUE(loading.take().is(Errc::cancelled));
  EXPECT_TRUE(session->is_active());
}

TEST_F(LoadingTest, a_load_that_was_moved_is_one_load) {
  auto players = open();
  Loading one = players.begin_load(1u);
  Loading two = std::move(one);
  players.poll();
  EXPECT_TRUE(one.ready());  // NOLINT: it holds nothing
  EXPECT_FALSE(one.take());
  EXPECT_TRUE(two.take());
}

TEST_F(LoadingTest, putting_another_in_its_place_calls_it_off) {
  auto players = open();
  Loading loading = players.begin_load(1u);
  loading = players.begin_load(2u);
  players.poll();
  EXPECT_EQ(loading.take()->key(), 2u);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(players.open_sessions(), 1U);
}

TEST_F(LoadingTest, what_is_open_already_is_ready_at_once) {
  auto players = open();
  auto session = *players.load(1u);
  Loading loading = players.begin_load(1u);
  ASSERT_TRUE(loading.ready());
  EXPECT_EQ(*loading.take(), session);
}

TEST_F(LoadingTest, one_that_was_called_off_says_so) {
  auto players = open();
  Loading loading = players.begin_load(1u);
  loading.cancel();
  loading.cancel();
  EXPECT_TRUE(loading.ready());
  EXPECT_TRUE(loading.take().is(Errc::cancelled));
  players.poll();
  EXPECT_FALSE(players.inspect(1u)->held);
}

}  // namespace
