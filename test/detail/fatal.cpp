// builds: single
#include <persist/detail/fatal.hpp>

#include <csignal>

#include <gtest/gtest.h>

namespace {

static_assert(PERSIST_HAS_EXCEPTIONS == 0 || !noexcept(persist::detail::fatal("")));

TEST(FatalDeathTest, says_one_sentence_and_aborts) {
  EXPECT_EXIT(persist::detail::fatal("100 %s of it"), testing::KilledBySignal(SIGABRT),
              "^persist: 100 %s of it\n");
}

}  // namespace
