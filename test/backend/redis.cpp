#include <persist/backend/redis.hpp>

#include <persist/backend/any.hpp>

#include "backend/law_cases.hpp"

#include <persist/persist.hpp>

#include "backend/redis/support.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace {

using persist::backend::Redis;
using persist::testing::ManualClock;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::OnRedis;
using persist_test::RedisDriver;
using persist_test::RedisServer;
using persist_test::shared_redis;

static_assert(persist::transactional_backend<Redis> && persist::versioned_backend<Redis>);
static_assert(persist::queries_indexes<Redis> && persist::holds_schemas<Redis>);
static_assert(persist::limits_data<Redis> && persist::judges_leases<Redis>);
static_assert(persist::watched_backend<Redis> && persist::scans_keys<Redis>);

/// Each law finds an empty server.
const int redis_laws = persist_test::register_laws<Redis>("LawsOnRedis", [](ManualClock& clock) {
  EXPECT_EQ(shared_redis().problem(), "");
  shared_redis()({"FLUSHALL"});
  return Redis(shared_redis().options(&clock));
});

TEST(RedisLaws, every_one_is_tried) {
  EXPECT_EQ(static_cast<std::size_t>(redis_laws), persist::testing::backend_laws<Redis>().size());
}

struct RedisBackend : OnRedis {};

TEST_F(RedisBackend, lists_its_stores) {
  Redis db = open();
  EXPECT_TRUE(db.stores().empty());
  for (const char* name : {"a", "a/b", "players", "{x}"}) {
    persist::OpenStoreRequest request;
    request.name = name;
    db.open_store(std::span(&request, 1));
    ASSERT_FALSE(failed(request.error)) << request.error;
  }
  for (int i = 0; i < 3000; ++i)
    server({"SET", "other" + std::to_string(i), "x"});
  server({"SET", "{persist/fake}/header", "no header"});
  std::vector<std::string> names;
  for (const auto& store : db.stores())
    names.push_back(store.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "a/b", "players", "{x}"}));
}

TEST_F(RedisBackend, is_opened_by_a_uri) {
  using persist::Errc;
  using persist::backend::open;
  const std::string socket = "redis:" + server.socket();
  const auto opened = open<Redis>(socket + "?replicas=0&wakes=no&deadline=3s");
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(open<Redis>(socket + "?wakes=perhaps").is(Errc::invalid));
  EXPECT_TRUE(open<Redis>(socket + "?replicas=-1").is(Errc::invalid));
  EXPECT_TRUE(open<Redis>(socket + "?ttl=5").is(Errc::invalid));
  EXPECT_TRUE(open<Redis>("redis://127.0.0.1:1/x").is(Errc::invalid));
  const auto nobody = open<Redis>("redis://ann:secret@127.0.0.1:1/0?deadline=100ms");
  EXPECT_TRUE(nobody.is(Errc::unavailable)) << nobody.error().message();
  EXPECT_EQ(nobody.error().message().find("secret"), std::string::npos);
}

TEST_F(RedisBackend, answers_random_batches_as_memory_does) {
  persist::backend::Memory memory(clock);
  persist::testing::laws::Driver<persist::backend::Memory> reference(memory, clock, report);
  Redis db = open();
  RedisDriver driver = drive(db);
  persist::testing::laws::RandomBatches<Redis, persist::backend::Memory> batches(driver, reference);
  for (std::uint64_t seed = 0; seed < 1000 && report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) clock.advance(std::chrono::seconds(20));
    if (seed % 64 == 0) server({"SCRIPT", "FLUSH"});
    if (seed % 100 == 0) server({"CLIENT", "KILL", "TYPE", "normal"});
  }
  batches.settle();
}

TEST_F(RedisBackend, copies_are_one_database_and_two_handles_are_not) {
  Redis one = open(), two = open();
  EXPECT_TRUE(one.same_database(Redis(one)));
  EXPECT_FALSE(one.same_database(two));
  RedisDriver first = drive(one), second = drive(two);
  EXPECT_EQ(first.birth, second.birth);
  Holding mine = first.take("k");
  first.save(mine, "mine");
  EXPECT_EQ(second.acquire("k", second.somebody()).holder.owner, mine.fence.owner);
  Holding theirs = second.take_away("k");
  EXPECT_EQ(first.commit(first.next(mine).data("late")), Outcome::fenced);
  second.save(theirs, "theirs");
  EXPECT_TRUE(first.holds_text("k", "theirs"));
}

TEST(RedisServers, one_that_is_killed_and_started_again_has_all_of_each_save_or_nothing) {
  RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
  ASSERT_EQ(server.problem(), "");
  ManualClock clock;
  persist::testing::Report report;
  Redis db(server.options(&clock));
  RedisDriver driver(db, clock, report);
  Holding a = driver.take("a"), b = driver.take("b");
  int acknowledged = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) {
      const std::string text = std::to_string(++acknowledged);
      auto x = driver.next(a).data(text), y = driver.next(b).data(text);
      persist::Change both[] = {x.bind(), y.bind()};
      persist::CommitRequest request{both};
      if (i == 10) server.stop(SIGKILL);
      db.commit({&request, 1});
      if (request.outcome == Outcome::applied) continue;
      EXPECT_TRUE(request.error == persist::Errc::unavailable) << request.error;
      EXPECT_EQ(driver.read("a").error.code(), persist::Errc::unavailable);
      server.start();
      ASSERT_EQ(server.problem(), "");
      EXPECT_TRUE(driver.holds_text("a", std::to_string(acknowledged - 1)));
      db.commit({&request, 1});
      EXPECT_EQ(request.outcome, Outcome::applied) << "the session goes on as if nothing had been";
    }
    EXPECT_TRUE(driver.holds_text("a", std::to_string(acknowledged)));
    EXPECT_TRUE(driver.holds_text("b", std::to_string(acknowledged)));
  }
  EXPECT_TRUE(report.passed()) << report.text();
}

TEST(RedisServers, one_that_was_killed_in_the_middle_of_saves_has_whole_ones) {
  RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
  ASSERT_EQ(server.problem(), "");
  ManualClock clock;
  persist::testing::Report report;
  Redis db(server.options(&clock));
  RedisDriver driver(db, clock, report);
  Holding a = driver.take("a"), b = driver.take("b");
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> saved{0};
    std::thread kills([&] {
      while (saved < 30)
        std::this_thread::yield();
      server.stop(SIGKILL);
    });
    int last = 0;
    Outcome outcome = Outcome::applied;
    while (outcome == Outcome::applied) {
      const std::string text = std::to_string(++last);
      auto x = driver.next(a).data(text), y = driver.next(b).data(text);
      persist::Change both[] = {x.bind(), y.bind()};
      persist::CommitRequest request{both};
      db.commit({&request, 1});
      outcome = request.outcome;
      if (outcome == Outcome::applied) saved = last;
    }
    kills.join();
    server.start();
    ASSERT_EQ(server.problem(), "");
    const auto x = driver.read("a"), y = driver.read("b");
    EXPECT_EQ(x.record.data, y.record.data) << "both or none";
    const int found = std::stoi(std::string(persist::as_text(x.record.data)));
    EXPECT_TRUE(found == saved || found == saved + 1) << found << " of " << saved;
  }
  EXPECT_TRUE(report.passed()) << report.text();
}

struct Purse {
  int coins = 0;
};

TEST_F(RedisBackend, a_store_loads_saves_and_releases) {
  using Purses = persist::Store<int, Purse, Redis>;
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
