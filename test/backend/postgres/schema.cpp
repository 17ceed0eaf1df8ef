#include <persist/backend/postgres/schema.hpp>

#include <gtest/gtest.h>

#include "backend/postgres/support.hpp"

#include <thread>

namespace {

namespace postgres = persist::backend::postgres;
using persist::Errc;
using persist_test::Postgres;
using persist_test::PostgresDriver;
using persist_test::RawPostgres;

struct PostgresSchema : persist_test::PostgresTest {
  RawPostgres raw{server.uri()};

  void expect(const Postgres& db, Errc code, const char* words) const {
    ASSERT_FALSE(db.status());
    const persist::Error error = db.status().error();
    EXPECT_EQ(error.code(), code) << error;
    EXPECT_NE(error.message().find(words), std::string::npos) << error;
    EXPECT_EQ(error.message().find("hunter2"), std::string::npos) << "a password was shown";
  }
};

TEST_F(PostgresSchema, WhatOpensAtOnceAllSucceeds) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([this] {
      const Postgres db = open();
      EXPECT_TRUE(db.status()) << db.status().error();
    });
  for (std::thread& each : threads)
    each.join();
  EXPECT_EQ(raw("SELECT count(*) FROM " + (*this)["format"]), "1");
}

TEST_F(PostgresSchema, ANewerSchemaIsRefusedAndLeftAlone) {
  { const Postgres made = open(); }
  raw("UPDATE " + (*this)["format"] + " SET version = 2");
  expect(open(), Errc::too_new, "newer build");
  raw("UPDATE " + (*this)["format"] + " SET version = 0");
  expect(open(), Errc::corrupt, "version");
  raw("UPDATE " + (*this)["format"] + " SET version = 1");
  raw("DROP TABLE " + (*this)["inbox"]);
  expect(open(), Errc::corrupt, "inbox");
}

TEST_F(PostgresSchema, ATableOfAnothersIsRefusedAndLeftAlone) {
  raw("CREATE SCHEMA " + options.schema);
  raw("CREATE TABLE " + (*this)["inbox"] + " (mine text)");
  expect(open(), Errc::invalid, "inbox");
  EXPECT_EQ(raw("SELECT count(*) FROM pg_tables WHERE schemaname = '" + options.schema + "'"), "1");
}

TEST_F(PostgresSchema, ANameThatCouldBeMoreThanANameIsRefused) {
  for (const char* name : {"", "a b", "a\"b", "a;b", "\xc3\xa9"}) {
    options.schema = name;
    expect(open(), Errc::invalid, "no name for a schema");
  }
  options.schema = std::string(64, 'a');
  expect(open(), Errc::invalid, "no name for a schema");
}

TEST_F(PostgresSchema, ItsSqlMakesWhatOpeningWouldHaveMade) {
  const std::string sql = Postgres::schema_sql(options.schema);
  EXPECT_EQ(raw(sql), "");
  Postgres db = open();
  ASSERT_TRUE(db.status()) << db.status().error();
  PostgresDriver driver = drive(db);
  (void)driver.take("k");
}

TEST_F(PostgresSchema, WhoMayOnlyUseTheTablesCanPlay) {
  const std::string role = "player_" + options.schema;
  { const Postgres made = open(); }
  const auto as = [&](const std::string& who) {
    return Postgres(
        "host=" + server.folder() + " dbname=postgres user=" + who + " password=hunter2", options);
  };
  raw("CREATE ROLE " + role + " LOGIN");
  expect(as(role), Errc::refused, "privileges");
  raw("GRANT USAGE ON SCHEMA " + options.schema + " TO " + role);
  raw("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + options.schema + " TO " +
      role);
  raw("GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + options.schema + " TO " + role);
  Postgres db = as(role);
  ASSERT_TRUE(db.status()) << db.status().error();
  PostgresDriver driver = drive(db);
  auto mine = driver.take("k");
  driver.save(mine, "x");
}

TEST_F(PostgresSchema, WhatIsNotThereIsNamed) {
  const auto at = [&](const std::string& uri) { return Postgres(uri, options); };
  const std::string host = "host=" + server.folder() + " password=hunter2 ";
  expect(at(host + "user=persist dbname=nowhere"), Errc::not_found, "nowhere");
  expect(at(host + "user=nobody_here dbname=postgres"), Errc::refused, "nobody_here");
  expect(at("host=/nowhere user=persist password=hunter2"), Errc::unavailable, "/nowhere");
  expect(at("hunter2"), Errc::invalid, "connection string");
  expect(at("postgres://a:hunter2@[::1"), Errc::invalid, "connection string");
}

TEST_F(PostgresSchema, AServerThatOnlyReadsIsSaidSo) {
  { const Postgres made = open(); }
  Postgres db(server.uri() + " options='-c default_transaction_read_only=on'", options);
  ASSERT_TRUE(db.status()) << db.status().error();
  persist::OpenStoreRequest request{"laws", persist::LockKind::lease, {}};
  db.open_store({&request, 1});
  EXPECT_EQ(request.error.code(), Errc::io) << request.error;
  EXPECT_NE(request.error.message().find("read-only"), std::string::npos) << request.error;
}

TEST(PostgresSql, NamesBecomeThoseOfTheSchema) {
  EXPECT_EQ(postgres::as_postgres("SELECT a FROM persist_record WHERE b = ?12", "s"),
            "SELECT a FROM \"s\".record WHERE b = $12");
}

}  // namespace
