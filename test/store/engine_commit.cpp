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

TEST_F(Ignoring, what_comes_for_the_holder_does_not_wake_it_again_and_again) {
  auto held = holder.load(1u);
  ASSERT_TRUE(held->save({.force = true}));
  auto looking = tool.load(1u, ignoring());
  ASSERT_TRUE(looking);
  ASSERT_TRUE(holder.post(1u, Gift{1}));
  tool.poll();
  EXPECT_GT(tool.poll(), clock.now());
}

// Data that is captured from the game is not written where it is equal.
struct Body {
  std::int64_t coins = 1;
};
struct Character {
  std::uint64_t id = 0;
  Body body;
};
struct ByCharacter {
  using value_type = Character*;
  static void spell(const Character* of, persist::KeyBuffer& out) { spell(of->id, out); }
  static void spell(std::uint64_t id, persist::KeyBuffer& out) { out.append(std::to_string(id)); }
};
struct Captured {
  using data_type = Body;
  using message = std::variant<Gift, Letter>;
  static Body capture(const Character* of) { return of->body; }
  static void apply(Character* of, const Body& body) { of->body = body; }
};

TEST_F(Ignoring, a_message_that_the_holder_answered_is_not_answered_again) {
  using Characters = persist::Store<ByCharacter, Captured, Db>;
  constexpr std::uint64_t one = 1, two = 2;
  Characters game("characters", db, options("eu-1")), repairs("characters", db, options("tool"));
  Character live{one, {}}, copy{one, {}};
  auto held = game.load(&live);
  ASSERT_TRUE(held->save({.force = true}));
  ASSERT_TRUE(game.post(one, Gift{1}));
  Characters::LoadOptions how;
  how.lock = LockUse::ignore;
  auto repair = repairs.load(&copy, how);
  ASSERT_TRUE(held && repair);
  held->on_message([&](Body&, const Gift&) { EXPECT_TRUE(held->send(two, Letter{"thank you"})); });
  repair->on_message(
      [&](Body&, const Gift&) { EXPECT_TRUE(repair->send(two, Letter{"thank you"})); });
  game.poll();
  ASSERT_TRUE(held->save());
  EXPECT_EQ(game.inspect(one)->inbox_messages, 0U);
  EXPECT_TRUE(repair->save().is(Errc::fenced));
  EXPECT_EQ(game.inspect(two)->inbox_messages, 1U);
}

TEST_F(Ignoring, a_load_that_nobody_wants_any_more_leaves_nothing) {
  auto held = holder.load(1u);
  auto how = ignoring();
  how.while_ = [] { return false; };
  EXPECT_TRUE(tool.load(1u, how).is(Errc::cancelled));
  EXPECT_TRUE(held->save({.force = true}));
  EXPECT_EQ(tool.open_sessions(), 0U);
}

TEST_F(Ignoring, who_respects_the_lock_does_not_join_it) {
  auto repair = tool.load(1u, ignoring());
  EXPECT_TRUE(tool.load(1u).is(Errc::busy)) << "it would have no lease";
  EXPECT_EQ(*tool.load(1u, ignoring()), *repair);
  ASSERT_TRUE(repair->release());
  auto again = tool.load(1u);
  ASSERT_TRUE(again);
  EXPECT_TRUE(tool.inspect(1u)->held);
  ASSERT_TRUE(again->release());
  auto looking = tool.begin_load(1u, ignoring());
  EXPECT_TRUE(tool.begin_load(1u).take().is(Errc::busy)) << "nor one that is on its way";
  tool.poll();
  EXPECT_TRUE(looking.take());
}

TEST_F(Ignoring, a_server_that_reclaims_needs_a_name) {
  auto told = options("");
  told.reclaim = true;
  EXPECT_TRUE(Players("players", db, told).status().is(Errc::invalid));
}

}  // namespace
