#include <persist/backend/redis.hpp>

#include "backend/law_cases.hpp"

#include "support/redis_server.hpp"

namespace {

using persist::backend::Redis;
using persist::testing::ManualClock;
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

TEST(RedisBackend, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(redis_laws), persist::testing::backend_laws<Redis>().size());
}

}  // namespace
