#include <persist/backend/sqlite/connection.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

namespace {

namespace sqlite = persist::backend::sqlite;
using persist::Errc;
using sqlite::Connection;
using sqlite::Query;
using sqlite::Statement;

struct SqliteConnection : testing::Test {
  SqliteConnection() {
    persist_test::RawSqlite(folder.db())("CREATE TABLE t (a, b, c)");
    connection.open(folder.db());
  }
  persist_test::SqliteFolder folder;
  Connection connection;
};

TEST_F(SqliteConnection, WhatIsBoundComesBackAsItWas) {
  std::string every;
  for (int byte = 1; byte < 256; ++byte)
    every.push_back(static_cast<char>(byte));
  const persist::Hash128 hash{0xfedcba9876543210, 1};
  Statement insert(connection, "INSERT INTO t VALUES (?1, ?2, ?3)");
  Statement all(connection, "SELECT a, b, c FROM t");
  {
    Query q(insert);
    (q << std::string_view(every) << persist::as_bytes(every) << ~std::uint64_t{0}).run();
  }
  {
    Query q(insert);
    (q << std::string_view() << persist::ByteView() << hash).run();
  }
  Query q(all);
  ASSERT_TRUE(q.row());
  EXPECT_EQ(q.text(), every);
  EXPECT_EQ(persist::as_text(q.bytes()), every);
  EXPECT_EQ(q.number(), ~std::uint64_t{0});
  ASSERT_TRUE(q.row());
  EXPECT_FALSE(q.next_is_null()) << "what is empty is there";
  EXPECT_EQ(q.text(), "");
  EXPECT_FALSE(q.next_is_null());
  EXPECT_EQ(q.bytes().size(), 0u);
  EXPECT_EQ(q.hash(), hash);
  EXPECT_FALSE(q.row());
  EXPECT_TRUE(connection.good());
}

TEST_F(SqliteConnection, AfterTheFirstFailureNothingIsDoneUntilItIsForgotten) {
  connection.execute("INSERT INTO nowhere VALUES (1)");
  EXPECT_FALSE(connection.good());
  connection.execute("INSERT INTO t VALUES (1, 2, 3)");
  Statement insert(connection, "INSERT INTO t VALUES (?1, 2, 3)");
  Query(insert).run();
  connection.damaged("something else");
  connection.note(SQLITE_FULL);
  EXPECT_NE(connection.error().message().find("nowhere"), std::string::npos) << "the first";
  EXPECT_NE(connection.error().message().find(folder.db()), std::string::npos);
  connection.forget();
  Statement count(connection, "SELECT count(*) FROM t");
  {
    Query q(count);
    ASSERT_TRUE(q.row());
    EXPECT_EQ(q.integer(), 0);
  }
  connection.damaged("this");
  EXPECT_FALSE(connection.good());
  EXPECT_EQ(connection.error().code(), Errc::corrupt);
  EXPECT_FALSE(Query(count).row());
}

TEST_F(SqliteConnection, AHashOfAnotherLengthIsDamaged) {
  connection.execute("INSERT INTO t VALUES (x'0102', 0, 0)");
  Statement all(connection, "SELECT a FROM t");
  Query q(all);
  ASSERT_TRUE(q.row());
  EXPECT_EQ(q.hash(), persist::Hash128{});
  EXPECT_EQ(connection.error().code(), Errc::corrupt);
}

TEST_F(SqliteConnection, WhatIsTooLongIsSaidToBe) {
  sqlite3_limit(connection.get(), SQLITE_LIMIT_LENGTH, 1000);
  const std::string large(1001, 'x');
  Statement insert(connection, "INSERT INTO t VALUES (?1, 0, 0)");
  {
    Query q(insert);
    (q << persist::as_bytes(large)).run();
  }
  EXPECT_EQ(connection.error().code(), Errc::too_large) << connection.error();
}

TEST(SqliteErrors, EachFailureSaysWhatToDo) {
  const auto code = [](int of) { return sqlite::describe(of, "words", "path", 0).code(); };
  EXPECT_EQ(code(SQLITE_BUSY_RECOVERY), Errc::timeout);
  EXPECT_EQ(code(SQLITE_LOCKED), Errc::timeout);
  EXPECT_EQ(code(SQLITE_CORRUPT_INDEX), Errc::corrupt);
  EXPECT_EQ(code(SQLITE_NOTADB), Errc::corrupt);
  EXPECT_EQ(code(SQLITE_CONSTRAINT_UNIQUE), Errc::corrupt);
  EXPECT_EQ(code(SQLITE_TOOBIG), Errc::too_large);
  EXPECT_EQ(code(SQLITE_FULL), Errc::io);
  EXPECT_EQ(code(SQLITE_READONLY_DIRECTORY), Errc::io);
  const persist::Error io = sqlite::describe(SQLITE_IOERR_READ, "disk I/O error", "a.db", EIO);
  EXPECT_EQ(io.code(), Errc::io);
  EXPECT_EQ(io.os_error(), EIO);
  EXPECT_NE(io.message().find("a.db: disk I/O error"), std::string::npos) << io;
}

}  // namespace
