#include <persist/backend/sqlite/schema.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

#include <fstream>
#include <iterator>

namespace {

using persist::Errc;
using persist::backend::Sqlite;
using persist_test::RawSqlite;

struct SqliteSchema : testing::Test {
  persist_test::SqliteFolder folder;
  persist::testing::ManualClock clock;

  [[nodiscard]] persist::Result<void> opened() {
    return Sqlite(folder.db(), {.clock = &clock}).status();
  }
  [[nodiscard]] std::string bytes() const {
    std::ifstream file(folder.db(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& text) const {
    std::ofstream(folder.db(), std::ios::binary) << text;
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(folder.path()))
      names.push_back(each.path().filename().string());
    return names;
  }
  /// Refused so, with those words, and without a byte changed.
  void expect_refused(Errc code, std::string_view words) {
    const std::string before = bytes();
    const auto status = opened();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), code) << status.error();
    EXPECT_NE(status.error().message().find(words), std::string::npos) << status.error();
    EXPECT_NE(status.error().message().find(folder.db()), std::string::npos) << status.error();
    EXPECT_EQ(bytes(), before);
  }
};

TEST_F(SqliteSchema, is_not_made_in_a_database_of_anothers_where_none_is_to_be_made) {
  RawSqlite(folder.db())("CREATE TABLE t (x)");
  const std::string before = bytes();
  const auto names = files();
  EXPECT_TRUE(Sqlite::open(folder.db(), {.creates = false}).is(Errc::not_found));
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(files(), names);
  EXPECT_TRUE(opened());
  EXPECT_TRUE(Sqlite::open(folder.db(), {.creates = false, .clock = &clock}));
}

TEST_F(SqliteSchema, IsMadeOnceAndFoundAgain) {
  ASSERT_TRUE(opened());
  RawSqlite raw(folder.db());
  EXPECT_EQ(raw("SELECT version FROM persist_format"), "1");
  EXPECT_EQ(raw("PRAGMA journal_mode"), "wal");
  ASSERT_TRUE(opened());
  EXPECT_EQ(raw("SELECT count(*) FROM persist_format"), "1");
}

TEST_F(SqliteSchema, LeavesTheTablesOfAGameAlone) {
  RawSqlite raw(folder.db());
  raw("CREATE TABLE record (a); INSERT INTO record VALUES ('the game''s')");
  ASSERT_TRUE(opened());
  EXPECT_EQ(raw("SELECT a FROM record"), "the game's");
}

TEST_F(SqliteSchema, ATableOfThatNameThatIsAnothersIsRefused) {
  RawSqlite(folder.db())("CREATE TABLE persist_record (key TEXT)");
  expect_refused(Errc::invalid, "`persist_record`");
  EXPECT_EQ(RawSqlite(folder.db())("SELECT count(*) FROM sqlite_master"), "1");
}

TEST_F(SqliteSchema, AFormatTableThatIsAnothersIsRefused) {
  RawSqlite(folder.db())("CREATE TABLE persist_format (name TEXT)");
  expect_refused(Errc::invalid, "`persist_format`");
}

TEST_F(SqliteSchema, ANewerVersionIsRefused) {
  ASSERT_TRUE(opened());
  RawSqlite(folder.db())("UPDATE persist_format SET version = 2");
  expect_refused(Errc::too_new, "version 2");
}

TEST_F(SqliteSchema, ATableThatIsMissingIsDamage) {
  ASSERT_TRUE(opened());
  RawSqlite(folder.db())("DROP TABLE persist_outbox");
  expect_refused(Errc::corrupt, "`persist_outbox` is missing");
}

TEST_F(SqliteSchema, AVersionThatIsMissingIsDamage) {
  ASSERT_TRUE(opened());
  RawSqlite(folder.db())("DELETE FROM persist_format");
  expect_refused(Errc::corrupt, "version");
}

TEST_F(SqliteSchema, WhatIsNoDatabaseIsRefused) {
  write(std::string(5000, 'x'));
  expect_refused(Errc::corrupt, "no SQLite database");
  write("short");
  expect_refused(Errc::corrupt, "");
}

TEST_F(SqliteSchema, AFileThatIsCutShortIsRefused) {
  ASSERT_TRUE(opened());
  ASSERT_GT(bytes().size(), 8192u);
  std::filesystem::resize_file(folder.db(), 4096 + 100);
  const auto status = opened();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::corrupt) << status.error();
}

TEST_F(SqliteSchema, NoFlippedByteOfAFileIsFatal) {
  {
    Sqlite db(folder.db(), {.clock = &clock});
    persist::testing::Report report;
    persist_test::SqliteDriver driver(db, clock, report);
    persist::testing::laws::Holding mine = driver.take("k");
    driver.save(mine, "data");
  }
  const std::string whole = bytes();
  for (std::size_t at = 0; at < whole.size(); at += whole.size() / 150 + 1) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
    write(flipped);
    Sqlite db(folder.db(), {.durability = persist::backend::Durability::relaxed, .clock = &clock});
    persist::OpenStoreRequest open{"laws", persist::LockKind::lease, {}};
    db.open_store({&open, 1});
    persist::AcquireRequest got{open.store, "k", db.next_owner({}), std::chrono::minutes(1)};
    db.acquire({&got, 1});
    EXPECT_NE(got.outcome, persist::AcquireRequest::Outcome::pending) << at;
    for (const char* rest : {"-wal", "-shm"})
      std::filesystem::remove(folder.db() + rest);
  }
}

TEST_F(SqliteSchema, TextThatIsUtf16IsRefused) {
  RawSqlite(folder.db())("PRAGMA encoding='UTF-16'; CREATE TABLE t (a)");
  expect_refused(Errc::unsupported, "UTF-16");
}

TEST_F(SqliteSchema, NoTriggerOfTheFileRuns) {
  ASSERT_TRUE(opened());
  RawSqlite raw(folder.db());
  raw("CREATE TABLE seen (a); CREATE TRIGGER spy AFTER INSERT ON persist_store BEGIN "
      "INSERT INTO seen VALUES (1); END");
  Sqlite db(folder.db(), {.clock = &clock});
  persist::OpenStoreRequest open{"laws", persist::LockKind::lease, {}};
  db.open_store({&open, 1});
  EXPECT_FALSE(persist::failed(open.error)) << open.error;
  EXPECT_EQ(raw("SELECT count(*) FROM persist_store"), "1");
  EXPECT_EQ(raw("SELECT count(*) FROM seen"), "0");
}

}  // namespace
