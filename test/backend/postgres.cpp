#include <persist/backend/postgres.hpp>

#include <persist/backend/any.hpp>

#include "backend/law_cases.hpp"

#include <persist/persist.hpp>

#include "backend/postgres/support.hpp"

#include <algorithm>
#include <thread>

namespace {

using persist::Errc;
using persist::backend::Memory;
using persist::backend::Postgres;
using persist::testing::ManualClock;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::PostgresDriver;
using persist_test::PostgresServer;
using persist_test::RawPostgres;

static_assert(persist::transactional_backend<Postgres> && persist::versioned_backend<Postgres>);
static_assert(persist::queries_indexes<Postgres> && persist::holds_schemas<Postgres>);
static_assert(persist::limits_data<Postgres> && persist::judges_leases<Postgres>);
static_assert(persist::watched_backend<Postgres>);

/// Each law has a schema of its own.
void hold_to_every_law(persist::backend::PostgresOptions options) {
  PostgresServer& server = PostgresServer::instance();
  persist_test::run_laws<Postgres>([&](ManualClock& clock) {
    options.schema = server.fresh_name();
    options.clock = &clock;
    return Postgres(server.uri(), options);
  });
}

TEST(Postgres, HoldsToEveryLaw) {
  hold_to_every_law({});
}

TEST(Postgres, HoldsToEveryLawThroughAPooler) {
  hold_to_every_law({.pooled = true});
}

TEST(Postgres, IsOpenedByAUri) {
  using persist::backend::open;
  const PostgresServer& server = PostgresServer::instance();
  const std::string uri = "postgres:///postgres?user=persist&host=" + server.folder();
  EXPECT_TRUE(open<Postgres>(uri + "&schema=by_uri&creates=no").is(Errc::not_found));
  const auto opened = open<Postgres>(uri + "&schema=by_uri&pooled=yes&listens=no&patience=3s");
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(open<Postgres>("postgresql" + uri.substr(8) + "&schema=by_uri"));
  EXPECT_TRUE(open<Postgres>(uri + "&schema=by_uri&creates=no"));
  EXPECT_TRUE(open<Postgres>(uri + "&pooled=1").is(Errc::invalid));
  EXPECT_TRUE(open<Postgres>(uri + "&patience=long").is(Errc::invalid));
  EXPECT_TRUE(open<Postgres>("postgres:game").is(Errc::invalid));
  EXPECT_FALSE(open<Postgres>(uri + "&colour=red")) << "libpq knows none";
  const auto nobody = open<Postgres>("postgres://ann:secret@127.0.0.1:1/game?patience=100ms");
  EXPECT_TRUE(nobody.is(Errc::unavailable)) << nobody.error().message();
  EXPECT_EQ(nobody.error().message().find("secret"), std::string::npos);
}

using PostgresTables = persist_test::PostgresTest;

TEST_F(PostgresTables, AnswerRandomBatchesAsMemoryDoes) {
  Memory memory(clock);
  persist::testing::laws::Driver<Memory> reference(memory, clock, report);
  Postgres db = open();
  PostgresDriver driver = drive(db);
  persist::testing::laws::RandomBatches<Postgres, Memory> batches(driver, reference);
  for (std::uint64_t seed = 0; seed < 600 && report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) clock.advance(std::chrono::seconds(20));
  }
  batches.settle();
}

TEST_F(PostgresTables, ALoadASaveAReadAndAReleaseAreOneRoundTripEach) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding first = driver.take("k");  // was never there
  driver.save(first, "x");
  EXPECT_EQ(driver.commit(driver.next(first).release()), Outcome::applied);
  const auto cost = [&](auto call) {
    const std::uint64_t before = db.round_trips();
    call();
    return db.round_trips() - before;
  };
  Holding mine;
  EXPECT_EQ(cost([&] { mine = driver.take("k"); }), 1u);
  EXPECT_EQ(cost([&] { driver.save(mine, "y"); }), 1u);
  EXPECT_EQ(cost([&] { EXPECT_TRUE(driver.holds_text("k", "y")); }), 1u);
  EXPECT_EQ(cost([&] { EXPECT_EQ(driver.commit(driver.next(mine).renew()), Outcome::applied); }),
            1u);
  EXPECT_EQ(cost([&] { EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied); }),
            1u);
}

TEST_F(PostgresTables, AThousandSavesAreOneRoundTrip) {
  constexpr std::size_t many = 1000;
  Postgres db = open();
  PostgresDriver driver = drive(db);
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
  for (std::size_t i = 0; i < many; ++i) {
    data.emplace_back(persist::as_bytes(keys[i]));
    changes[i].store = driver.store, changes[i].key = keys[i], changes[i].data = &data[i];
    changes[i].data_stays = true;
    changes[i].fence = loads[i].record.fence;
    ++changes[i].fence.write;
    commits[i].changes = {&changes[i], 1};
  }
  const std::uint64_t before = db.round_trips();
  db.commit(commits);
  EXPECT_EQ(db.round_trips() - before, 1u);
  for (std::size_t i = 0; i < many; ++i)
    ASSERT_EQ(commits[i].outcome, Outcome::applied) << i << commits[i].error;
  EXPECT_TRUE(driver.holds_text("k999", "k999"));
}

TEST_F(PostgresTables, ASaveToWhichSomebodyCameInBetweenHearsOfIt) {
  Postgres one = open(), two = open();
  PostgresDriver mine = drive(one), other = drive(two);
  Holding held = mine.take("k");
  mine.save(held, "x");
  (void)other.post("k", 1, "a gift");
  const auto asks = other.acquire("k", other.somebody(), persist::Intent::request);
  EXPECT_EQ(asks.outcome, Taken::held);
  auto draft = mine.next(held).data("y");
  persist::CommitRequest request{{&draft.bind(), 1}};
  one.commit({&request, 1});
  EXPECT_EQ(request.outcome, Outcome::applied);
  EXPECT_TRUE(draft.change().release_requested);
  ASSERT_EQ(draft.change().messages.size(), 1u);
  EXPECT_EQ(as_text(draft.change().messages[0].payload), "a gift");
}

TEST_F(PostgresTables, TwoOpenOnOneDatabaseFenceEachOther) {
  Postgres one = open(), two = open();
  EXPECT_TRUE(one.same_database(Postgres(one)));
  EXPECT_FALSE(one.same_database(two));
  PostgresDriver first = drive(one), second = drive(two);
  EXPECT_EQ(first.birth, second.birth);
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

TEST_F(PostgresTables, TheServersClockJudgesLeases) {
  options.clock = nullptr;
  Postgres one = open(), two = open();
  PostgresDriver first = drive(one), second = drive(two);
  Holding mine = first.take("k", std::chrono::hours(1));
  first.save(mine, "x");
  EXPECT_EQ(second.acquire("k", second.somebody()).outcome, Taken::held);
  RawPostgres raw(server.uri());
  const auto is_now = [&](const char* column, const char* per_second) {
    return raw("SELECT abs(" + std::string(column) + " / " + per_second +
               " - extract(epoch from clock_timestamp())) < 600 FROM " + (*this)["record"]);
  };
  EXPECT_EQ(is_now("renewed_ns", "1e9"), "t");
  EXPECT_EQ(is_now("updated_ms", "1e3"), "t");
  raw("UPDATE " + (*this)["record"] + " SET renewed_ns = renewed_ns - 3600 * 1000000000::bigint");
  EXPECT_EQ(second.acquire("k", second.somebody()).outcome, Taken::taken);
}

TEST_F(PostgresTables, WhatASessionMovesLeavesAlongWithItsData) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  Holding mine = driver.take("k");
  EXPECT_EQ(driver.commit(driver.next(mine).data("x").receipt(7, 3).send("other", 1, "gift")),
            Outcome::applied);
  (void)driver.post("k", 1, "hello");
  EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied);
  const std::uint64_t before = db.round_trips();
  const auto again = driver.acquire("k", driver.somebody());
  EXPECT_EQ(db.round_trips() - before, 1u) << "whatever there is";
  ASSERT_EQ(again.record.receipts.size(), 1u);
  EXPECT_EQ(again.record.receipts[0].day, 3u);
  ASSERT_EQ(again.record.inbox.size(), 1u);
  EXPECT_EQ(as_text(again.record.data), "x");
  EXPECT_EQ(driver.read("other").inbox_messages, 1u);
}

TEST_F(PostgresTables, ARecordThatIsDamagedStopsNoOtherOfItsBatch) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  for (const char* key : {"a", "b", "c"}) {
    Holding mine = driver.take(key);
    driver.save(mine, key);
    EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied);
  }
  RawPostgres raw(server.uri());
  const std::string record = (*this)["record"];
  raw("DELETE FROM " + (*this)["data"] + " WHERE record = (SELECT id FROM " + record +
      " WHERE key = 'b')");
  std::vector<persist::AcquireRequest> batch;
  for (const char* key : {"a", "b", "c"})
    batch.push_back({driver.store, key, driver.somebody(), std::chrono::minutes(1)});
  db.acquire(batch);
  EXPECT_EQ(batch[0].outcome, Taken::taken);
  EXPECT_EQ(batch[1].outcome, Taken::failed);
  EXPECT_EQ(batch[1].error.code(), Errc::corrupt) << batch[1].error;
  EXPECT_EQ(batch[2].outcome, Taken::taken);
  EXPECT_EQ(as_text(batch[2].record.data), "c");
  for (const char* damage : {"past = '\\x00'", "past = decode(repeat('00', 160), 'hex')",
                             "past = '', user_ids = '\\x01'"}) {
    raw("UPDATE " + record + " SET " + damage + " WHERE key = 'b'");
    persist::ReadRequest both[] = {{driver.store, "b"}, {driver.store, "c"}};
    db.read(both);
    EXPECT_EQ(both[0].error.code(), Errc::corrupt) << damage << both[0].error;
    EXPECT_EQ(as_text(both[1].record.data), "c");
  }
  EXPECT_EQ(raw("SELECT count(*) FROM " + record), "3") << "and left alone";
}

TEST_F(PostgresTables, AStoreThatIsNotThereIsInvalid) {
  Postgres db = open();
  persist::PostRequest post{{77}, "k", {{1, 1}, 0, 0, clock.wall()}, {"Gift", 1, 0, {}, {}}};
  db.post({&post, 1});
  EXPECT_EQ(post.error.code(), Errc::invalid) << post.error;
  PostgresDriver driver = drive(db);
  for (const std::string& key : {std::string(), std::string(256, 'x')}) {
    persist::AcquireRequest acquire{driver.store, key, driver.somebody()};
    db.acquire({&acquire, 1});
    EXPECT_EQ(acquire.error.code(), Errc::invalid) << acquire.error;
    EXPECT_EQ(acquire.outcome, Taken::failed);
  }
}

TEST_F(PostgresTables, AKeyIsAnyBytes) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  for (int c = 1; c < 256; ++c) {
    const std::string key = std::string(1, static_cast<char>(c)) + "'\"\\{}";
    Holding mine = driver.take(key);
    driver.save(mine, key);
    EXPECT_TRUE(driver.holds_text(key, key)) << c;
  }
  persist::ScanRequest all{driver.store};
  db.scan({&all, 1});
  EXPECT_EQ(all.keys.size(), 255u);
  EXPECT_TRUE(std::is_sorted(all.keys.begin(), all.keys.end()));
}

TEST_F(PostgresTables, EightMebibytesAreOneRecord) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  std::string large(std::size_t{8} << 20, 'x');
  for (std::size_t i = 0; i < large.size(); i += 4093)
    large[i] = static_cast<char>('a' + i % 26);
  EXPECT_GT(db.largest_data(), large.size());
  Holding mine = driver.take("k");
  driver.save(mine, large);
  EXPECT_TRUE(driver.holds_text("k", large));
}

TEST_F(PostgresTables, ThreadsShareIt) {
  Postgres db = open();
  PostgresDriver driver = drive(db);
  const persist::StoreId store = driver.store;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([mine = t % 2 == 0 ? db : open(), store, t]() mutable {
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
        EXPECT_EQ(commit.outcome, Outcome::applied) << commit.error;
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

struct Purse {
  int coins = 0;
};

TEST_F(PostgresTables, AStoreLoadsSavesAndReleases) {
  using Purses = persist::Store<int, Purse, Postgres, persist::lock::Lease<>, persist::codec::Json>;
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
  RawPostgres raw(server.uri());
  EXPECT_EQ(raw("SELECT json->>'coins' FROM " + (*this)["readable"] + " WHERE store = 'purses'"),
            "5");
  EXPECT_EQ(raw("SELECT key || codec || flags FROM " + (*this)["readable"]), "120");
}

}  // namespace
