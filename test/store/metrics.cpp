#include <persist/store/metrics.hpp>

#include <gtest/gtest.h>

namespace {

TEST(Metrics, a_new_store_has_done_nothing) {
  const persist::Metrics metrics;
  EXPECT_EQ(metrics.loads + metrics.saves + metrics.releases + metrics.edits_after_end, 0U);
}

}  // namespace
