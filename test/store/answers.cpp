#include <persist/store/answers.hpp>

#include <gtest/gtest.h>

namespace {

TEST(Answers, a_record_of_which_nothing_is_known_is_not_there) {
  const persist::Inspection nothing;
  EXPECT_FALSE(nothing.exists || nothing.held || nothing.release_requested);
  EXPECT_FALSE(persist::KeyPage().done);
  EXPECT_FALSE(persist::PeekOptions().live);
}

}  // namespace
