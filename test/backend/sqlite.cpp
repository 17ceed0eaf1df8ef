#include <persist/backend/sqlite.hpp>

#include <persist/backend/any.hpp>

#include "backend/law_cases.hpp"

#include <persist/persist.hpp>

#include "backend/sqlite/support.hpp"

#include <atomic>
#include <thread>

namespace {

using persist::Errc;
using persist::backend::Durability;
using persist::backend::Memory;
using persist::backend::Sqlite;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::RawSqlite;
using persist_test::SqliteDriver;
using persist_test::SqliteFolder;

static_assert(persist::transactional_backend<Sqlite> && persist::versioned_backend<Sqlite>);
static_assert(persist::queries_indexes<Sqlite> && persist::holds_schemas<Sqlite>);
static_assert(persist::limits_data<Sqlite> && persist::judges_leases<Sqlite>);
static_assert(persist::watched_backend<Sqlite>);

/// Each law has a file of its own; without syncs, which no law can tell.
const int sqlite_laws = persist_test::register_laws<Sqlite>(
    "LawsOnSqlite", [folder = std::shared_ptr<SqliteFolder>()](ManualClock& clock) mutable {
      folder = std::make_shared<SqliteFolder>();
      return Sqlite(folder->db(), {.durability = Durability::relaxed, .clock = &clock});
    });

TEST(Sqlite, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(sqlite_laws), persist::testing::backend_laws<Sqlite>().size());
}

struct SqliteFile : testing::Test {
  SqliteFolder folder;
  ManualClock clock;
  Report report;
  persist::backend::SqliteOptions options{.durability = Durability::relaxed, .clock = &clock};

  void TearDown() override { EXPECT_TRUE(report.failures().empty()) << report.text(); }
  Sqlite open() { return Sqlite(folder.db(), options); }
  SqliteDriver drive(Sqlite& db) { return {db, clock, report}; }
};

TEST_F(SqliteFile, IsOpenedByAUri) {
  using persist::backend::open;
  const std::string uri = "sqlite:" + folder.db();
  EXPECT_TRUE(open<Sqlite>(uri + "?creates=no", &clock).is(Errc::not_found));
  EXPECT_FALSE(std::filesystem::exists(folder.db()));
  const auto full = open<Sqlite>(uri, &clock);
  ASSERT_TRUE(full) << full.error().message();
  EXPECT_TRUE(open<Sqlite>(uri + "?durability=relaxed&patience=250ms", &clock));
  EXPECT_TRUE(open<Sqlite>(uri + "?creates=no", &clock));
  EXPECT_TRUE(open<Sqlite>(uri + "?durability=most", &clock).is(Errc::invalid));
  EXPECT_TRUE(open<Sqlite>(uri + "?patience=1", &clock).is(Errc::invalid));
  EXPECT_TRUE(open<Sqlite>(uri + "?synchronous=full", &clock).is(Errc::invalid));
  EXPECT_TRUE(open<Sqlite>("sqlite:", &clock).is(Errc::invalid));
  EXPECT_TRUE(open(uri).is(Errc::unsupported)) << "without the adapter";
}

TEST_F(SqliteFile, AnswersRandomBatchesAsMemoryDoes) {
  Memory memory(clock);
  persist::testing::laws::Driver<Memory> reference(memory, clock, report);
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  persist::testing::laws::RandomBatches<Sqlite, Memory> batches(driver, reference);
  for (std::uint64_t seed = 0; seed < 1500 && report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) clock.advance(std::chrono::seconds(20));
  }
  batches.settle();
}

TEST_F(SqliteFile, WhatWasSavedIsThereWhenItIsOpenedAgain) {
  persist::Hash128 birth;
  std::uint64_t epoch = 0;
  {
    Sqlite db = open();
    SqliteDriver driver = drive(db);
    birth = driver.birth;
    Holding mine = driver.take("k");
    epoch = mine.fence.epoch;
    driver.save(mine, "kept");
  }
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  EXPECT_EQ(driver.birth, birth);
  EXPECT_TRUE(driver.holds_text("k", "kept"));
  EXPECT_EQ(driver.take("k").fence.epoch, epoch + 1) << "whose owner is gone, so the lease is too";
  EXPECT_EQ(db.stores().size(), 1u);
}

TEST_F(SqliteFile, TwoOpenOnOneFileFenceEachOther) {
  Sqlite one = open(), two = open();
  EXPECT_TRUE(one.same_database(Sqlite(one)));
  EXPECT_FALSE(one.same_database(two));
  SqliteDriver first = drive(one), second = drive(two);
  Holding mine = first.take("k");
  first.save(mine, "mine");
  EXPECT_TRUE(second.holds_text("k", "mine"));
  const auto held = second.acquire("k", second.somebody());
  EXPECT_EQ(held.outcome, Taken::held);
  EXPECT_EQ(held.holder.owner, mine.fence.owner);
  Holding theirs = second.take_away("k");
  EXPECT_EQ(first.commit(first.next(mine).data("late")), Outcome::fenced);
  second.save(theirs, "theirs");
  EXPECT_TRUE(first.holds_text("k", "theirs"));
}

TEST_F(SqliteFile, AnOwnerThatIsGoneHoldsNothingAndOneThatIsThereDoes) {
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  auto other = std::make_unique<Sqlite>(open());
  Holding theirs = drive(*other).take("k");
  EXPECT_EQ(driver.acquire("k", driver.somebody()).outcome, Taken::held);
  EXPECT_TRUE(driver.read("k").held);
  other.reset();
  EXPECT_FALSE(driver.read("k").held);
  EXPECT_EQ(driver.read("k").holder.owner, theirs.fence.owner) << "expired is not cleared";
  EXPECT_EQ(driver.acquire("k", driver.somebody()).outcome, Taken::taken);
}

TEST_F(SqliteFile, WhoCannotWriteInTimeIsToldSoAndHasWrittenNothing) {
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  Holding mine = driver.take("k");
  RawSqlite other(folder.db());
  ASSERT_EQ(other("BEGIN IMMEDIATE"), "");
  const auto before = clock.now();
  auto draft = driver.next(mine).data("waits");
  persist::CommitRequest request{{&draft.bind(), 1}};
  db.commit({&request, 1});
  EXPECT_EQ(request.outcome, Outcome::failed);
  EXPECT_EQ(request.error.code(), Errc::timeout) << request.error;
  EXPECT_NE(request.error.message().find(folder.db()), std::string::npos);
  EXPECT_EQ(clock.now() - before, options.patience);
  EXPECT_FALSE(driver.read("k").record.has_data) << "and a read waits for nobody";
  EXPECT_EQ(clock.now() - before, options.patience);
  ASSERT_EQ(other("ROLLBACK"), "");
  EXPECT_EQ(driver.commit(draft), Outcome::applied);
  EXPECT_TRUE(driver.holds_text("k", "waits"));
}

TEST_F(SqliteFile, ARecordThatIsDamagedStopsNoOtherOfItsBatch) {
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  for (const char* key : {"a", "b", "c"}) {
    Holding mine = driver.take(key);
    driver.save(mine, key);
    EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied);
  }
  RawSqlite raw(folder.db());
  raw("DELETE FROM persist_data WHERE record = (SELECT id FROM persist_record WHERE key = 'b')");
  std::vector<persist::AcquireRequest> batch;
  for (const char* key : {"a", "b", "c"})
    batch.push_back({driver.store, key, driver.somebody(), std::chrono::minutes(1)});
  db.acquire(batch);
  EXPECT_EQ(batch[0].outcome, Taken::taken);
  EXPECT_EQ(batch[1].outcome, Taken::failed);
  EXPECT_EQ(batch[1].error.code(), Errc::corrupt) << batch[1].error;
  EXPECT_EQ(batch[2].outcome, Taken::taken);
  EXPECT_EQ(as_text(batch[2].record.data), "c");
  raw("UPDATE persist_record SET past = x'00' WHERE key = 'b'");
  EXPECT_EQ(driver.read("b").error.code(), Errc::corrupt);
  raw("UPDATE persist_record SET past = zeroblob(160) WHERE key = 'b'");
  EXPECT_EQ(driver.read("b").error.code(), Errc::corrupt);
  raw("UPDATE persist_record SET past = x'', user_ids = x'01' WHERE key = 'b'");
  EXPECT_EQ(driver.read("b").error.code(), Errc::corrupt);
  EXPECT_EQ(raw("SELECT count(*) FROM persist_record"), "3") << "and left alone";
}

TEST_F(SqliteFile, AStoreThatIsNotThereIsInvalid) {
  Sqlite db = open();
  persist::PostRequest post{{77}, "k", {{1, 1}, 0, 0, clock.wall()}, {"Gift", 1, 0, {}, {}}};
  db.post({&post, 1});
  EXPECT_EQ(post.error.code(), Errc::invalid) << post.error;
  SqliteDriver driver = drive(db);
  for (const std::string& key : {std::string(), std::string(256, 'x')}) {
    persist::AcquireRequest acquire{driver.store, key, driver.somebody()};
    db.acquire({&acquire, 1});
    EXPECT_EQ(acquire.error.code(), Errc::invalid) << acquire.error;
    EXPECT_EQ(acquire.outcome, Taken::failed);
  }
}

TEST_F(SqliteFile, EightMebibytesAreOneRecord) {
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  std::string large(std::size_t{8} << 20, 'x');
  for (std::size_t i = 0; i < large.size(); i += 4093)
    large[i] = static_cast<char>('a' + i % 26);
  EXPECT_GT(db.largest_data(), large.size());
  Holding mine = driver.take("k");
  driver.save(mine, large);
  EXPECT_TRUE(driver.holds_text("k", large));
}

TEST_F(SqliteFile, ThreadsShareIt) {
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  const persist::StoreId store = driver.store;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([mine = db, store, t]() mutable {
      const std::string own = "own" + std::to_string(t);
      persist::AcquireRequest got{store, own, mine.next_owner({}), std::chrono::minutes(1)};
      mine.acquire({&got, 1});
      persist::Fence fence = got.record.fence;
      for (int i = 0; i < 50; ++i) {
        ++fence.write;
        persist::Buffer bytes(persist::as_bytes(std::to_string(i)));
        persist::Send send{store, "everyone's", fence.write, {"Gift", 1, 0, {}, {}}};
        persist::Change change;
        change.store = store, change.key = own, change.fence = fence, change.data = &bytes;
        change.sends = {&send, 1};
        persist::CommitRequest commit{{&change, 1}};
        mine.commit({&commit, 1});
        persist::ReadRequest read{store, own};
        mine.read({&read, 1});
        if (as_text(read.record.data) != std::to_string(i)) return;
      }
    });
  for (std::thread& each : threads)
    each.join();
  EXPECT_EQ(driver.read("everyone's").inbox_messages, 200u);
  for (int t = 0; t < 4; ++t)
    EXPECT_TRUE(driver.holds_text("own" + std::to_string(t), "49"));
}

TEST_F(SqliteFile, WhatABatchReadsIsOfOneMoment) {
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  Holding a = driver.take("a"), b = driver.take("b");
  std::atomic<bool> ends{false};
  std::atomic<int> saved{0};
  std::thread writes([&] {
    for (int i = 0; !ends; ++i) {
      auto x = driver.next(a).data(std::to_string(i)), y = driver.next(b).data(std::to_string(i));
      persist::Change both[] = {x.bind(), y.bind()};
      persist::CommitRequest request{both};
      db.commit({&request, 1});
      saved = i;
    }
  });
  bool same = true;
  while (saved < 300) {
    persist::ReadRequest both[] = {{driver.store, "a"}, {driver.store, "b"}};
    db.read(both);
    same = same && both[0].record.data == both[1].record.data;
  }
  ends = true;
  writes.join();
  EXPECT_TRUE(same);
}

TEST_F(SqliteFile, TenThousandRecordsAreOneBatch) {
  constexpr std::size_t many = 10'000;
  Sqlite db = open();
  SqliteDriver driver = drive(db);
  std::vector<std::string> keys;
  keys.reserve(many);
  for (std::size_t i = 0; i < many; ++i)
    keys.push_back("k" + std::to_string(i));
  std::vector<persist::AcquireRequest> loads;
  loads.reserve(many);
  for (const std::string& key : keys)
    loads.push_back({driver.store, key, driver.somebody(), std::chrono::minutes(1)});
  db.acquire(loads);
  std::vector<persist::Change> changes(many);
  std::vector<persist::Buffer> data;
  data.reserve(many);
  std::vector<persist::CommitRequest> commits(many);
  for (std::size_t i = 0; i < many; ++i)
    data.emplace_back(persist::as_bytes(keys[i]));
  for (std::size_t i = 0; i < many; ++i) {
    changes[i].store = driver.store, changes[i].key = keys[i], changes[i].data = &data[i];
    changes[i].fence = loads[i].record.fence;
    ++changes[i].fence.write;
    commits[i].changes = {&changes[i], 1};
  }
  db.commit(commits);
  for (std::size_t i = 0; i < many; ++i)
    ASSERT_EQ(commits[i].outcome, Outcome::applied) << i << commits[i].error;
  EXPECT_TRUE(driver.holds_text("k9999", "k9999"));
}

struct Purse {
  int coins = 0;
};

TEST_F(SqliteFile, AStoreLoadsSavesAndReleases) {
  using Purses = persist::Store<int, Purse, Sqlite>;
  const auto quiet = [](persist::LogLevel, std::string_view) {};
  const persist::StoreOptions told{.clock = &clock, .log = {.sink = quiet}};
  {
    Purses purses("purses", open(), told);
    auto session = purses.load(1);
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = 5;
    EXPECT_TRUE(session->release());
  }
  Purses purses("purses", open(), told);
  EXPECT_EQ(purses.peek(1)->data.coins, 5);
}

}  // namespace
