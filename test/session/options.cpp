#include <persist/session/options.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(Options, what_holds_unless_told_otherwise) {
  const StoreOptions options;
  EXPECT_EQ(options.autosave, 30s);
  EXPECT_EQ(options.min_gap, 0s);
  EXPECT_EQ(options.lease, 60s);
  EXPECT_EQ(options.renew, 20s);
  EXPECT_EQ(options.load_deadline, 10s);
  EXPECT_EQ(options.begin_deadline, 90s);
  EXPECT_TRUE(options.save_on_release);
  EXPECT_EQ(options.record_limit, 4U << 20);
  EXPECT_EQ(options.inbox_limit.messages, 1000U);
  EXPECT_EQ(options.inbox_limit.bytes, 1U << 20);
  EXPECT_EQ(options.outbox_limit, 1000U);
}

TEST(Options, a_dead_holders_lease_runs_out_before_a_begun_load_gives_up) {
  const StoreOptions options;
  EXPECT_GT(options.begin_deadline, options.lease);
  EXPECT_GT(options.lease, 2 * options.renew);
}

}  // namespace
