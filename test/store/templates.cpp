#include <persist/store/templates.hpp>

#include <support/world.hpp>

// This unit only declares the templates of the store it uses: it links because they are made once,
// in test/support/made_once.cpp, and the class of each compiles whole.

namespace {

using namespace test;

using Templates = World;

TEST_F(Templates, a_store_made_elsewhere_is_the_same_store) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = players.load(1u);
  ASSERT_TRUE(session) << session.error();
  session->edit()->level = 2;
  ASSERT_TRUE(session->release());
  EXPECT_EQ(coins(players, 1), 105);
}

}  // namespace
