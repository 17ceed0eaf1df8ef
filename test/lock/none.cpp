#include <persist/lock/none.hpp>

#include <support/world.hpp>

namespace {

using namespace test;

static_assert(persist::lock_policy<persist::lock::None>);
static_assert(std::is_empty_v<persist::lock::None>);

using Alone = persist::Store<std::uint64_t, Save, Db, persist::lock::None>;
using LockNone = World;

TEST_F(LockNone, a_load_never_waits_and_the_fence_stays) {
  Alone a("alone", db, options("eu-1"));
  Alone b("alone", db, options("eu-2"));
  auto old = *a.load(1u);
  const auto before = clock.now();
  auto newer = *b.load(1u);
  EXPECT_EQ(clock.now(), before);
  newer.edit()->coins = 5;
  ASSERT_TRUE(newer.save());
  old.edit()->coins = 6;
  EXPECT_TRUE(old.save().is(Errc::fenced));
  EXPECT_EQ(old.state(), State::lost);
  EXPECT_EQ(b.peek(1u)->data.coins, 5);
}

TEST_F(LockNone, nothing_is_renewed) {
  auto told = options();
  told.relay = 0s;
  Alone players("alone", db, told);
  auto session = *players.load(1u);
  db.script() = {};
  clock.advance(1h);
  EXPECT_EQ(players.poll(), persist::TimePoint::max());
  EXPECT_EQ(db.script().commit_requests, 0U);
  EXPECT_EQ(session.state(), State::open);
  EXPECT_EQ(session.attempts_left(), 0);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(LockNone, an_edit_is_saved_within_the_interval) {
  Alone players("alone", db, options());
  auto session = *players.load(1u);
  session.edit()->coins = 7;
  players.poll();
  clock.advance(31s);
  players.poll();
  EXPECT_EQ(players.peek(1u)->data.coins, 7);
}

}  // namespace
