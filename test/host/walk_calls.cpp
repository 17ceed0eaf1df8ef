#include <persist/host/walk_calls.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <string>

// What takes many steps, and what reads two states of a record.

namespace {

using namespace test;

struct OldSave {
  using data_type = Player;
};
struct BoardSave {
  using data_type = Player;
  using indexes = persist::Indexes<persist::Index<"coins", &Player::coins>>;
};
using OldPlayers = persist::Store<std::uint64_t, OldSave, Db>;
using BoardPlayers = persist::Store<std::uint64_t, BoardSave, Db>;

struct HostWalkCallsTest : HostedWorld {};

TEST_F(HostWalkCallsTest, boards_are_built_anew) {
  {
    OldPlayers before("boards", db, options("eu-0"));
    for (std::uint64_t key = 1; key <= 5; ++key)
      ASSERT_TRUE(
          before.update(key, [&](Player& player) { player.coins = static_cast<std::int64_t>(key); },
                        {.create = true}));
  }
  BoardPlayers boards("boards", db, options());
  ASSERT_TRUE(host.attach(boards));
  auto size = host.index_size<"coins">(boards);
  settle();
  EXPECT_EQ(*size.get(), 0U);
  auto built = host.rebuild_indexes(boards);
  settle();
  EXPECT_EQ(built.get()->changed, 5U);
  size = host.index_size<"coins">(boards);
  settle();
  EXPECT_EQ(*size.get(), 5U);
}

TEST_F(HostWalkCallsTest, what_lies_between_two_states_is_read_on_a_lane) {
  auto told = options();
  told.history = {.keep = 5};
  Players kept("kept", db, told);
  ASSERT_TRUE(host.attach(kept));
  for (const std::int64_t coins : {1, 2}) {
    auto done =
        host.update(kept, 1U, [coins](Player& player) { player.coins = coins; }, {.create = true});
    settle();
    ASSERT_TRUE(done.get());
  }
  auto between = host.diff(kept, 1U, 1, 2);
  EXPECT_FALSE(between.ready());
  settle();
  const auto patch = between.get();
  ASSERT_TRUE(patch) << patch.error();
  EXPECT_NE(patch->find("/coins"), std::string::npos) << *patch;
  auto none = host.diff(kept, 1U, 1, 9);
  settle();
  EXPECT_TRUE(none.get().is(Errc::not_found));
}

}  // namespace
