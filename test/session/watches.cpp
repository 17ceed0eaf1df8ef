// builds: tsan
#include <persist/session/watches.hpp>

#include <support/world.hpp>

#include <persist/access/shared.hpp>
#include <persist/session_ref.hpp>

#include <thread>
#include <utility>
#include <vector>

// Who listens to changes of the data is told what it was and what it is.

namespace {

using namespace test;
using Told = std::vector<std::pair<std::int64_t, std::int64_t>>;

struct WatchesTest : World {
  Players players = open();
  persist::Result<Players::Session> session = players.load(1u);
  Told told;
  auto note() {
    return
        [this](const std::int64_t& old, const std::int64_t& now) { told.emplace_back(old, now); };
  }
};

TEST_F(WatchesTest, a_listener_is_told_at_the_end_of_the_outermost_guard) {
  const auto watched = session->on_changed<&Player::coins>(note());
  {
    auto outer = session->edit();
    outer->coins = 101;
    session->edit()->coins = 102;
    EXPECT_TRUE(told.empty()) << "the outer one is not over";
  }
  session->edit([](Player& player) { player.coins = 5; });
  EXPECT_EQ(told, (Told{{100, 102}, {102, 5}}));
}

TEST_F(WatchesTest, an_edit_that_leaves_the_member_as_it_was_tells_nobody) {
  const auto watched = session->on_changed<&Player::coins>(note());
  session->edit()->level = 7;
  {
    auto guard = session->edit();
    guard->coins = 1;
    guard->coins = 100;
  }
  EXPECT_TRUE(told.empty());
}

TEST_F(WatchesTest, a_store_hears_of_sessions_that_were_open_and_of_those_to_come) {
  std::vector<std::uint64_t> keys;
  const auto watched =
      players.on_changed<&Player::level>([&](Players::Session& of, const int& old, const int& now) {
        EXPECT_EQ(now, old + 1);
        keys.push_back(of.key());
      });
  auto other = players.load(2u);
  ++session->edit()->level;
  ++other->edit()->level;
  EXPECT_EQ(keys, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(WatchesTest, a_message_a_purchase_and_a_transaction_are_changes_too) {
  const auto watched = session->on_changed<&Player::coins>(note());
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}));
  players.poll();
  ASSERT_EQ(told, (Told{{100, 105}}));
  ASSERT_TRUE(session->grant_once({"receipt"}, [](Player& player) { player.coins += 10; }));
  ASSERT_EQ(told, (Told{{100, 105}, {105, 115}}));
  auto other = players.load(2u);
  const auto pay = [](Player& from, Player& to) { from.coins -= 15, to.coins += 15; };
  ASSERT_TRUE(players.request_transact(*session, *other, pay));
  EXPECT_EQ(told, (Told{{100, 105}, {105, 115}, {115, 100}}));
}

TEST_F(WatchesTest, what_came_to_nothing_is_no_change) {
  const auto watched = session->on_changed<&Player::coins>(note());
  EXPECT_FALSE(session->grant_once({"one"}, [](Player& player) { player.coins = -1; }));
  EXPECT_FALSE(session->grant_once({"two"}, [](Player& player) -> persist::Result<void> {
    player.coins = 7;
    return persist::Error(Errc::refused, "no");
  }));
  EXPECT_TRUE(told.empty());
}

TEST_F(WatchesTest, a_guard_inside_a_function_is_part_of_that) {
  const auto watched = session->on_changed<&Player::coins>(note());
  ASSERT_TRUE(session->grant_once({"one"}, [&](Player&) { session->edit()->coins = 7; }));
  EXPECT_EQ(told, (Told{{100, 7}}));
}

TEST_F(WatchesTest, a_listener_may_edit_and_is_told_of_that_next) {
  std::vector<std::int64_t> seen;
  const auto watched = session->on_changed<&Player::coins>([&](const auto&, const auto& now) {
    if (now < 103) session->edit()->coins = now + 1;
    seen.push_back(now);
  });
  session->edit()->coins = 101;
  EXPECT_EQ(seen, (std::vector<std::int64_t>{101, 102, 103}));
}

TEST_F(WatchesTest, all_of_the_data_can_be_watched_without_an_operator) {
  int calls = 0;
  const auto watched = session->on_changed([&](const Player& old, const Player& now) {
    EXPECT_EQ(old.name + "x", now.name);
    ++calls;
  });
  session->edit()->name += "x";
  session->touch();
  EXPECT_EQ(calls, 1);
}

TEST_F(WatchesTest, who_left_is_not_told_and_nothing_is_kept_for_him) {
  auto watched = session->on_changed<&Player::coins>(note());
  watched.disconnect();
  session->edit()->coins = 1;
  EXPECT_TRUE(told.empty());
  EXPECT_FALSE(session->node().signals().changed.any());
}

TEST_F(WatchesTest, a_copy_after_the_end_is_nobodys_data) {
  const auto watched = session->on_changed<&Player::coins>(note());
  ASSERT_TRUE(session->release());
  session->edit()->coins = 1;
  EXPECT_TRUE(told.empty());
}

TEST_F(WatchesTest, a_slot_keeps_its_listeners_from_session_to_session) {
  ASSERT_TRUE(session->release());
  auto slot = players.slot(1u);
  const auto before = slot.on_changed<&Player::coins>(note());
  ASSERT_TRUE(slot.open());
  slot.session()->edit()->coins = 1;
  int levels = 0;
  const auto meanwhile = slot.on_changed<&Player::level>([&](int, int) { ++levels; });
  slot.session()->edit()->level = 9;
  ASSERT_TRUE(slot.close());
  ASSERT_TRUE(slot.open());
  slot.session()->edit([](Player& player) { player.coins = 2, player.level = 3; });
  EXPECT_EQ(told, (Told{{100, 1}, {1, 2}}));
  EXPECT_EQ(levels, 2);
}

TEST_F(WatchesTest, an_edit_by_reference_is_seen) {
  const persist::SessionRef<Player> ref(*session);
  const auto watched = session->on_changed<&Player::coins>(note());
  ref.edit()->coins = 3;
  EXPECT_EQ(told, (Told{{100, 3}}));
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(WatchesTest, a_listener_that_throws_is_logged_and_the_edit_stays) {
  const auto watched =
      session->on_changed<&Player::coins>([](const auto&, const auto&) { throw 7; });
  session->edit()->coins = 3;
  EXPECT_EQ(session->view()->coins, 3);
  EXPECT_TRUE(logged("a listener"));
}
#endif

TEST(WatchesOfASharedStore, each_change_of_several_threads_is_told_once) {
  using Lock = persist::access::Shared<persist::lock::Lease<persist::conflict::Request>>;
  persist::Store<std::uint64_t, Save, persist::backend::Memory, Lock> players(
      "players", persist::backend::Memory());
  auto session = players.load(1u);
  std::atomic<std::int64_t> sum{0};
  const auto watched = session->on_changed<&Player::coins>(
      [&](const std::int64_t& old, const std::int64_t& now) { sum += now - old; });
  const auto earn = [&] {
    for (int i = 0; i < 200; ++i)
      session->edit([](Player& player) { ++player.coins; });
  };
  std::thread one(earn), two(earn);
  one.join(), two.join();
  players.poll();
  EXPECT_EQ(session->clone().coins, 500);
  EXPECT_EQ(sum, 400);
}

}  // namespace
