// builds: single no-exceptions
#include <persist/session/state.hpp>

#include <set>
#include <string_view>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(sizeof(State) == 1 && sizeof(Reason) == 1 && sizeof(Grant) == 1);
static_assert(std::is_aggregate_v<Saved> && std::is_aggregate_v<Usage>);

TEST(State, only_its_last_two_are_an_end) {
  EXPECT_FALSE(ended(State::loading));
  EXPECT_FALSE(ended(State::open));
  EXPECT_FALSE(ended(State::suspect));
  EXPECT_FALSE(ended(State::releasing)) << "its last save is still under way";
  EXPECT_TRUE(ended(State::released));
  EXPECT_TRUE(ended(State::lost));
}

TEST(State, each_has_its_name) {
  EXPECT_EQ(name(State::loading), "loading");
  EXPECT_EQ(name(State::open), "open");
  EXPECT_EQ(name(State::suspect), "suspect");
  EXPECT_EQ(name(State::releasing), "releasing");
  EXPECT_EQ(name(State::released), "released");
  EXPECT_EQ(name(State::lost), "lost");
}

TEST(Reason, each_has_its_name) {
  EXPECT_EQ(name(Reason::asked), "asked");
  EXPECT_EQ(name(Reason::autosave), "autosave");
  EXPECT_EQ(name(Reason::transaction), "transaction");
  EXPECT_EQ(name(Reason::handover), "handover");
  EXPECT_EQ(name(Reason::shutdown), "shutdown");
  EXPECT_EQ(name(Reason::dropped), "dropped");
  EXPECT_EQ(name(Reason::lost), "lost");
}

TEST(Grant, what_nobody_set_tells_the_shop_nothing) {
  EXPECT_EQ(Grant{}, Grant::pending);
  EXPECT_EQ(Transacted{}, Transacted::pending);
}

TEST(Saved, claims_nothing_by_itself) {
  const Saved saved;
  EXPECT_FALSE(saved.written);
  EXPECT_EQ(saved.version, 0u);
  EXPECT_EQ(saved.bytes, 0u);
  EXPECT_EQ(saved.at, WallTime{});
}

}  // namespace
