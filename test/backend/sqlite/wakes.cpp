#include <persist/backend/sqlite/wakes.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

namespace {

namespace sqlite = persist::backend::sqlite;
using persist::Hint;
using persist::WakeQueue;
using persist::Woken;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist_test::Sqlite;
using persist_test::SqliteDriver;

bool can_hear() {
  return !persist::detail::os::Bell::open().is(persist::Errc::unsupported);
}
/// Waits for the next hint; it comes or the test does not end well.
std::vector<Woken> next(WakeQueue& queue) {
  std::vector<Woken> hints;
  for (int tries = 0; hints.empty() && tries < 50; ++tries) {
    queue.wake().wait_for(std::chrono::milliseconds(200));
    queue.drain(hints);
  }
  return hints;
}

TEST(SqliteWakes, AHintIsReadAsItWasSent) {
  const auto hint = persist::backend::rows::decode_hint(
      persist::backend::rows::encode_hint({7, {3}, "k{1}", Hint::message}));
  ASSERT_TRUE(hint);
  EXPECT_TRUE(hint->store.index == 3 && hint->key == "k{1}" && hint->why == Hint::message);
}

TEST(SqliteWakes, WhatIsNoHintIsNone) {
  const persist::Buffer good = persist::backend::rows::encode_hint({7, {3}, "k", Hint::asked});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(persist::backend::rows::decode_hint(good.view().first(size))) << size;
  persist::Buffer bad = good;
  bad.data()[0] = std::byte{'q'};
  EXPECT_FALSE(persist::backend::rows::decode_hint(bad));
  bad = good;
  bad.data()[4] = std::byte{3};
  EXPECT_FALSE(persist::backend::rows::decode_hint(bad));
  EXPECT_FALSE(persist::backend::rows::decode_hint(
      persist::backend::rows::encode_hint({7, {3}, std::string(256, 'k'), Hint::asked})));
}

TEST(SqliteWakes, RubbishWakesNobodyAndStopsNothing) {
  if (!can_hear()) GTEST_SKIP();
  constexpr std::uint64_t me = 0x1234567890abcdef, you = me + 1;
  sqlite::Wakes mine, yours;
  const auto queue = std::make_shared<WakeQueue>();
  mine.watch(me, {3}, queue);
  const auto rubbish = *persist::detail::os::Bell::open();
  rubbish.ring(sqlite::bell_of(me), {});
  rubbish.ring(sqlite::bell_of(me), persist::as_bytes("rubbish"));
  rubbish.ring(sqlite::bell_of(me), persist::as_bytes(std::string(4000, 'x')));
  yours.send(you, {{me, {4}, "of another store", Hint::asked}, {me, {3}, "k", Hint::asked}});
  const auto hints = next(*queue);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_EQ(hints[0].key, "k");
}

TEST(SqliteWakes, AStoreThatIsGoneIsForgotten) {
  sqlite::Wakes wakes;
  auto queue = std::make_shared<WakeQueue>();
  wakes.watch(5, {1}, queue);
  queue.reset();
  wakes.send(5, {{5, {1}, "k", Hint::asked}});
  const auto other = std::make_shared<WakeQueue>();
  wakes.watch(5, {1}, other);
  wakes.send(5, {{5, {1}, "k", Hint::freed}});
  std::vector<Woken> hints;
  other->drain(hints);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_EQ(hints[0].why, Hint::freed);
}

/// Two databases that are open on one file, as two processes have them.
struct SqliteTwo : testing::Test {
  persist_test::SqliteFolder folder;
  ManualClock clock;
  Report report;
  persist::backend::SqliteOptions options{.durability = persist::backend::Durability::relaxed,
                                          .clock = &clock};
  Sqlite holder_db{folder.db(), options}, asker_db{folder.db(), options};
  SqliteDriver holder{holder_db, clock, report}, asker{asker_db, clock, report};
  std::shared_ptr<WakeQueue> holders = std::make_shared<WakeQueue>();
  std::shared_ptr<WakeQueue> askers = std::make_shared<WakeQueue>();

  void SetUp() override {
    if (!can_hear()) GTEST_SKIP();
    holder_db.watch(holder.store, holders);
    asker_db.watch(asker.store, askers);
  }
  static void expect_hint(WakeQueue& queue, std::string_view key, Hint why) {
    const auto hints = next(queue);
    ASSERT_EQ(hints.size(), 1u);
    EXPECT_EQ(hints[0].key, key);
    EXPECT_EQ(hints[0].why, why);
  }
};

TEST_F(SqliteTwo, AHolderIsWokenByWhoAsksAndTheAskerByTheRelease) {
  auto mine = holder.take("k");
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
  EXPECT_EQ(holder.commit(holder.next(mine).release()), persist::testing::laws::Outcome::applied);
  expect_hint(*askers, "k", Hint::freed);
}

TEST_F(SqliteTwo, AHolderIsWokenByAMessageAndAnAskerByAnErase) {
  auto mine = holder.take("k");
  (void)asker.post("k", 1, "hello");
  expect_hint(*holders, "k", Hint::message);
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
  (void)holder.erase("k");
  expect_hint(*askers, "k", Hint::freed);
}

TEST_F(SqliteTwo, WhatWasNotCommittedWakesNobody) {
  auto mine = holder.take("k");
  persist_test::RawSqlite raw(folder.db());
  raw("BEGIN IMMEDIATE");
  EXPECT_EQ(asker.post("k", 1, "hello").error.code(), persist::Errc::timeout);
  raw("ROLLBACK");
  persist_test::RawSqlite(folder.db())("DROP TABLE persist_inbox");
  EXPECT_TRUE(persist::failed(asker.post("k", 2, "hello").error));
  (void)asker.acquire("k", asker.somebody(), persist::Intent::request);
  expect_hint(*holders, "k", Hint::asked);
}

}  // namespace
