#include <persist/store/engine_commit.hpp>

#include <support/world.hpp>

// Sessions that hold nothing until their first commit.

namespace {

using namespace test;
using persist::LockUse;

struct Ignoring : World {
  Players holder = open("eu-1");
  Players tool = open("tool");
  static Players::LoadOptions ignoring() {
    Players::LoadOptions how;
    how.lock = LockUse::ignore;
    return how;
  }
};

TEST_F(Ignoring, one_that_changes_nothing_is_noticed_by_nobody) {
  auto held = holder.load(1u);
  held->edit()->coins = 7;
  ASSERT_TRUE(held->save());
  auto looking = tool.load(1u, ignoring());
  ASSERT_TRUE(looking);
  EXPECT_EQ(looking->view()->coins, 7);
  EXPECT_EQ(looking->epoch(), held->epoch());
  play(5min, holder, tool);
  EXPECT_EQ(looking->state(), State::open) << "it has no lease to lose";
  ASSERT_TRUE(looking->release());
  EXPECT_EQ(looking->state(), State::released);
  held->edit()->coins = 8;
  EXPECT_TRUE(held->save());
  EXPECT_EQ(holder.metrics().lost, 0U);
}

TEST_F(Ignoring, its_first_save_takes_the_record) {
  auto held = holder.load(1u);
  ASSERT_TRUE(held->save({.force = true}));
  auto repair = tool.load(1u, ignoring());
  repair->edit()->coins = 7;
  const auto saved = repair->save();
  ASSERT_TRUE(saved);
  EXPECT_GT(repair->epoch(), held->epoch());
  EXPECT_TRUE(held->save({.force = true}).is(Errc::fenced));
  play(5min, tool);
  EXPECT_EQ(repair->state(), State::open) << "from then on it holds it like any other";
  EXPECT_TRUE(holder.try_load(1u).is(Errc::locked));
  EXPECT_EQ(coins(tool, 1), 7);
}

TEST_F(Ignoring, it_saves_at_its_release_too) {
  auto held = holder.load(1u);
  ASSERT_TRUE(held->save({.force = true}));
  auto repair = tool.load(1u, ignoring());
  repair->edit()->coins = 7;
  ASSERT_TRUE(repair->release());
  EXPECT_EQ(coins(tool, 1), 7);
  EXPECT_FALSE(tool.inspect(1u)->held);
}

TEST_F(Ignoring, it_is_lost_where_the_holder_saved_since) {
  auto held = holder.load(1u);
  auto repair = tool.load(1u, ignoring());
  held->edit()->coins = 8;
  ASSERT_TRUE(held->save());
  repair->edit()->coins = 7;
  EXPECT_TRUE(repair->save().is(Errc::fenced));
  EXPECT_EQ(repair->state(), State::lost);
  EXPECT_EQ(coins(tool, 1), 8);
  EXPECT_TRUE(held->save({.force = true}));
}

TEST_F(Ignoring, it_is_lost_where_somebody_acquired_since) {
  auto repair = tool.load(1u, ignoring());
  auto held = holder.load(1u);
  repair->edit()->coins = 7;
  EXPECT_TRUE(repair->release().is(Errc::fenced));
  EXPECT_EQ(coins(tool, 1), -1);
}

TEST_F(Ignoring, a_lost_reply_of_its_first_save_costs_nothing) {
  auto repair = tool.load(1u, ignoring());
  repair->edit()->coins = 7;
  db.lose_reply();
  EXPECT_TRUE(repair->save().is(Errc::unknown_outcome));
  repair->edit()->coins = 8;
  play(5s, tool);
  EXPECT_EQ(coins(tool, 1), 8);
  EXPECT_EQ(tool.inspect(1u)->version, 2U);
  EXPECT_TRUE(holder.try_load(1u).is(Errc::locked));
}

TEST_F(Ignoring, a_load_that_nobody_wants_any_more_leaves_nothing) {
  auto held = holder.load(1u);
  auto how = ignoring();
  how.while_ = [] { return false; };
  EXPECT_TRUE(tool.load(1u, how).is(Errc::cancelled));
  EXPECT_TRUE(held->save({.force = true}));
  EXPECT_EQ(tool.open_sessions(), 0U);
}

TEST_F(Ignoring, a_server_that_reclaims_needs_a_name) {
  auto told = options("");
  told.reclaim = true;
  EXPECT_TRUE(Players("players", db, told).status().is(Errc::invalid));
}

}  // namespace
