#include <persist/backend/rows/mail.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

namespace {

using persist::testing::ManualClock;
using persist::testing::Report;
using persist_test::RawSqlite;
using persist_test::Sqlite;
using persist_test::SqliteDriver;

struct SqliteMail : testing::Test {
  persist_test::SqliteFolder folder;
  ManualClock clock;
  Report report;
  Sqlite db{folder.db(), {.durability = persist::backend::Durability::relaxed, .clock = &clock}};
  SqliteDriver driver{db, clock, report};
  RawSqlite raw{folder.db()};

  /// What the row counts is what the tables have.
  void expect_counted(const std::string& key) {
    const std::string of =
        " WHERE record = (SELECT id FROM persist_record WHERE key = '" + key + "')";
    const auto row = [&](const std::string& column) {
      return raw("SELECT " + column + " FROM persist_record WHERE key = '" + key + "'");
    };
    EXPECT_EQ(row("inbox_messages"), raw("SELECT count(*) FROM persist_inbox" + of));
    EXPECT_EQ(
        row("inbox_bytes"),
        raw("SELECT coalesce(sum(length(type) + length(payload) + 64), 0) FROM persist_inbox" +
            of));
    EXPECT_EQ(row("outbox_messages"),
              raw("SELECT count(*) FROM persist_outbox WHERE key = '" + key + "'"));
  }
};

TEST_F(SqliteMail, IdsBeyondThoseThatMustBeKnownAreForgotten) {
  const auto then = clock.wall().time_since_epoch().count();
  for (std::uint64_t id = 1; id <= 200; ++id)
    (void)driver.post("k", id, "gift");
  EXPECT_EQ(raw("SELECT count(*) FROM persist_known"), "200");
  clock.advance(std::chrono::hours(24 * 8));
  (void)driver.post("k", 201, "gift");
  EXPECT_EQ(raw("SELECT count(*) FROM persist_known"), std::to_string(persist::ids_kept));
  EXPECT_EQ(raw("SELECT max(position) FROM persist_known"), "201");
  EXPECT_EQ(raw("SELECT ids_forgotten_ms FROM persist_record"), std::to_string(then));
  expect_counted("k");
}

TEST_F(SqliteMail, OneRowIsKeptOfEachSender) {
  auto mine = driver.take("sender");
  for (std::uint64_t n = 1; n <= 5; ++n)
    driver.commit(driver.next(mine).data("x").send("k", n, "gift"));
  EXPECT_EQ(raw("SELECT count(*) FROM persist_sender"), "1");
  EXPECT_EQ(raw("SELECT number FROM persist_sender"), "5");
  expect_counted("k");
}

TEST_F(SqliteMail, WhatIsCountedIsWhatIsThere) {
  persist::RecordLimits few;
  few.inbox_messages = 2;
  auto sender = driver.take("sender");
  for (std::uint64_t n = 1; n <= 4; ++n)
    driver.commit(driver.next(sender).data("x").send("k", n, std::string(n, 'x')).limits(few));
  expect_counted("k");
  expect_counted("sender");
  auto mine = driver.take("k");
  driver.commit(driver.next(mine).acknowledge(1).acknowledge(1).acknowledge(77));
  expect_counted("k");
  const auto waiting = driver.waiting();
  ASSERT_EQ(waiting.size(), 1u);
  driver.take_out("sender", std::span(waiting[0].messages).first(1));
  expect_counted("sender");
  EXPECT_EQ(raw("SELECT outbox_messages FROM persist_record WHERE key = 'sender'"), "1");
}

TEST_F(SqliteMail, AnErasedRecordLeavesNoRows) {
  auto mine = driver.take("sender");
  persist::RecordLimits none;
  none.inbox_messages = 0;
  driver.commit(driver.next(mine)
                    .data("x")
                    .metadata("m")
                    .users({1})
                    .in("coins", 5)
                    .receipt(1, 1)
                    .send("full", 1, "x")
                    .limits(none));
  const persist::HistoryRule rule{.keep = 3};
  driver.commit(driver.next(mine).data("y").history(rule));
  (void)driver.post("sender", 1, "a");
  (void)driver.post("sender", persist::MessageOrigin{{5, 5}, 1, 1, {}}, "b");
  for (const char* table :
       {"data", "history", "receipt", "inbox", "sender", "known", "outbox", "index"})
    EXPECT_NE(raw("SELECT count(*) FROM persist_" + std::string(table)), "0") << table;
  EXPECT_EQ(driver.erase("sender", true, &none).dropped, 1u);
  for (const char* table :
       {"record", "data", "history", "receipt", "inbox", "sender", "known", "outbox", "index"})
    EXPECT_EQ(raw("SELECT count(*) FROM persist_" + std::string(table)), "0") << table;
  EXPECT_EQ(raw("SELECT count(*) FROM persist_erased"), "1");
  EXPECT_EQ(raw("SELECT hash LIKE '%sender%' FROM persist_erased"), "0");
}

}  // namespace
