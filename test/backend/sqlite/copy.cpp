#include <persist/backend/sqlite/copy.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

#include <atomic>
#include <fstream>
#include <thread>

namespace {

using persist::Errc;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Holding;
using persist_test::FailingDisk;
using persist_test::Sqlite;
using persist_test::SqliteDriver;

struct SqliteCopy : testing::Test {
  persist_test::SqliteFolder folder;
  ManualClock clock;
  Report report;
  persist::backend::SqliteOptions options{.durability = persist::backend::Durability::relaxed,
                                          .clock = &clock};
};

TEST_F(SqliteCopy, HasAllOfTheMomentAndNothingOfLater) {
  Sqlite db(folder.db(), options);
  SqliteDriver driver(db, clock, report);
  Holding mine = driver.take("k");
  driver.save(mine, "then");
  ASSERT_TRUE(db.copy_to(folder / "copy.db"));
  driver.save(mine, "later");
  Sqlite copy(folder / "copy.db", options);
  SqliteDriver copied(copy, clock, report);
  EXPECT_EQ(copied.birth, driver.birth);
  EXPECT_TRUE(copied.holds_text("k", "then"));
  EXPECT_TRUE(driver.holds_text("k", "later"));
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.db.part"));
}

TEST_F(SqliteCopy, IsWholeWhileOthersWrite) {
  Sqlite db(folder.db(), options);
  SqliteDriver driver(db, clock, report);
  std::atomic<bool> ends{false};
  std::atomic<int> saved{0};
  std::thread writes([&] {
    Holding a = driver.take("a"), b = driver.take("b");
    for (int i = 0; !ends; ++i) {
      auto x = driver.next(a).data(std::to_string(i)), y = driver.next(b).data(std::to_string(i));
      persist::Change both[] = {x.bind(), y.bind()};
      persist::CommitRequest request{both};
      db.commit({&request, 1});
      saved = i;
    }
  });
  for (int i = 0; i < 5; ++i) {
    for (const int before = saved; saved < before + 3;)
      std::this_thread::yield();
    const std::string path = folder / ("copy" + std::to_string(i)).c_str();
    EXPECT_TRUE(db.copy_to(path));
    Sqlite copy(path, options);
    Report of_copy;
    SqliteDriver copied(copy, clock, of_copy);
    EXPECT_EQ(copied.read("a").record.data, copied.read("b").record.data);
  }
  ends = true;
  writes.join();
  EXPECT_TRUE(report.passed()) << report.text();
}

TEST_F(SqliteCopy, IsOfTheFileThatWasOpenedWhereverTheProcessIsNow) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const Sqlite db("save.db", options);
  std::filesystem::current_path(before);
  const auto copied = db.copy_to(folder / "copy");
  EXPECT_TRUE(copied) << copied.error();
}

TEST_F(SqliteCopy, NothingThatIsThereIsOverwritten) {
  Sqlite db(folder.db(), options);
  std::ofstream(folder / "there") << "something";
  const auto refused = db.copy_to(folder / "there");
  EXPECT_TRUE(refused.is(Errc::invalid)) << refused.error();
  EXPECT_EQ(std::filesystem::file_size(folder / "there"), 9u);
  std::ofstream(folder / "copy.part") << "something";
  EXPECT_TRUE(db.copy_to(folder / "copy").is(Errc::invalid));
  EXPECT_EQ(std::filesystem::file_size(folder / "copy.part"), 9u);
  EXPECT_TRUE(db.copy_to(folder / "nowhere/copy").is(Errc::io));
}

TEST_F(SqliteCopy, OneThatFailsLeavesNothing) {
  Sqlite db(folder.db(), options);
  {
    FailingDisk disk;
    disk.fails_writes(SQLITE_FULL);
    const auto full = db.copy_to(folder / "copy");
    EXPECT_TRUE(full.is(Errc::io)) << full.error();
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "copy"));
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.part"));
  EXPECT_TRUE(db.copy_to(folder / "copy"));
}

}  // namespace
