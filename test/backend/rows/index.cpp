#include <persist/backend/rows/index.hpp>

#include <gtest/gtest.h>

#include <persist/backend/sqlite/schema.hpp>
#include <persist/backend/sqlite/tables.hpp>
#include <persist/record/index_sets.hpp>

#include "backend/sqlite/support.hpp"

#include <limits>
#include <random>

namespace {

namespace sqlite = persist::backend::sqlite;
using persist::Buffer;
using persist::IndexRequest;

/// The table beside the sets of the embedded backends, given the same.
struct SqliteIndex : testing::Test {
  SqliteIndex() {
    EXPECT_TRUE(persist_test::Sqlite(folder.db()).status());
    connection.open(folder.db());
    connection.execute("BEGIN");
  }
  persist_test::SqliteFolder folder;
  sqlite::Connection connection;
  persist::backend::rows::Indexes<sqlite::Sql> table{connection};
  persist::IndexSets sets;

  void set(const std::string& key, const std::vector<std::int64_t>& coins,
           const std::vector<std::uint64_t>& users) {
    Buffer entries;
    for (const std::int64_t value : coins)
      persist::append_index_entry(entries, "coins", value);
    persist::Change change;
    change.indexed = &entries;
    change.user_ids = &users;
    table.change({.store = {1}, .key = key, .id = 1}, change);
    sets.set_users(key, users);
    EXPECT_TRUE(sets.set_entries(key, entries));
  }
  void expect_the_same(IndexRequest request) {
    request.store = {1};
    IndexRequest other = request;
    table.query(request);
    sets.query(other);
    EXPECT_EQ(request.size, other.size);
    EXPECT_EQ(request.found, other.found);
    EXPECT_EQ(request.row, other.row);
    EXPECT_EQ(request.rows, other.rows);
    EXPECT_TRUE(connection.good()) << connection.error();
  }
};

TEST_F(SqliteIndex, AnswersAsTheSetsDo) {
  constexpr auto lowest = (std::numeric_limits<std::int64_t>::min)();
  constexpr auto highest = (std::numeric_limits<std::int64_t>::max)();
  const std::int64_t values[] = {lowest, -1, 0, 1, 2, highest};
  std::mt19937 random(3);
  const auto some_value = [&] { return values[random() % 6]; };
  const auto some_key = [&] {
    return random() % 8 == 0 ? std::string(255, '\xff') : "k" + std::to_string(random() % 9);
  };
  for (int round = 0; round < 400 && !HasFailure(); ++round) {
    std::vector<std::int64_t> coins(random() % 3);
    for (std::int64_t& each : coins)
      each = some_value();
    std::vector<std::uint64_t> users(random() % 3);
    for (std::uint64_t& each : users)
      each = static_cast<std::uint64_t>(some_value());
    set(some_key(), coins, users);
    for (int question = 0; question < 5; ++question) {
      const std::string key = random() % 2 == 0 ? some_key() : std::string();
      IndexRequest request{.index = random() % 3 == 0 ? "" : "coins", .key = key};
      request.falls = random() % 2 == 0;
      request.most = random() % 5;
      request.around = random() % 3 == 0;
      if (random() % 2 == 0) request.only = some_value();
      if (random() % 2 == 0) request.after = {some_value(), some_key()};
      expect_the_same(request);
    }
  }
}

TEST_F(SqliteIndex, WhatAreNoEntriesChangesNothing) {
  set("k", {5}, {});
  const Buffer bad(
      persist::as_bytes("\x05"
                        "coi"));
  persist::Change change;
  change.indexed = &bad;
  table.change({.store = {1}, .key = "k", .id = 1}, change);
  expect_the_same({.index = "coins", .key = "k", .most = 9});
}

TEST_F(SqliteIndex, ARecordThatGoesIsInNone) {
  set("k", {5, 6}, {7});
  set("l", {5}, {7});
  table.remove({.store = {1}, .key = "k", .id = 1});
  sets.drop("k");
  expect_the_same({.index = "coins", .key = "k", .most = 9});
  expect_the_same({.index = "", .key = "l", .most = 9});
}

}  // namespace
