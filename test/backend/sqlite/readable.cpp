#include <persist/backend/sqlite/readable.hpp>

#include <gtest/gtest.h>

#include <persist/persist.hpp>

#include "backend/sqlite/support.hpp"

namespace {

using persist::backend::Sqlite;
using persist_test::RawSqlite;

struct Wallet {
  int coins = 0;
};
struct WalletSave {
  using data_type = Wallet;
  static constexpr std::uint32_t schema_version = 70'000;
};

struct SqliteReadable : testing::Test {
  persist_test::SqliteFolder folder;
  persist::testing::ManualClock clock;
  persist::StoreOptions told{.clock = &clock};
  persist::backend::SqliteOptions options{.clock = &clock};

  template <class Codec>
  void save(std::string_view name) {
    persist::Store<int, WalletSave, Sqlite, persist::lock::Lease<persist::conflict::Request>, Codec>
        wallets(name, Sqlite(folder.db(), options), told);
    EXPECT_TRUE(wallets.overwrite(1, {5}));
  }
};

TEST_F(SqliteReadable, APersonSeesWhatAnEnvelopeSays) {
  save<persist::codec::Json>("json");
  save<persist::codec::Packed>("packed");
  RawSqlite raw(folder.db());
  const auto column = [&](const std::string& what, const std::string& store) {
    return raw("SELECT " + what + " FROM persist_readable WHERE store = '" + store + "'");
  };
  EXPECT_EQ(column("key", "json"), "1");
  EXPECT_EQ(column("codec", "json"), std::to_string(persist::codec::json_id));
  EXPECT_EQ(column("schema_version", "json"), "70000");
  EXPECT_EQ(column("lowest_reader", "json"), "70000");
  EXPECT_EQ(column("flags", "json"), "0");
  EXPECT_EQ(column("json", "json"), R"({"coins":5})");
  EXPECT_EQ(column("json_extract(json, '$.coins')", "json"), "5");
  EXPECT_EQ(column("codec", "packed"), std::to_string(persist::codec::packed_id));
  EXPECT_EQ(column("json", "packed"), "NULL");
  EXPECT_EQ(column("version", "packed"), "1");
}

TEST_F(SqliteReadable, ARecordWithoutAnEnvelopeIsARowToo) {
  persist::testing::Report report;
  Sqlite db(folder.db(), options);
  persist_test::SqliteDriver driver(db, clock, report);
  auto mine = driver.take("text");
  driver.save(mine, "no envelope");
  (void)driver.take("empty");
  RawSqlite raw(folder.db());
  EXPECT_EQ(raw("SELECT count(*) FROM persist_readable WHERE codec IS NULL"), "2");
  EXPECT_EQ(raw("SELECT data_bytes FROM persist_readable WHERE key = 'text'"), "11");
}

TEST_F(SqliteReadable, WhoTakesTheViewAwayLosesNothing) {
  ASSERT_TRUE(Sqlite::open(folder.db(), options));
  RawSqlite(folder.db())("DROP VIEW persist_readable");
  EXPECT_TRUE(Sqlite::open(folder.db(), options));
}

}  // namespace
