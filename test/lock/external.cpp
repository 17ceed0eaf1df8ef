#include <persist/lock/external.hpp>

#include <support/world.hpp>

// Sessions whose leases live in another backend.

namespace {

using namespace test;
using Locks = FlakyBackend<persist::backend::Memory>;
using External = persist::Store<std::uint64_t, Save, Db, persist::lock::External<Locks>>;

static_assert(persist::lock_policy<persist::lock::External<Locks>>);

struct ExternalTest : World {
  Locks locks{persist::backend::Memory(clock)};
  static std::int64_t coins_of(External& players, std::uint64_t key) {
    auto read = players.peek(key);
    return read ? read->data.coins : -1;
  }
  External open_here(std::string server) { return {"players", db, locks, options(server)}; }
};

TEST_F(ExternalTest, a_record_is_handed_over_between_servers) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  ASSERT_TRUE(a.status());
  auto held = a.load(1u);
  ASSERT_TRUE(held);
  held->edit()->coins = 7;
  EXPECT_TRUE(b.try_load(1u).is(Errc::locked));
  auto loading = b.begin_load(1u);
  play(3s, a, b);
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->view()->coins, 7);
  EXPECT_EQ(held->state(), State::released);
  EXPECT_TRUE(b.inspect(1u)->held);
  EXPECT_EQ(b.inspect(1u)->holder.server, "eu-2");
}

TEST_F(ExternalTest, it_renews_where_the_leases_are) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  auto held = a.load(1u);
  play(5min, a);
  EXPECT_EQ(held->state(), State::open);
  EXPECT_TRUE(b.try_load(1u).is(Errc::locked));
}

TEST_F(ExternalTest, a_dead_holders_lease_runs_out) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  auto held = a.load(1u);
  held->edit()->coins = 7;
  auto loading = b.begin_load(1u);
  play(70s, b);
  ASSERT_TRUE(loading.take());
  EXPECT_TRUE(held->save().is(Errc::fenced));
}

TEST_F(ExternalTest, leases_that_cannot_be_reached_cost_no_save_and_no_change_twice) {
  auto a = open_here("eu-1");
  auto held = a.load(1u);
  held->edit()->coins = 7;
  locks.fail_commits(Errc::unavailable, 2);
  EXPECT_TRUE(held->save().is(Errc::unknown_outcome));
  EXPECT_EQ(coins_of(a, 1), 7) << "the data is there";
  ASSERT_TRUE(held->grant_once("r", [](Player& player) { player.coins += 10; }));
  play(10s, a);
  EXPECT_EQ(held->state(), State::open);
  EXPECT_FALSE(held->is_dirty());
  EXPECT_EQ(coins_of(a, 1), 17);
  locks.fail_commits(Errc::unavailable);
  EXPECT_TRUE(held->release().is(Errc::unknown_outcome));
  play(5s, a);
  EXPECT_EQ(held->state(), State::released);
  EXPECT_FALSE(a.inspect(1u)->held);
}

TEST_F(ExternalTest, leases_that_cannot_be_reached_for_long_make_the_session_suspect) {
  auto a = open_here("eu-1");
  auto held = a.load(1u);
  locks.fail_commits(Errc::unavailable, 1000);
  play(58s, a);
  EXPECT_EQ(held->state(), State::suspect);
  locks.script().commits.clear();
  play(25s, a);
  EXPECT_EQ(held->state(), State::open);
}

TEST_F(ExternalTest, data_that_cannot_be_reached_keeps_no_lease_behind) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  db.fail_acquires(Errc::unavailable, 4);
  EXPECT_TRUE(a.load(1u, {.deadline = 1s}).is(Errc::unavailable));
  db.script().acquires.clear();
  play(5s, a);
  EXPECT_TRUE(b.try_load(1u));
}

TEST_F(ExternalTest, an_erased_record_is_free_at_once) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  auto held = a.load(1u);
  ASSERT_TRUE(held->save({.force = true}));
  ASSERT_TRUE(b.erase(1u));
  auto fresh = b.try_load(1u);
  ASSERT_TRUE(fresh);
  EXPECT_TRUE(fresh->is_new());
  EXPECT_TRUE(held->save({.force = true}).is(Errc::fenced));
  EXPECT_TRUE(fresh->save({.force = true}));
}

// Where a load was given up and its lease had been taken, nobody says what the time is. It was
// taken for 1970, and a message that was sent then had expired before it came.
TEST_F(ExternalTest, a_load_that_is_called_off_does_not_turn_back_the_calendar) {
  auto a = open_here("eu-1");
  a.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  auto sender = *a.load(1u);
  auto receiver = *a.load(2u);
  db.fail_acquires(Errc::unavailable, 1000);
  EXPECT_FALSE(a.load(3u));
  db.script().acquires.clear();
  ASSERT_TRUE(sender.send(2u, Gift{5}));
  ASSERT_TRUE(sender.save());
  play(5s, a);
  ASSERT_TRUE(receiver.save({.force = true}));
  play(5s, a);
  EXPECT_EQ(receiver.view()->coins, 105);
}

}  // namespace
