#include <persist/session/event.hpp>

#include <gtest/gtest.h>

namespace {

TEST(Event, its_result_is_an_error_until_somebody_sets_it) {
  const persist::Event event;
  EXPECT_FALSE(event.saved);
  EXPECT_FALSE(event.was_saved);
}

}  // namespace
