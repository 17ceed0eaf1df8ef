#include <persist/backend/redis/scripts.hpp>

#include "backend/redis/support.hpp"

namespace {

namespace redis = persist::backend::redis;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist_test::OnRedis;
using persist_test::Redis;
using persist_test::RedisDriver;

/// Says to the server what a client says whose clock is wrong.
struct RedisScripts : OnRedis {
  std::string header_key = "{persist/laws}/header";
  std::int64_t now = 0;

  RedisScripts() { options.clock = nullptr; }
  std::string look(const std::string& name, std::int64_t ahead, const std::string& owner) {
    const std::string said = server({"TIME"});
    now = std::stoll(said.substr(0, said.find(' '))) * 1'000'000;
    const std::string answer =
        server({"EVAL", std::string(redis::look_script), "2", header_key, name,
                server({"GET", header_key}), "taking", std::to_string(now + ahead), "0", owner});
    return answer.substr(0, answer.find_first_of(' ', answer.find(' ') + 1) + 3)
        .substr(answer.find(' ', answer.find(' ') + 1) + 1);
  }
};

TEST_F(RedisScripts, a_clock_that_is_ahead_takes_nothing_and_neither_does_one_far_behind) {
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k", std::chrono::minutes(1));
  EXPECT_EQ(driver.commit(driver.next(mine).data("x").renew(std::chrono::minutes(1))),
            Outcome::applied);
  const std::string name = server({"KEYS", "*r/*"});
  constexpr std::int64_t hour = 3'600'000'000;
  EXPECT_EQ(look(name, hour, "1.1"), "no") << "its own clock says that the lease is over";
  EXPECT_EQ(look(name, 0, "1.1"), "no");
  EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied);
  EXPECT_EQ(look(name, hour, "1.1"), "no");
  EXPECT_EQ(look(name, -hour, "1.1"), "no");
  EXPECT_EQ(server({"HGET", name, "t"}), "");
  EXPECT_EQ(look(name, 0, "1.1"), "to") << "that it took it";
  EXPECT_EQ(server({"HGET", name, "t"}), "taking");
}

TEST_F(RedisScripts, a_write_that_was_judged_by_a_wrong_time_is_judged_again) {
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  const std::string name = server({"KEYS", "*r/*"}), version = server({"HGET", name, "v"});
  const std::string header = server({"GET", header_key});
  const auto write = [&](std::int64_t ahead) {
    (void)look("{persist/laws}/nothing", 3'600'000'000, "1.1");
    return server({"EVAL", std::string(redis::write_script), "2", header_key, name, "1", "1", "0",
                   "0", header, std::to_string(now + ahead), "0", version, "2", "x", "y", "0"});
  };
  EXPECT_NE(write(3'600'000'000).find("other"), std::string::npos);
  EXPECT_NE(write(-3'600'000'000).find("other"), std::string::npos);
  EXPECT_EQ(server({"HGET", name, "x"}), "");
  EXPECT_NE(write(0).find("done"), std::string::npos);
  EXPECT_EQ(server({"HGET", name, "x"}), "y");
}

TEST_F(RedisScripts, an_owner_whose_lease_ran_out_has_the_same_epoch_again) {
  options.clock = &clock;
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  driver.save(mine, "x");
  clock.advance(std::chrono::hours(1));
  const auto again = driver.acquire("k", mine.fence.owner);
  EXPECT_EQ(again.record.fence.epoch, mine.fence.epoch);
  EXPECT_EQ(driver.acquire("k", driver.somebody()).record.fence.epoch, mine.fence.epoch + 1);
}

}  // namespace
