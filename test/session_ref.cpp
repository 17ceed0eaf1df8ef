#include <persist/session_ref.hpp>

#include <support/world.hpp>

#include <persist/access/shared.hpp>

#include <optional>
#include <thread>

// Gameplay code that does not know how its data is stored.

namespace {

using namespace test;
using Ref = persist::SessionRef<Player>;

static_assert(sizeof(Ref) == 3 * sizeof(void*));

void earn(const Ref& player, std::int64_t coins) {
  player.edit()->coins += coins;
}

struct SessionRefTest : World {
  Players players = open();
};

TEST_F(SessionRefTest, it_edits_and_saves_the_session_it_was_made_of) {
  auto session = players.load(1u);
  const Ref ref(*session);
  earn(*session, 5);  // made on the way
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_EQ(ref.view()->coins, 105);
  EXPECT_TRUE(ref.is_dirty());
  ASSERT_TRUE(ref.save());
  EXPECT_FALSE(session->is_dirty());
  ref.edit([](Player& player) { player.level = 3; });
  EXPECT_EQ(ref.clone().level, 3);
  ASSERT_TRUE(ref.request_save());
  players.poll();
  EXPECT_EQ(players.peek(1u)->data.level, 3);
  EXPECT_EQ(ref.id(), session->id());
  ASSERT_TRUE(ref.release());
  EXPECT_EQ(session->state(), State::released);
  EXPECT_TRUE(ref.save().is(Errc::closed));
}

TEST_F(SessionRefTest, an_open_edit_keeps_the_session_from_being_saved) {
  const Ref ref(*players.load(1u));
  {
    const auto edit = ref.edit();
    edit->coins = 5;
    EXPECT_FALSE(ref.is_dirty()) << "not before its end";
    EXPECT_TRUE(ref.save().is(Errc::busy));
  }
  EXPECT_TRUE(ref.is_dirty());
  EXPECT_TRUE(ref.save());
  EXPECT_EQ(coins(players, 1), 5);
}

TEST_F(SessionRefTest, an_edit_inside_a_function_is_one_of_its_copy) {
  auto session = players.load(1u);
  const Ref ref(*session);
  const auto granted = ref.grant_once("r", [&](Player& copy) -> persist::Result<void> {
    ref.edit()->coins = 7;
    EXPECT_EQ(copy.coins, 7);
    return persist::Error(Errc::refused, "not today");
  });
  EXPECT_TRUE(granted.is(Errc::refused));
  EXPECT_EQ(ref.view()->coins, 100);
  EXPECT_EQ(*ref.grant_once("r", [](Player& copy) { return ++copy.coins, persist::success; }),
            persist::Grant::pending);
  EXPECT_EQ(ref.view()->coins, 101);
}

TEST_F(SessionRefTest, an_edit_after_the_end_is_one_of_a_copy) {
  auto session = players.load(1u);
  const Ref ref(*session);
  ASSERT_TRUE(ref.release());
  earn(ref, 5);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_TRUE(logged("after the session's end"));
}

TEST_F(SessionRefTest, it_is_a_handle) {
  std::optional<Ref> ref(*players.load(1u));
  players.poll();
  EXPECT_EQ(players.open_sessions(), 1U);
  const Ref copy = *ref;
  EXPECT_EQ(copy, *ref);
  *ref = copy;
  earn(copy, 1);
  ref.reset();
  players.poll();
  EXPECT_EQ(players.open_sessions(), 1U);
  { const Ref last = copy; }
  EXPECT_EQ(players.open_sessions(), 1U);
}

TEST_F(SessionRefTest, the_last_handle_that_goes_releases) {
  { const Ref ref(*players.load(1u)); }
  players.poll();
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(SessionRefTest, it_outlives_its_store) {
  std::optional<Players> store(open());
  const Ref ref(*store->load(1u));
  store.reset();
  EXPECT_FALSE(ref.is_active());
  EXPECT_TRUE(ref.save().is(Errc::closed));
  EXPECT_EQ(ref.view()->coins, 100);
  earn(ref, 1);
}

TEST_F(SessionRefTest, in_a_shared_store_an_edit_holds_the_sessions_lock) {
  using Lock = persist::access::Shared<persist::lock::Lease<>>;
  persist::Store<std::uint64_t, Save, Db, Lock> shared("players", db, options());
  const Ref ref(*shared.load(1u));
  std::thread others[2];
  for (std::thread& other : others)
    other = std::thread([&] {
      for (int i = 0; i < 1000; ++i)
        earn(ref, 1);
    });
  for (std::thread& other : others)
    other.join();
  EXPECT_EQ(ref.view()->coins, 2100);
}

}  // namespace
