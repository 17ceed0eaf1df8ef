#include <persist/session/extras.hpp>

#include <gtest/gtest.h>

namespace {

TEST(Extras, a_load_is_not_done_and_nobody_waits_for_it_at_first) {
  const persist::LoadState load;
  EXPECT_FALSE(load.done);
  EXPECT_EQ(load.waiters, 0);
  EXPECT_EQ(load.error.code(), persist::Errc{});
}

}  // namespace
