#include <persist/backend/postgres/readable.hpp>

#include <gtest/gtest.h>

#include <persist/persist.hpp>

#include "backend/postgres/support.hpp"

namespace {

using persist::testing::laws::Outcome;
using persist_test::Postgres;
using persist_test::PostgresDriver;
using persist_test::RawPostgres;

/// Records and a web back end that knows nothing but SQL.
struct PostgresPosts : persist_test::PostgresTest {
  RawPostgres raw{server.uri()};
  PostgresPosts() { options.clock = nullptr; }  // both by the server's

  std::string post(const std::string& arguments) {
    return raw("SELECT " + (*this)["post"] + "(" + arguments + ")");
  }
  std::string count(const char* table) { return raw("SELECT count(*) FROM " + (*this)[table]); }
};

struct WebGift {
  int coins = 0;
};
struct WebPurse {
  int coins = 0;
};
struct WebPurses {
  using data_type = WebPurse;
  using message = std::variant<WebGift>;
};

TEST_F(PostgresPosts, AGiftFromSqlIsHandledLikeAnyOther) {
  Postgres db = open();
  const auto quiet = [](persist::LogLevel, std::string_view) {};
  persist::Store<int, WebPurses, Postgres> purses("purses", db, {.log = {.sink = quiet}});
  purses.on_message([](WebPurse& purse, const WebGift& gift) { purse.coins += gift.coins; });
  {
    auto first = purses.load(42);
    ASSERT_TRUE(first) << first.error();
    first->edit()->coins = 1;
    EXPECT_TRUE(first->release());
  }
  EXPECT_EQ(post("'purses', '42', 'order 17', 'WebGift', '{\"coins\": 5}'"), "1");
  EXPECT_EQ(post("'purses', '42', 'order 17', 'WebGift', '{\"coins\": 5}'"), "1") << "again";
  auto session = purses.load(42);
  ASSERT_TRUE(session) << session.error();
  (void)purses.poll();
  EXPECT_TRUE(session->release());
  EXPECT_EQ(purses.peek(42)->data.coins, 6);
  EXPECT_EQ(post("'purses', '42', 'order 17', 'WebGift', '{\"coins\": 5}'"), "1") << "and later";
  EXPECT_EQ(count("inbox"), "0");
}

TEST_F(PostgresPosts, AHolderHearsOfAPostWithItsNextSave) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  auto mine = driver.take("k");
  driver.save(mine, "x");
  EXPECT_EQ(post("'laws', 'k', 'a', 'Gift', '{}'"), "1");
  auto draft = driver.next(mine).data("y");
  EXPECT_EQ(driver.commit(draft), Outcome::applied);
  ASSERT_EQ(draft.change().messages.size(), 1u);
  const persist::Message& message = draft.change().messages[0];
  EXPECT_EQ(message.type, "Gift");
  EXPECT_EQ(message.codec, persist::codec::Json::id);
  EXPECT_EQ(as_text(message.payload), "{}");
  EXPECT_EQ(message.expires - message.posted, std::chrono::hours(7 * 24));
  EXPECT_EQ(driver.commit(driver.next(mine).acknowledge(message.position)), Outcome::applied);
  EXPECT_EQ(driver.read("k").inbox_bytes, 0u) << "counted as the library counts";
}

TEST_F(PostgresPosts, APostToAnErasedRecordDoesNotTurnItsEpochBack) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  auto mine = driver.take("k");
  for (int i = 0; i < 5; ++i)
    mine = driver.take_away("k");
  driver.save(mine, "x");
  const auto erased = driver.erase("k");
  EXPECT_EQ(post("'laws', 'k', 'a', 'Gift', '{}'"), "1");
  auto next = driver.take("k");
  EXPECT_GT(next.fence.epoch, erased.epoch);
  driver.save(next, "y");
  EXPECT_GT(driver.read("k").record.version, 1u);
  EXPECT_EQ(driver.commit(driver.next(mine).data("late")), Outcome::fenced);
}

TEST_F(PostgresPosts, WhatHasNoRoomOrNoSenseIsRefused) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  const auto says = [](const std::string& answer, const char* words) {
    return answer.find("error: ") == 0 && answer.find(words) != std::string::npos;
  };
  EXPECT_TRUE(says(post("'nowhere', 'k', 'a', 'Gift', '{}'"), "no store"));
  EXPECT_TRUE(says(post("'laws', '', 'a', 'Gift', '{}'"), "1 to 255 bytes"));
  EXPECT_TRUE(says(post("'laws', 'k', NULL, 'Gift', '{}'"), "an id"));
  EXPECT_TRUE(says(post("'laws', 'k', 'a', 'Gift', '{'"), "json"));
  EXPECT_TRUE(says(post("'laws', 'k', 'a', 'Gift', '{}', '46 days'"), "45 days"));
  EXPECT_TRUE(says(post("'laws', 'k', 'a', 'Gift', '{}', '1 day', now() - interval '8 days'"),
                   "so long ago"));
  EXPECT_TRUE(says(post("'laws', 'k', 'a', 'Gift', to_json(repeat('x', 1048576))"), "no room"));
  EXPECT_EQ(count("record"), "0") << "and nothing is left of it";
  EXPECT_EQ(raw("SELECT max(" + (*this)["post"] +
                "('laws', 'k', n::text, 'Gift', '{}')) FROM generate_series(1, 1000) n"),
            "1000");
  EXPECT_TRUE(says(post("'laws', 'k', 'a', 'Gift', '{}'"), "no room"));
  EXPECT_EQ(post("'laws', 'k', '7', 'Gift', '{}'"), "7") << "a repeat needs no room";
  const auto now = persist::SystemClock::instance().wall();
  EXPECT_EQ(driver.post("k", {{1, 0}, 0, 0, now}, "x").error.code(), persist::Errc::full);
}

TEST_F(PostgresPosts, IdsAreForgottenAsTheLibraryForgetsThem) {
  Postgres db = open();
  (void)drive(db);
  raw("SELECT " + (*this)["post"] +
      "('laws', 'k', n::text, 'Gift', '{}') FROM generate_series(1, 70) n");
  raw("UPDATE " + (*this)["known"] + " SET first_tried_ms = first_tried_ms - 8 * 86400000");
  EXPECT_EQ(post("'laws', 'k', 'new', 'Gift', '{}'"), "71");
  EXPECT_EQ(count("known"), "64");
  EXPECT_EQ(post("'laws', 'k', '70', 'Gift', '{}'"), "70");
  EXPECT_NE(post("'laws', 'k', '1', 'Gift', '{}', '1 day', now() - interval '8 days'").find("long"),
            std::string::npos);
}

TEST_F(PostgresPosts, TheViewsShowIndexesAndKeysThatAreNoText) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  auto mine = driver.take("k\xff'");
  EXPECT_EQ(driver.commit(driver.next(mine).data("no envelope").in("coins", -5).users({9})),
            Outcome::applied);
  EXPECT_EQ(raw("SELECT value FROM " + (*this)["indexes"] + " WHERE index = 'coins'"), "-5");
  EXPECT_EQ(raw("SELECT key FROM " + (*this)["indexes"] + " WHERE index = 'coins'"), "k\\377'");
  EXPECT_EQ(raw("SELECT codec FROM " + (*this)["readable"]), "NULL");
  EXPECT_EQ(raw("SELECT data_bytes FROM " + (*this)["readable"]), "11");
}

}  // namespace
