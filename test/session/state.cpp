// builds: single no-exceptions
#include <persist/session/state.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(State, only_released_and_lost_are_an_end) {
  for (const State state : {State::loading, State::open, State::suspect, State::releasing})
    EXPECT_FALSE(ended(state)) << name(state);
  EXPECT_TRUE(ended(State::released));
  EXPECT_TRUE(ended(State::lost));
}

TEST(State, states_and_reasons_have_names) {
  EXPECT_EQ(name(State::suspect), "suspect");
  EXPECT_EQ(name(State::lost), "lost");
  EXPECT_EQ(name(Reason::handover), "handover");
  EXPECT_EQ(name(Reason::lost), "lost");
}

}  // namespace
