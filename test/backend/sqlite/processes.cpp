// Several processes on one file: servers of one host that share a database.

#include <persist/backend/sqlite.hpp>

#include <gtest/gtest.h>

#include <persist/persist.hpp>

#include "backend/sqlite/support.hpp"

#include <csignal>
#include <random>
#include <sched.h>

namespace {

using persist::backend::Durability;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Taken;
using persist_test::Sqlite;
using persist_test::SqliteDriver;
using persist_test::SqliteFolder;

constexpr int processes = 3;
constexpr int rounds = 60;

/// Counts up one record of many writers, through leases of no length: who is fenced counts again.
int count_up(const std::string& path) {
  Sqlite db(path, {.durability = Durability::relaxed, .patience = std::chrono::minutes(2)});
  persist::OpenStoreRequest open{"counters", persist::LockKind::lease, {}};
  db.open_store({&open, 1});
  for (int done = 0; done < rounds;) {
    persist::AcquireRequest got{open.store, "all", db.next_owner({}), {}};
    db.acquire({&got, 1});
    if (got.outcome != Taken::taken) return 2;
    const std::string seen(as_text(got.record.data));
    persist::Buffer next(persist::as_bytes(std::to_string(seen.empty() ? 1 : std::stoi(seen) + 1)));
    persist::Change change;
    change.store = open.store, change.key = "all", change.data = &next;
    change.fence = got.record.fence;
    ++change.fence.write;
    persist::CommitRequest commit{{&change, 1}};
    db.commit({&commit, 1});
    if (commit.outcome == persist::CommitRequest::Outcome::applied)
      ++done;
    else if (commit.outcome != persist::CommitRequest::Outcome::fenced)
      return 3;
  }
  return 0;
}

TEST(SqliteProcesses, NoWriteOfAnyIsLostOrDoubled) {
  const SqliteFolder folder;
  std::vector<pid_t> children;
  children.reserve(processes);
  for (int i = 0; i < processes; ++i)
    children.push_back(persist_test::sqlite_child([&] { return count_up(folder.db()); }));
  for (const pid_t child : children)
    EXPECT_EQ(persist_test::ended(child), 0);
  Sqlite db(folder.db());
  ManualClock clock;
  Report report;
  SqliteDriver driver(db, clock, report, "counters");
  EXPECT_TRUE(driver.holds_text("all", std::to_string(processes * rounds)));
  EXPECT_EQ(driver.read("all").record.version, std::uint64_t{processes} * rounds);
}

constexpr int records = 10;

/// Saves all records in one batch again and again; reports each that is acknowledged.
int save_batches(const std::string& path, int report_to) {
  Sqlite db(path, {.durability = Durability::relaxed});
  ManualClock clock;
  Report report;
  SqliteDriver driver(db, clock, report);
  std::vector<persist::testing::laws::Holding> held;
  held.reserve(records);
  std::uint64_t version = 0;
  for (int i = 0; i < records; ++i) {
    const auto got = driver.acquire("k" + std::to_string(i), driver.somebody());
    if (got.outcome != Taken::taken) return 2;
    held.push_back({"k" + std::to_string(i), got.record.fence});
    version = got.record.version;
  }
  for (;;) {
    ++version;
    const std::string text = std::to_string(version) + std::string(version * 137 % 9000, 'x');
    std::vector<persist::testing::laws::Draft> drafts;
    drafts.reserve(records);
    for (auto& each : held)
      drafts.push_back(driver.next(each).data(text));
    std::vector<persist::CommitRequest> batch;
    batch.reserve(records);
    for (auto& draft : drafts)
      batch.push_back({{&draft.bind(), 1}});
    db.commit(batch);
    for (const auto& each : batch)
      if (each.outcome != persist::CommitRequest::Outcome::applied) return 3;
    if (::write(report_to, &version, sizeof version) != sizeof version) return 1;
  }
}

TEST(SqliteProcesses, AWriterThatIsKilledLeavesAllOfABatchOrNothing) {
  const SqliteFolder folder;
  std::mt19937 random(7);
  std::uint64_t last = 0;
  for (int round = 0; round < 20; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child =
        persist_test::sqlite_child([&] { return save_batches(folder.db(), pipe[1]); });
    ::close(pipe[1]);
    std::uint64_t acknowledged = last;
    for (auto left = 1 + random() % 12; left != 0; --left)
      if (::read(pipe[0], &acknowledged, sizeof acknowledged) != sizeof acknowledged) break;
    ::kill(child, SIGKILL);
    EXPECT_EQ(persist_test::ended(child), -1) << "it was at work";
    while (::read(pipe[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::close(pipe[0]);
    Sqlite db(folder.db());
    ASSERT_TRUE(db.status()) << db.status().error();
    ManualClock clock;
    Report report;
    SqliteDriver driver(db, clock, report);
    last = driver.read("k0").record.version;
    ASSERT_GE(last, acknowledged) << round;
    for (int i = 0; i < records; ++i) {
      const auto read = driver.read("k" + std::to_string(i));
      ASSERT_EQ(read.record.version, last) << i;
      ASSERT_EQ(read.record.data, driver.read("k0").record.data) << i;
      ASSERT_FALSE(read.held) << "whoever held it was killed";
    }
  }
  EXPECT_GT(last, 20u);
}

TEST(SqliteProcesses, WhatOneHoldsTheOtherIsRefusedUntilItIsKilled) {
  const SqliteFolder folder;
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = persist_test::sqlite_child([&] {
    Sqlite db(folder.db());
    persist::OpenStoreRequest open{"laws", persist::LockKind::lease, {}};
    db.open_store({&open, 1});
    persist::AcquireRequest got{open.store, "k", db.next_owner({}), std::chrono::hours(1)};
    db.acquire({&got, 1});
    const std::uint64_t epoch = got.record.fence.epoch;
    if (::write(pipe[1], &epoch, sizeof epoch) != sizeof epoch) return 1;
    ::pause();
    return 0;
  });
  std::uint64_t epoch = 0;
  ASSERT_EQ(::read(pipe[0], &epoch, sizeof epoch), static_cast<ssize_t>(sizeof epoch));
  Sqlite db(folder.db());
  persist::OpenStoreRequest open{"laws", persist::LockKind::lease, {}};
  db.open_store({&open, 1});
  persist::AcquireRequest mine{open.store, "k", db.next_owner({}), std::chrono::hours(1)};
  db.acquire({&mine, 1});
  EXPECT_EQ(mine.outcome, Taken::held);
  EXPECT_EQ(mine.holder.epoch, epoch);
  EXPECT_GT(mine.holder.left, std::chrono::minutes(30)) << "one boot clock for both";
  ::kill(child, SIGKILL);
  persist_test::ended(child);
  db.acquire({&mine, 1});
  EXPECT_EQ(mine.outcome, Taken::taken) << "at once, whatever its lease said";
  ::close(pipe[0]);
  ::close(pipe[1]);
}

struct Coins {
  int coins = 0;
};
using Coffers = persist::Store<int, Coins, Sqlite>;

/// A server that has a player and plays until it is asked to let go.
int play(const std::string& path, int report_to) {
  Coffers coffers("coffers", Sqlite(path));
  auto session = coffers.load(1);
  if (!session) return 2;
  session->edit()->coins = 7;
  if (::write(report_to, "x", 1) != 1) return 3;
  while (session->state() != persist::State::released) {
    (void)coffers.poll();
    ::sched_yield();
  }
  return 0;
}

TEST(SqliteProcesses, AServerThatIsAskedSavesAndLetsGoLongBeforeItWouldHaveLooked) {
  if (persist::detail::os::Bell::open().is(persist::Errc::unsupported)) GTEST_SKIP();
  const SqliteFolder folder;
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = persist_test::sqlite_child([&] { return play(folder.db(), pipe[1]); });
  char ready = 0;
  ASSERT_EQ(::read(pipe[0], &ready, 1), 1);
  Coffers coffers("coffers", Sqlite(folder.db()));
  auto session = coffers.load(1, {.deadline = std::chrono::seconds(15)});
  ASSERT_TRUE(session) << session.error() << ": it would have looked after 20 s, at its renewal";
  EXPECT_EQ(session->view()->coins, 7);
  EXPECT_EQ(persist_test::ended(child), 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
