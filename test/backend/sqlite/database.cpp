#include <persist/backend/sqlite/database.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

namespace {

using persist::Errc;
using persist::backend::Durability;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist_test::FailingDisk;
using persist_test::RawSqlite;
using persist_test::Sqlite;
using persist_test::SqliteDriver;

struct SqliteDatabase : testing::Test {
  persist_test::SqliteFolder folder;
  ManualClock clock;
  Report report;

  persist::CommitRequest save(SqliteDriver& driver, Holding& mine, std::string_view text) {
    persist::testing::laws::Draft draft = driver.next(mine).data(text);
    persist::CommitRequest request{{&draft.bind(), 1}};
    driver.db.commit({&request, 1});
    return request;
  }
};

TEST_F(SqliteDatabase, AFullDiskWritesNothingAndWorksAgainWhenThereIsRoom) {
  FailingDisk disk;
  Sqlite db(folder.db(), {.clock = &clock});
  SqliteDriver driver(db, clock, report);
  Holding mine = driver.take("k");
  driver.save(mine, "before");
  disk.fails_writes(SQLITE_FULL);
  const auto full = save(driver, mine, "lost");
  EXPECT_EQ(full.outcome, Outcome::failed);
  EXPECT_EQ(full.error.code(), Errc::io) << full.error;
  EXPECT_NE(full.error.message().find("the disk is full"), std::string::npos);
  EXPECT_TRUE(driver.holds_text("k", "before"));
  disk.works();
  driver.save(mine, "after");
  EXPECT_TRUE(driver.holds_text("k", "after"));
}

TEST_F(SqliteDatabase, ASyncThatFailedLeavesTheOutcomeUnknown) {
  FailingDisk disk;
  Sqlite db(folder.db(), {.clock = &clock});
  SqliteDriver driver(db, clock, report);
  Holding mine = driver.take("k");
  disk.fails_syncs(SQLITE_IOERR_FSYNC);
  const auto unknown = save(driver, mine, "perhaps");
  EXPECT_EQ(unknown.outcome, Outcome::failed);
  EXPECT_EQ(unknown.error.code(), Errc::unknown_outcome) << unknown.error;
  disk.works();
  driver.save(mine, "after");
  EXPECT_TRUE(driver.holds_text("k", "after"));
}

TEST_F(SqliteDatabase, SyncsEachCommitWhereItIsToSurviveAPowerCutAndElseNone) {
  for (const Durability durability : {Durability::full, Durability::relaxed}) {
    FailingDisk disk;
    Sqlite db(folder.db(), {.durability = durability, .clock = &clock});
    SqliteDriver driver(db, clock, report);
    Holding mine = driver.take_away("k");
    disk.fails_syncs(SQLITE_IOERR_FSYNC);
    const bool applied = save(driver, mine, "x").outcome == Outcome::applied;
    EXPECT_EQ(applied, durability == Durability::relaxed);
  }
}

TEST_F(SqliteDatabase, AWriteThatFailedWithinABatchTakesAllOfItBack) {
  FailingDisk disk;
  Sqlite db(folder.db(), {.durability = Durability::relaxed, .clock = &clock});
  SqliteDriver driver(db, clock, report);
  std::vector<Holding> all;
  for (const char* key : {"a", "b", "c"})
    all.push_back(driver.take(key));
  std::vector<persist::testing::laws::Draft> drafts;
  drafts.reserve(all.size());
  for (Holding& each : all)
    drafts.push_back(driver.next(each).data("x"));
  std::vector<persist::CommitRequest> batch;
  batch.reserve(all.size());
  for (auto& draft : drafts)
    batch.push_back({{&draft.bind(), 1}});
  disk.fails_writes(SQLITE_IOERR_WRITE);
  db.commit(batch);
  for (const auto& each : batch)
    EXPECT_EQ(each.error.code(), Errc::unknown_outcome) << each.error;
  disk.works();
  for (const char* key : {"a", "b", "c"})
    EXPECT_FALSE(driver.read(key).record.has_data);
  db.commit(batch);
  for (const auto& each : batch)
    EXPECT_EQ(each.outcome, Outcome::applied);
}

TEST_F(SqliteDatabase, OneThatCannotBeDoneCostsTheOthersOfItsBatchNoSyncEach) {
  FailingDisk disk;
  Sqlite db(folder.db(), {.clock = &clock});
  SqliteDriver driver(db, clock, report);
  std::vector<std::string> keys;
  keys.reserve(20);
  for (int i = 0; i < 20; ++i)
    keys.push_back("k" + std::to_string(i));
  for (const std::string& key : keys)
    (void)driver.post(key, 1, "gift");
  RawSqlite(folder.db())("UPDATE persist_record SET past = x'00' WHERE key IN ('k3', 'k11')");
  std::vector<persist::AcquireRequest> batch;
  batch.reserve(keys.size());
  for (const std::string& key : keys)
    batch.push_back({driver.store, key, driver.somebody(), std::chrono::minutes(1)});
  const int before = FailingDisk::syncs();
  db.acquire(batch);
  EXPECT_EQ(FailingDisk::syncs(), before + 1);
  for (std::size_t i = 0; i < keys.size(); ++i)
    EXPECT_EQ(batch[i].error.code(), i == 3 || i == 11 ? Errc::corrupt : Errc{}) << i;
}

TEST_F(SqliteDatabase, ThreadsShareTheSyncThatComesAfterTheOneUnderWay) {
  FailingDisk disk;
  Sqlite db(folder.db(), {.clock = &clock});
  SqliteDriver driver(db, clock, report);
  constexpr std::size_t others = 3;
  const persist::StoreId store = driver.store;
  const auto post = [&db, store](std::uint64_t id) {
    Sqlite mine = db;
    const std::string key = "k" + std::to_string(id);
    persist::PostRequest request{store, key, {{id, 1}, 9, 1, {}}, {"Gift", 1, 0, {}, {}}};
    mine.post({&request, 1});
    EXPECT_FALSE(persist::failed(request.error)) << request.error;
  };
  std::vector<std::thread> threads;
  threads.reserve(others);
  const int before = FailingDisk::syncs();
  FailingDisk::on_sync() = [&] {
    if (!threads.empty()) return;  // the first alone
    for (std::size_t i = 0; i < others; ++i)
      threads.emplace_back(post, 100 + i);
    while (db.waiting() != others)
      std::this_thread::yield();
  };
  post(1);
  for (std::thread& each : threads)
    each.join();
  disk.works();  // to close syncs too
  EXPECT_EQ(FailingDisk::syncs(), before + 2);
  for (const char* key : {"k1", "k100", "k101", "k102"})
    EXPECT_EQ(driver.read(key).inbox_messages, 1u) << key;
}

TEST_F(SqliteDatabase, EachOperationOfAHandleThatDidNotOpenSaysWhy) {
  Sqlite db(folder / "nowhere/save.db");
  EXPECT_EQ(db.status().error().code(), Errc::io) << db.status().error();
  EXPECT_EQ(db.status().error().os_error(), ENOENT);
  EXPECT_FALSE(db.same_database(db));
  EXPECT_TRUE(db.stores().empty());
  const auto code = [&](auto request, auto operation) {
    (db.*operation)({&request, 1});
    return request.error.code();
  };
  EXPECT_EQ(code(persist::OpenStoreRequest{}, &Sqlite::open_store), Errc::io);
  EXPECT_EQ(code(persist::AcquireRequest{}, &Sqlite::acquire), Errc::io);
  EXPECT_EQ(code(persist::CommitRequest{}, &Sqlite::commit), Errc::io);
  EXPECT_EQ(code(persist::ReadRequest{}, &Sqlite::read), Errc::io);
  EXPECT_EQ(code(persist::PostRequest{}, &Sqlite::post), Errc::io);
  EXPECT_EQ(code(persist::RelayRequest{}, &Sqlite::relay), Errc::io);
  EXPECT_EQ(code(persist::EraseRequest{}, &Sqlite::erase), Errc::io);
  EXPECT_EQ(code(persist::ScanRequest{}, &Sqlite::scan), Errc::io);
  EXPECT_EQ(code(persist::SchemaRequest{}, &Sqlite::read_schemas), Errc::io);
  EXPECT_EQ(code(persist::IndexRequest{}, &Sqlite::query), Errc::io);
}

TEST_F(SqliteDatabase, APathThatNamesNoFileIsRefused) {
  EXPECT_TRUE(Sqlite::open("").is(Errc::invalid));
  EXPECT_TRUE(Sqlite::open(":memory:").is(Errc::invalid));
  const auto folder_itself = Sqlite::open(folder.path());
  EXPECT_TRUE(folder_itself.is(Errc::io)) << folder_itself.error();
}

TEST_F(SqliteDatabase, ThePathIsNoUri) {
  const std::string path = folder / "a?mode=memory";
  ASSERT_TRUE(Sqlite::open(path));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(SqliteDatabase, NobodyElseMayReadTheFile) {
  ASSERT_TRUE(Sqlite::open(folder.db()));
  struct stat about {};
  ASSERT_EQ(::stat(folder.db().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(SqliteDatabase, AFileThatMayNotBeWrittenIsSaidToBe) {
  const persist::backend::SqliteOptions options{.clock = &clock};
  ASSERT_TRUE(Sqlite::open(folder.db(), options));
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(folder.db(), std::filesystem::perms(0444));
  const int refused = persist_test::ended(persist_test::sqlite_child([&] {
    if (::getuid() == 0 && ::setuid(65534) != 0) return 1;
    const auto opened = Sqlite::open(folder.db(), options);
    if (opened) return 2;
    const bool says = opened.error().message().find(folder.db()) != std::string::npos;
    return opened.is(Errc::io) && says ? 7 : 3;
  }));
  EXPECT_EQ(refused, 7);
}

TEST_F(SqliteDatabase, AWriterOfAnotherProcessIsWaitedFor) {
  // Lets go when somebody begins to wait.
  struct Letting final : persist::Clock {
    RawSqlite* other = nullptr;
    ManualClock inner;
    [[nodiscard]] persist::TimePoint now() const override { return inner.now(); }
    [[nodiscard]] persist::WallTime wall() const override { return inner.wall(); }
    void wait_until(persist::TimePoint at, persist::Wake& wake) override {
      (*other)("COMMIT");
      inner.wait_until(at, wake);
    }
  } letting;
  Sqlite db(folder.db(), {.clock = &letting});
  RawSqlite raw(folder.db());
  letting.other = &raw;
  raw("BEGIN IMMEDIATE");
  persist::OpenStoreRequest open{"laws", persist::LockKind::lease, {}};
  db.open_store({&open, 1});
  EXPECT_FALSE(persist::failed(open.error)) << open.error;
}

}  // namespace
