#include <persist/lock/optimistic.hpp>

#include <support/world.hpp>

#include <persist/access/shared.hpp>
#include <persist/backend/file.hpp>

#include <atomic>
#include <thread>

// A guild's chest, which many servers write.

namespace {

using namespace test;
using persist::lock_policy;

static_assert(lock_policy<persist::lock::Optimistic> &&
              lock_policy<persist::access::Shared<persist::lock::Optimistic>>);
static_assert(!persist::has_sessions<persist::lock::Optimistic> &&
              persist::has_sessions<persist::lock::None> &&
              persist::has_sessions<persist::lock::Lease<>>);

using Guilds = persist::Store<std::string, Save, Db, persist::lock::Optimistic>;

struct Optimistic : World {
  Guilds open_guilds(std::string server = "eu-1") {
    return {"guilds", db, options(std::move(server))};
  }
  static persist::Result<void> earn(Guilds& guilds, std::int64_t coins) {
    return guilds.update("wolves", [&](Player& chest) { chest.coins += coins; }, {.create = true});
  }
};

TEST_F(Optimistic, an_update_changes_the_record_and_holds_nothing) {
  auto a = open_guilds("eu-1");
  auto b = open_guilds("eu-2");
  EXPECT_TRUE(a.update("wolves", [](Player&) {}).is(Errc::not_found));
  EXPECT_TRUE(a.peek("wolves").is(Errc::not_found));
  ASSERT_TRUE(earn(a, 5));
  ASSERT_TRUE(earn(b, 7));
  EXPECT_EQ(a.peek("wolves")->data.coins, 112);
  EXPECT_FALSE(a.inspect("wolves")->held);
  EXPECT_EQ(a.open_sessions(), 0U);
}

TEST_F(Optimistic, one_that_was_overtaken_runs_again_on_the_newest_data) {
  auto a = open_guilds("eu-1");
  auto b = open_guilds("eu-2");
  ASSERT_TRUE(earn(a, 0));
  int runs = 0;
  ASSERT_TRUE(a.update("wolves", [&](Player& chest) {
    if (++runs < 4) {
      EXPECT_TRUE(earn(b, 10));
    }
    chest.coins += 1;
  }));
  EXPECT_EQ(runs, 4);
  EXPECT_TRUE(lines.empty()) << "that is no failure: " << lines.front();
  EXPECT_EQ(a.peek("wolves")->data.coins, 131);
  EXPECT_EQ(a.peek("wolves")->version, 5U);
}

TEST_F(Optimistic, one_that_is_always_overtaken_says_so_in_the_end) {
  auto a = open_guilds("eu-1");
  auto b = open_guilds("eu-2");
  ASSERT_TRUE(earn(a, 0));
  int runs = 0;
  const auto late = a.update("wolves", [&](Player& chest) {
    ++runs;
    ASSERT_TRUE(earn(b, 1));
    chest.coins = 0;
  });
  EXPECT_TRUE(late.is(Errc::busy));
  EXPECT_EQ(late.error().key(), "wolves");
  EXPECT_EQ(runs, 16);
  EXPECT_EQ(a.peek("wolves")->data.coins, 116);
}

TEST_F(Optimistic, what_the_function_refuses_is_not_tried_again) {
  auto a = open_guilds();
  ASSERT_TRUE(earn(a, 0));
  int runs = 0;
  const auto refused = a.update("wolves", [&](Player&) -> persist::Result<void> {
    ++runs;
    return persist::Error(Errc::busy, "the chest is locked by the game");
  });
  EXPECT_TRUE(refused.is(Errc::busy));
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(a.update("wolves", [](Player& chest) { chest.coins = -1; }).is(Errc::invalid));
  EXPECT_EQ(a.peek("wolves")->data.coins, 100);
}

TEST_F(Optimistic, a_lease_keeps_writers_out) {
  auto a = open_guilds();
  ASSERT_TRUE(earn(a, 0));
  persist::AcquireRequest holder;  // a tool, or what writes under another policy
  holder.store = a.core().store(), holder.key = "wolves";
  holder.owner = db.next_owner(persist::ServerId("tool"));
  holder.lease = 1min;
  db.acquire(std::span(&holder, 1));
  const auto refused = earn(a, 1);
  ASSERT_TRUE(refused.is(Errc::locked));
  EXPECT_EQ(refused.error().holder()->server, "tool");
  clock.advance(2min);
  EXPECT_TRUE(earn(a, 1));
}

TEST_F(Optimistic, a_reply_that_was_lost_leaves_one_change) {
  auto a = open_guilds();
  ASSERT_TRUE(earn(a, 0));
  db.lose_reply();
  const auto unknown = earn(a, 10);
  EXPECT_TRUE(unknown.is(Errc::unknown_outcome));
  a.poll();
  play(5s, a);
  EXPECT_EQ(a.peek("wolves")->data.coins, 110);
  ASSERT_TRUE(earn(a, 1));
  EXPECT_EQ(a.peek("wolves")->data.coins, 111);
}

TEST_F(Optimistic, a_purchase_is_granted_once) {
  auto a = open_guilds("eu-1");
  auto b = open_guilds("eu-2");
  ASSERT_TRUE(earn(a, 0));
  const auto pay = [](Player& chest) { chest.coins += 50; };
  EXPECT_EQ(*a.grant_once("wolves", "r1", pay), persist::Grant::durable);
  EXPECT_EQ(*b.grant_once("wolves", "r1", pay), persist::Grant::durable);
  EXPECT_EQ(a.peek("wolves")->data.coins, 150);
}

TEST_F(Optimistic, overwrite_and_erase_work_as_ever) {
  auto a = open_guilds();
  ASSERT_TRUE(earn(a, 0));
  Player fresh;
  fresh.coins = 3;
  ASSERT_TRUE(a.overwrite("wolves", fresh));
  EXPECT_EQ(a.peek("wolves")->data.coins, 3);
  ASSERT_TRUE(a.erase("wolves"));
  EXPECT_TRUE(a.peek("wolves").is(Errc::not_found));
  ASSERT_TRUE(earn(a, 1));
  EXPECT_EQ(a.peek("wolves")->data.coins, 101);
}

TEST_F(Optimistic, a_store_of_sessions_does_not_open_it) {
  auto a = open_guilds();
  Players sessions("guilds", db, options());
  EXPECT_TRUE(sessions.status().is(Errc::invalid));
}

TEST(OptimisticThreads, no_change_is_lost) {
  using Shared = persist::Store<std::string, Save, persist::backend::Memory,
                                persist::access::Shared<persist::lock::Optimistic>>;
  persist::backend::Memory db;
  Shared one("guilds", db), two("guilds", db);
  std::atomic<int> done{0};
  const auto write = [&](Shared& guilds) {
    for (int i = 0; i < 50; ++i)
      if (guilds.update("wolves", [](Player& chest) { ++chest.coins; }, {.create = true})) ++done;
  };
  std::thread first([&] { write(one); }), second([&] { write(two); }), third([&] { write(one); });
  first.join(), second.join(), third.join();
  EXPECT_GT(done, 50);
  EXPECT_EQ(one.peek("wolves")->data.coins, 100 + done);
}

}  // namespace
