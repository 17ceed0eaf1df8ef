#pragma once

#include <persist/backend/redis.hpp>
#include <persist/testing/laws/backend/driver.hpp>

#include "support/redis_server.hpp"

#include <gtest/gtest.h>

#include <string>

namespace persist_test {

using persist::backend::Redis;
using persist::backend::RedisOptions;
using RedisDriver = persist::testing::laws::Driver<Redis>;

/// An empty server, and what drives handles on it.
struct OnRedis : testing::Test {
  RedisServer& server = shared_redis();
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  RedisOptions options = server.options(&clock);

  OnRedis() {
    EXPECT_EQ(server.problem(), "");
    server({"FLUSHALL"});
  }
  void TearDown() override { EXPECT_TRUE(report.failures().empty()) << report.text(); }
  [[nodiscard]] Redis open() const { return Redis(options); }
  RedisDriver drive(Redis& db) { return {db, clock, report}; }
  /// Scripts that the server has run.
  [[nodiscard]] int scripts_run() const {
    const std::string all = server({"INFO", "commandstats"});
    const std::size_t at = all.find("cmdstat_evalsha:calls=");
    return at == std::string::npos ? 0 : std::stoi(all.substr(at + 22));
  }
};

/// A commit that keeps what became of it.
inline persist::CommitRequest committed(Redis& db, persist::testing::laws::Draft& draft) {
  persist::CommitRequest request{{&draft.bind(), 1}};
  db.commit({&request, 1});
  return request;
}

}  // namespace persist_test
