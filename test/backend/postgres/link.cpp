#include <persist/backend/postgres/link.hpp>

#include <gtest/gtest.h>

#include "backend/postgres/support.hpp"

#include <algorithm>
#include <functional>
#include <thread>

namespace {

using persist::Errc;
using persist::testing::laws::Draft;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::Postgres;
using persist_test::PostgresDriver;
using persist_test::PostgresServer;
using persist_test::RawPostgres;

/// What may happen at each moment at which the server is waited for.
struct PostgresFaults : persist_test::PostgresTest {
  std::shared_ptr<std::function<void()>> hook = std::make_shared<std::function<void()>>();
  RawPostgres raw{server.uri()};

  PostgresFaults() {
    options.listens = false;
    options.on_wait = [at = hook] {
      if (*at) (*at)();
    };
  }
  /// Ends every connection but this test's own, as a server that restarts does.
  void cut() {
    raw("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
  }
  /// Has `what` happen at the wait of that number, once.
  void at_wait(int number, std::function<void()> what) {
    *hook = [this, left = std::make_shared<int>(number), what = std::move(what)] {
      if (--*left > 0) return;
      const auto once = what;
      *hook = nullptr;
      once();
    };
  }
  [[nodiscard]] bool happened() const { return *hook == nullptr; }

  /// Calls until it is answered by a server that is back.
  template <class Call>
  static auto until_answered(Call call) {
    for (;;) {
      auto got = call();
      if (!persist::may_pass(got.error)) return got;
    }
  }
};

persist::CommitRequest committed(Postgres& db, persist::Change& change) {
  persist::CommitRequest request{{&change, 1}};
  db.commit({&request, 1});
  return request;
}

/// Makes the fault at one wait after the other of one commit, which moves a gift; then sends the
/// commit again until it is answered: it has landed once, whatever was heard the first time.
template <class Fault>
void all_or_nothing_at_every_wait(PostgresFaults& test, PostgresDriver& driver, Fault fault) {
  Holding mine = driver.take("k");
  driver.save(mine, "before");
  std::uint64_t version = driver.read("k").record.version;
  bool goes_on = true;
  int nothing = 0;
  for (int wait = 1; goes_on; ++wait) {
    ASSERT_LT(wait, 50);
    auto draft = driver.next(mine)
                     .data("v" + std::to_string(wait))
                     .send("receiver", static_cast<std::uint64_t>(wait), "gift");
    draft.change().data_stays = true;
    test.at_wait(wait, fault);
    const persist::CommitRequest first = committed(driver.db, draft.bind());
    goes_on = test.happened();
    *test.hook = nullptr;
    const bool was_lost = first.error == Errc::unavailable;
    nothing += was_lost ? 1 : 0;
    ASSERT_TRUE(first.outcome == Outcome::applied || was_lost ||
                first.error == Errc::unknown_outcome)
        << first.error;
    const auto now = test.until_answered([&] { return driver.read("k"); });
    const bool landed = now.record.version == version + 1;
    EXPECT_TRUE(landed || now.record.version == version);
    EXPECT_FALSE(landed && was_lost) << "at wait " << wait;
    EXPECT_EQ(driver.read("receiver").inbox_messages,
              static_cast<std::size_t>(landed ? wait : wait - 1));
    const auto again = test.until_answered([&] { return committed(driver.db, draft.bind()); });
    EXPECT_EQ(again.outcome, landed ? Outcome::repeated : Outcome::applied) << again.error;
    const auto after = driver.read("k");
    EXPECT_EQ(after.record.version, ++version);
    EXPECT_EQ(as_text(after.record.data), "v" + std::to_string(wait));
    EXPECT_EQ(driver.read("receiver").inbox_messages, static_cast<std::size_t>(wait));
  }
  EXPECT_GT(nothing, 0);
}

TEST_F(PostgresFaults, AConnectionThatIsCutAnywhereLeavesAllOrNothing) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  all_or_nothing_at_every_wait(*this, driver, [this] { cut(); });
}

TEST_F(PostgresFaults, AServerThatIsKilledAnywhereLeavesAllOrNothing) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  all_or_nothing_at_every_wait(*this, driver, [this] {
    server.stop(SIGKILL);
    server.start();
  });
}

TEST_F(PostgresFaults, AnAcquireWhoseReplyWasLostIsHadByAskingAgain) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  EXPECT_EQ(driver.commit(driver.next(*std::make_unique<Holding>(driver.take("k"))).release()),
            Outcome::applied);
  for (int wait = 1; wait < 5; ++wait) {
    const persist::Owner me = driver.somebody();
    at_wait(wait, [this] { cut(); });
    (void)driver.acquire("k", me);
    *hook = nullptr;
    const auto got = until_answered([&] { return driver.acquire("k", me); });
    ASSERT_EQ(got.outcome, Taken::taken) << got.error;
    Holding mine{"k", got.record.fence};
    driver.save(mine, "x");
    EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied);
  }
}

TEST_F(PostgresFaults, WhileThereIsNoServerEachCallSaysSoAtOnce) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding mine = driver.take("k");
  server.stop(SIGINT);
  auto draft = driver.next(mine).data("x");
  draft.change().data_stays = true;
  for (int i = 0; i < 3; ++i) {
    const auto lost = committed(db, draft.bind());
    EXPECT_EQ(lost.outcome, Outcome::failed);
    EXPECT_TRUE(persist::may_pass(lost.error)) << lost.error;
  }
  EXPECT_EQ(committed(db, draft.bind()).error.code(), Errc::unavailable);
  EXPECT_EQ(driver.read("k").error.code(), Errc::unavailable);
  int tries = 0;
  *hook = [&tries] { ++tries; };
  for (int i = 0; i < 2000; ++i)
    EXPECT_EQ(committed(db, draft.bind()).error.code(), Errc::unavailable);
  EXPECT_LT(tries, 1000) << "not each of them tries to connect";
  *hook = nullptr;
  server.start();
  const auto back = until_answered([&] { return committed(db, draft.bind()); });
  EXPECT_TRUE(back.outcome == Outcome::applied || back.outcome == Outcome::repeated) << back.error;
  EXPECT_TRUE(driver.holds_text("k", "x"));
}

TEST_F(PostgresFaults, WhoIsHeldUpForTooLongIsToldSoAndHasWrittenNothing) {
  options.patience = std::chrono::milliseconds(300);
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding mine = driver.take("k");
  ASSERT_EQ(raw("BEGIN; SELECT 1 FROM " + (*this)["record"] + " FOR UPDATE"), "1");
  auto draft = driver.next(mine).data("waits");
  draft.change().data_stays = true;
  const auto late = committed(db, draft.bind());
  EXPECT_TRUE(late.error == Errc::timeout || late.error == Errc::unknown_outcome) << late.error;
  EXPECT_FALSE(driver.read("k").record.has_data) << "and a read waits for nobody";
  raw("ROLLBACK");
  const auto again = until_answered([&] { return committed(db, draft.bind()); });
  EXPECT_TRUE(again.outcome == Outcome::applied || again.outcome == Outcome::repeated);
  EXPECT_TRUE(driver.holds_text("k", "waits"));
}

TEST_F(PostgresFaults, ACommitThatTheServerDiedUnderHasAnUnknownOutcome) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding mine = driver.take("k");
  auto blocker = std::make_unique<RawPostgres>(server.uri());
  ASSERT_EQ((*blocker)("BEGIN; SELECT 1 FROM " + (*this)["record"] + " FOR UPDATE"), "1");
  auto draft = driver.next(mine).data("x");
  draft.change().data_stays = true;
  at_wait(1, [this] {
    server.stop(SIGKILL);
    server.start();
  });
  EXPECT_EQ(committed(db, draft.bind()).error.code(), Errc::unknown_outcome);
  EXPECT_EQ(until_answered([&] { return committed(db, draft.bind()); }).outcome, Outcome::applied);
}

TEST_F(PostgresFaults, ACommitThatTheServerGaveUpBeforeItsEndHasWrittenNothing) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding mine = driver.take("k");
  ASSERT_EQ(raw("BEGIN; SELECT 1 FROM " + (*this)["record"] + " FOR UPDATE"), "1");
  auto draft = driver.next(mine).data("x");
  draft.change().data_stays = true;
  at_wait(1, [this] { cut(); });
  EXPECT_EQ(committed(db, draft.bind()).error.code(), Errc::unavailable);
  raw("ROLLBACK");
  EXPECT_EQ(until_answered([&] { return committed(db, draft.bind()); }).outcome, Outcome::applied);
}

TEST_F(PostgresFaults, ADatabaseThatWasReplacedIsNotWrittenTo) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding mine = driver.take("k");
  driver.save(mine, "x");
  raw("DROP SCHEMA " + options.schema + " CASCADE");
  {
    Postgres other = open();
    PostgresDriver theirs = drive(other);
    Holding same = theirs.take("k");
    theirs.save(same, "theirs");
  }
  cut();
  auto draft = driver.next(mine).data("mine");
  draft.change().data_stays = true;
  int tries = 0;
  const auto refused = until_answered([&] { return committed(db, draft.bind()); });
  EXPECT_EQ(refused.outcome, Outcome::failed);
  EXPECT_EQ(refused.error.code(), Errc::refused) << refused.error;
  *hook = [&tries] { ++tries; };
  EXPECT_EQ(committed(db, draft.bind()).error.code(), Errc::refused);
  EXPECT_LT(tries, 20) << "one call looks once";
  *hook = nullptr;
  Postgres other = open();
  EXPECT_TRUE(drive(other).holds_text("k", "theirs"));
}

TEST_F(PostgresFaults, WhatIsReadToBeWrittenIsLockedAndReadAsItIsThen) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  (void)driver.post("k", 1, "first");
  RawPostgres watcher(server.uri());
  EXPECT_EQ(raw("BEGIN; UPDATE " + (*this)["record"] + " SET last_position = 10"), "");
  at_wait(1, [&] {
    const char* blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    for (int tries = 0; watcher(blocked) == "0" && tries < 1000; ++tries)
      ::usleep(1000);
    raw("COMMIT");
  });
  EXPECT_EQ(driver.post("k", 2, "second").position, 11u);
}

TEST_F(PostgresFaults, OfTwoWhoFightForOneRecordEachSaveThatWasAppliedCounts) {
  constexpr int rounds = 60;
  Postgres dbs[] = {open(), open()};
  PostgresDriver first = drive(dbs[0]);
  (void)drive(dbs[1]);
  std::vector<std::uint64_t> epochs[2];
  int applied[2] = {0, 0};
  const auto fights = [&, store = first.store](std::size_t me) {
    Postgres& db = dbs[me];
    for (int i = 0; i < rounds; ++i) {
      persist::AcquireRequest got{store, "k", db.next_owner({}), std::chrono::minutes(1)};
      db.acquire({&got, 1});
      if (got.outcome == Taken::held) {
        got.intent = persist::Intent::steal;
        got.seen_epoch = got.holder.epoch, got.seen_renewals = got.holder.renewals;
        db.acquire({&got, 1});
      }
      if (got.outcome != Taken::taken) continue;  // the other was faster
      epochs[me].push_back(got.record.fence.epoch);
      persist::Fence fence = got.record.fence;
      for (int save = 0; save < 3; ++save) {
        ++fence.write;
        persist::Buffer bytes(persist::as_bytes("x"));
        persist::Change change;
        change.store = store, change.key = "k", change.fence = fence, change.data = &bytes;
        if (committed(db, change).outcome != Outcome::applied) break;
        ++applied[me];
      }
    }
  };
  std::thread other(fights, 1);
  fights(0);
  other.join();
  std::vector<std::uint64_t> all = epochs[0];
  all.insert(all.end(), epochs[1].begin(), epochs[1].end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end()) << "an epoch had two owners";
  EXPECT_EQ(first.read("k").record.version,
            static_cast<std::uint64_t>(applied[0]) + static_cast<std::uint64_t>(applied[1]));
}

TEST_F(PostgresFaults, DeadlocksAndRacesAreTriedAgain) {
  Postgres one = open(), two = open();
  PostgresDriver first = drive(one), second = drive(two);
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (PostgresDriver* driver : {&first, &second})
    threads.emplace_back([driver, this] {
      for (int i = 0; i < 60; ++i) {
        // Both make the same records at once, in orders of their own.
        std::string a = "a" + std::to_string(i), b = "b" + std::to_string(i);
        if (driver->db.same_database(Postgres(driver->db)) && i % 2 != 0) std::swap(a, b);
        persist::PostRequest posts[] = {
            {driver->store,
             a,
             {{1, driver->db.next_owner({}).session + 1000}, 0, 0, clock.wall()},
             {"Gift", 1, 0, {}, {}}},
            {driver->store,
             b,
             {{2, driver->db.next_owner({}).nonce}, 0, 0, clock.wall()},
             {"Gift", 1, 0, {}, {}}}};
        driver->db.post(posts);
        EXPECT_FALSE(persist::failed(posts[0].error)) << posts[0].error;
        EXPECT_FALSE(persist::failed(posts[1].error)) << posts[1].error;
      }
    });
  for (std::thread& each : threads)
    each.join();
}

}  // namespace
