#include <persist/backend/redis/pool.hpp>

#include "backend/redis/support.hpp"

namespace {

namespace redis = persist::backend::redis;
using persist::Errc;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::committed;
using persist_test::OnRedis;
using persist_test::Redis;
using persist_test::RedisDriver;
using persist_test::RedisServer;

persist::Error status_of(const persist::backend::RedisOptions& options) {
  const auto status = Redis(options).status();
  return status ? persist::Error(Errc{}) : status.error();
}

TEST(RedisPool, a_server_that_would_evict_is_refused) {
  const auto kept = [](const char* info) { return redis::keeps_records(info, "here"); };
  EXPECT_TRUE(kept("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"));
  EXPECT_TRUE(kept("# Memory\r\nmaxmemory:100\r\nmaxmemory_policy:noeviction\r\n"));
  EXPECT_FALSE(kept("# Memory\r\nmaxmemory:100\r\nmaxmemory_policy:volatile-ttl\r\n"));
  EXPECT_FALSE(kept("")) << "one that does not say";
  RedisServer server({"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  ASSERT_EQ(server.problem(), "");
  const persist::Error refused = status_of(server.options());
  EXPECT_EQ(refused.code(), Errc::unsupported) << refused;
  EXPECT_NE(refused.message().find("noeviction"), std::string::npos) << refused;
  auto options = server.options();
  options.never_evicts = true;
  EXPECT_EQ(status_of(options).code(), Errc::unsupported) << "a word against the server's own";
  server({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  EXPECT_EQ(status_of(server.options()).code(), Errc{});
}

TEST(RedisPool, passwords_and_permissions_are_asked_for_and_never_told) {
  RedisServer server({"--requirepass", "s3cret"});
  ASSERT_EQ(server.problem(), "");
  auto options = server.options();
  EXPECT_EQ(status_of(options).code(), Errc::refused) << status_of(options);
  options.password = "wr0ng";
  const persist::Error refused = status_of(options);
  EXPECT_EQ(refused.code(), Errc::refused) << refused;
  EXPECT_EQ(refused.message().find("wr0ng"), std::string::npos) << refused;
  options.password = "s3cret";
  EXPECT_EQ(status_of(options).code(), Errc{}) << status_of(options);
}

TEST_F(OnRedis, a_user_who_may_not_ask_for_evictions_needs_a_word) {
  // What doc/redis.md says, but for INFO.
  server({"ACL",          "SETUSER",
          "game",         "reset",
          "on",           ">pw",
          "~{persist/*",  "&persist:wake:*",
          "-@all",        "+eval",
          "+evalsha",     "+script|load",
          "+time",        "+select",
          "+wait",        "+subscribe",
          "+publish",     "+get",
          "+set",         "+setnx",
          "+del",         "+exists",
          "+hset",        "+hget",
          "+hmget",       "+hgetall",
          "+hdel",        "+zadd",
          "+zrem",        "+zcard",
          "+zrank",       "+zrange",
          "+zrangebylex", "+zrevrangebylex"});
  options.user = "game", options.password = "pw";
  const persist::Error refused = status_of(options);
  EXPECT_EQ(refused.code(), Errc::refused) << refused;
  EXPECT_NE(refused.message().find("never_evicts"), std::string::npos) << refused;
  options.never_evicts = true;
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  driver.save(mine, "one");
  const auto queue = std::make_shared<persist::WakeQueue>();
  db.watch(driver.store, queue);
  EXPECT_NE(server({"PUBSUB", "CHANNELS"}), "") << "hints are heard";
  persist::IndexRequest asked{driver.store, "level", "k"};
  asked.most = 3;
  db.query({&asked, 1});
  EXPECT_FALSE(failed(asked.error)) << asked.error;
  EXPECT_FALSE(failed(driver.erase("k").error));
  mine = driver.take("k");
  server({"ACL", "SETUSER", "game", "-zrem"});
  Redis careless = open();
  persist::OpenStoreRequest opens{"laws", persist::LockKind::lease, {}};
  careless.open_store({&opens, 1});
  EXPECT_EQ(opens.error.code(), Errc::refused) << "before half of something is written";
  server({"ACL", "SETUSER", "game", "-evalsha", "-eval"});
  auto draft = driver.next(mine).data("two");
  const auto done = committed(db, draft);
  EXPECT_EQ(done.error.code(), Errc::refused) << done.error;
  server({"ACL", "DELUSER", "game"});
}

TEST(RedisPool, nobody_there_is_unavailable_and_is_not_asked_again_at_once) {
  RedisServer server;
  ASSERT_EQ(server.problem(), "");
  server.stop(SIGKILL);
  auto options = server.options();
  options.retry_after = std::chrono::hours(1);
  Redis patient(options);
  EXPECT_TRUE(patient.status().is(Errc::unavailable));
  Redis eager(server.options());
  EXPECT_TRUE(eager.status().is(Errc::unavailable));
  server.start();
  EXPECT_TRUE(patient.status().is(Errc::unavailable)) << "its hour is not over";
  EXPECT_TRUE(eager.status());
}

TEST_F(OnRedis, a_server_that_cannot_write_now_has_written_nothing) {
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  driver.save(mine, "one");
  const auto refused = [&](Errc code) {
    auto draft = driver.next(mine).data("two").users({1});
    const auto done = committed(db, draft);
    EXPECT_EQ(done.outcome, Outcome::failed);
    EXPECT_EQ(done.error.code(), code) << done.error;
    --mine.fence.write;
  };
  server({"CONFIG", "SET", "maxmemory", "1"});
  refused(Errc::io);
  server({"CONFIG", "SET", "maxmemory", "0"});
  server({"REPLICAOF", "127.0.0.1", "1"});
  refused(Errc::unavailable);
  server({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(driver.holds_text("k", "one"));
  driver.save(mine, "three");
  EXPECT_TRUE(driver.holds_text("k", "three"));
}

TEST_F(OnRedis, a_server_that_stands_still_is_waited_for_until_the_deadline) {
  options.deadline = std::chrono::milliseconds(100);
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  server.send(SIGSTOP);
  auto draft = driver.next(mine).data("late");
  const auto done = committed(db, draft);
  EXPECT_EQ(done.error.code(), Errc::unknown_outcome) << done.error;
  EXPECT_EQ(driver.read("k").error.code(), Errc::unavailable);
  server.send(SIGCONT);
  options.deadline = std::chrono::seconds(10);
  Redis other = open();
  RedisDriver again = drive(other);
  EXPECT_TRUE(again.holds_text("k", "late")) << "it arrived";
  persist::testing::laws::Draft repeat(again.store, "k", mine.fence);
  EXPECT_EQ(committed(other, repeat.data("late")).outcome, Outcome::repeated);
}

TEST_F(OnRedis, replicas_that_are_not_there_leave_a_doubt) {
  options.replicas = 1;
  options.deadline = std::chrono::milliseconds(100);
  Redis db = open();
  RedisDriver driver(db, clock, report);
  const auto got = driver.acquire("k", driver.somebody());
  EXPECT_EQ(got.outcome, Taken::failed);
  EXPECT_EQ(got.error.code(), Errc::unknown_outcome) << got.error;
}

}  // namespace
