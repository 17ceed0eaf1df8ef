// builds: single no-exceptions
#include <persist/detail/fatal.hpp>

#include <gtest/gtest.h>

namespace {

TEST(FatalDeathTest, ends_the_program_with_one_sentence) {
  EXPECT_DEATH(persist::detail::fatal("this cannot go on"), "persist: this cannot go on");
}

}  // namespace
