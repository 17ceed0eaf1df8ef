#include <persist/backend/rows/stores.hpp>

#include <gtest/gtest.h>

#include <persist/backend/sqlite/schema.hpp>
#include <persist/backend/sqlite/tables.hpp>

#include "backend/sqlite/support.hpp"

namespace {

namespace sqlite = persist::backend::sqlite;
using persist::Errc;
using persist::LockKind;

struct SqliteStores : testing::Test {
  SqliteStores() {
    EXPECT_TRUE(persist_test::Sqlite(folder.db()).status());
    connection.open(folder.db());
  }
  persist_test::SqliteFolder folder;
  sqlite::Connection connection;
  persist::backend::rows::Stores<sqlite::Sql> stores{connection};

  persist::OpenStoreRequest open(std::string_view name) {
    persist::OpenStoreRequest request{name, LockKind::lease, {}};
    stores.open(request, {});
    return request;
  }
};

TEST_F(SqliteStores, AStoreIsMadeOnceWithABirthOfItsOwn) {
  const auto made = open("players"), again = open("players"), other = open("guilds");
  EXPECT_EQ(made.birth, again.birth);
  EXPECT_EQ(made.store, again.store);
  EXPECT_NE(made.birth, other.birth);
  ASSERT_EQ(stores.all().size(), 2u);
  EXPECT_EQ(stores.all()[0].name, "players");
  EXPECT_EQ(stores.all()[0].birth, made.birth);
  EXPECT_EQ(stores.hash(made.store, "k"), persist::key_hash(made.birth, "k"));
  EXPECT_NE(stores.hash(other.store, "k"), stores.hash(made.store, "k"));
  EXPECT_TRUE(connection.good());
}

TEST_F(SqliteStores, OneThatIsNotThereHasNoKeys) {
  (void)stores.hash({9}, "k");
  EXPECT_EQ(connection.error().code(), Errc::invalid) << connection.error();
}

TEST_F(SqliteStores, RecordsOfANewerFormatAreRefused) {
  (void)open("players");
  connection.execute("UPDATE persist_store SET format = 2");
  (void)open("players");
  EXPECT_EQ(connection.error().code(), Errc::too_new) << connection.error();
}

TEST_F(SqliteStores, ANameHasOneTo255Bytes) {
  EXPECT_EQ(open("").error.code(), Errc::invalid);
  EXPECT_EQ(open(std::string(256, 'x')).error.code(), Errc::invalid);
  EXPECT_EQ(open(std::string(255, 'x')).error.code(), Errc{});
}

TEST_F(SqliteStores, ABirthThatIsDamagedIsSaidToBe) {
  (void)open("players");
  connection.execute("UPDATE persist_store SET birth = x'00'");
  (void)open("players");
  EXPECT_EQ(connection.error().code(), Errc::corrupt) << connection.error();
}

}  // namespace
