#include <persist/backend/postgres/wakes.hpp>

#include <gtest/gtest.h>

#include "backend/postgres/support.hpp"

namespace {

namespace postgres = persist::backend::postgres;
using persist::Hint;
using persist::WakeQueue;
using persist::Woken;
using persist::testing::laws::Outcome;
using persist_test::Postgres;
using persist_test::PostgresDriver;
using persist_test::PostgresServer;
using persist_test::RawPostgres;

/// Waits for the next hint; it comes or the test does not end well.
std::vector<Woken> next_hints(WakeQueue& queue) {
  std::vector<Woken> hints;
  for (int tries = 0; hints.empty() && tries < 50; ++tries) {
    queue.wake().wait_for(std::chrono::milliseconds(200));
    queue.drain(hints);
  }
  return hints;
}
/// Until the listener listens.
void await_hearing(const Postgres& db) {
  for (int tries = 0; !db.hears() && tries < 5000; ++tries)
    std::this_thread::yield(), ::usleep(2000);
  ASSERT_TRUE(db.hears());
}

TEST(PostgresHints, AHintIsReadAsItWasSpelled) {
  const auto hint = postgres::read_hint(postgres::spell_hint({7, {3}, "k\xff\x01", Hint::message}));
  ASSERT_TRUE(hint);
  EXPECT_TRUE(hint->store.index == 3 && hint->key == "k\xff\x01" && hint->why == Hint::message);
  EXPECT_LT(postgres::spell_hint({7, {3}, std::string(255, 'k'), Hint::asked}).size(), 8000u);
}

TEST(PostgresHints, WhatIsNoHintIsNone) {
  const std::string good = postgres::spell_hint({7, {3}, "k", Hint::asked});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(postgres::read_hint(good.substr(0, size))) << size;
  EXPECT_FALSE(postgres::read_hint("g" + good.substr(1)));
  EXPECT_FALSE(postgres::read_hint(std::string(7998, '0')));
}

/// Two servers on one database.
struct PostgresTwo : persist_test::PostgresTest {
  Postgres holder_db = open(), asker_db = open();
  PostgresDriver holder{holder_db, clock, report}, asker{asker_db, clock, report};
  std::shared_ptr<WakeQueue> holders = std::make_shared<WakeQueue>();
  std::shared_ptr<WakeQueue> askers = std::make_shared<WakeQueue>();

  void SetUp() override {
    holder_db.watch(holder.store, holders);
    asker_db.watch(asker.store, askers);
    await_hearing(holder_db), await_hearing(asker_db);
  }
  static void expect_hint(WakeQueue& queue, std::string_view key, Hint why) {
    const auto hints = next_hints(queue);
    ASSERT_EQ(hints.size(), 1u);
    EXPECT_EQ(hints[0].key, key);
    EXPECT_EQ(hints[0].why, why);
  }
};

TEST_F(PostgresTwo, AHolderIsWokenByWhoAsksAndTheAskerByTheRelease) {
  auto mine = holder.take("k");
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
  EXPECT_EQ(holder.commit(holder.next(mine).release()), Outcome::applied);
  expect_hint(*askers, "k", Hint::freed);
}

TEST_F(PostgresTwo, AHolderIsWokenByAMessageFromWhereverItComes) {
  auto mine = holder.take("k");
  (void)asker.post("k", 1, "hello");
  expect_hint(*holders, "k", Hint::message);
  (void)holder.post("k", 2, "mine");
  expect_hint(*holders, "k", Hint::message);
  RawPostgres raw(server.uri());
  EXPECT_EQ(raw("SELECT " + (*this)["post"] + "('laws', 'k', 'web-1', 'Gift', '{}')"), "3");
  expect_hint(*holders, "k", Hint::message);
}

TEST_F(PostgresTwo, WhatWasNotCommittedWakesNobody) {
  auto mine = holder.take("k");
  RawPostgres raw(server.uri());
  raw("ALTER TABLE " + (*this)["known"] + " RENAME TO away");
  EXPECT_TRUE(persist::failed(asker.post("k", 2, "hello").error));
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
}

TEST_F(PostgresTwo, RubbishWakesNobodyAndStopsNothing) {
  auto mine = holder.take("k");
  RawPostgres raw(server.uri());
  const std::string channel = postgres::channel_of(mine.fence.owner.nonce);
  for (const char* words : {"", "rubbish", "707374680100000000", "zz"})
    EXPECT_EQ(raw("SELECT pg_notify('" + channel + "', '" + words + "')"), "");
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
}

TEST_F(PostgresTwo, AListenerThatWasCutOffComesBack) {
  auto mine = holder.take("k");
  RawPostgres raw(server.uri());
  const std::string listeners = " FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
  const std::string old = raw("SELECT string_agg(pid::text, ',')" + listeners);
  raw("SELECT pg_terminate_backend(pid, 5000)" + listeners);
  const std::string fresh = listeners + " AND state = 'idle' AND pid NOT IN (" + old + ")";
  for (int tries = 0; raw("SELECT count(*)" + fresh) != "2"; ++tries) {
    ASSERT_LT(tries, 1000);
    ::usleep(10'000);
  }
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
}

}  // namespace
