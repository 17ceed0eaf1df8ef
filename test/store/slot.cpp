#include <persist/store/slot.hpp>

#include <support/world.hpp>

#include <memory>
#include <optional>

// A record's place in the game, between its sessions.

namespace {

using namespace test;

struct SlotTest : World {
  Players players = open();
};

TEST_F(SlotTest, what_is_connected_attached_and_set_holds_for_each_session) {
  auto slot = players.slot(1u);
  int saved = 0, released = 0;
  const auto on_saved = slot.on_saved([&](const auto& result) { saved += result ? 1 : 0; });
  const auto on_released = slot.on_released([&](Reason, bool) { ++released; });
  slot.set_autosave(2s);
  slot.attach<std::string>("hat") += "s";
  EXPECT_FALSE(slot.is_open());
  EXPECT_TRUE(slot.close().is(Errc::closed));
  for (int round = 1; round <= 3; ++round) {
    auto session = slot.open();
    ASSERT_TRUE(session);
    EXPECT_TRUE(slot.is_open());
    EXPECT_EQ(session->attach<std::string>(), "hats");
    session->edit()->coins = round;
    play(4s, players);
    EXPECT_EQ(coins(players, 1), round) << "its own autosave";
    ASSERT_TRUE(slot.close());
    EXPECT_EQ(released, round);
    EXPECT_FALSE(slot.is_open());
  }
  EXPECT_EQ(saved, 6);
}

TEST_F(SlotTest, an_open_slot_answers_its_session_again) {
  auto slot = players.slot(1u);
  auto one = slot.open();
  auto two = slot.open();
  EXPECT_EQ(*one, *two);
  EXPECT_EQ(*players.find(1u), *one);
  EXPECT_EQ(*slot.session(), *one);
}

TEST_F(SlotTest, a_session_that_is_open_already_is_taken_in) {
  auto session = players.load(1u);
  auto slot = players.slot(1u);
  int saved = 0;
  const auto heard = slot.on_saved([&](const auto&) { ++saved; });
  ASSERT_TRUE(slot.open());
  session->edit()->coins = 1;
  ASSERT_TRUE(session->save());
  EXPECT_EQ(saved, 1);
}

TEST_F(SlotTest, the_slot_keeps_its_session_and_lets_it_go_with_itself) {
  std::optional<Players::Slot> slot(players.slot(1u));
  slot->open()->edit()->coins = 5;
  players.poll();
  EXPECT_EQ(players.open_sessions(), 1U);
  slot.reset();
  players.poll();
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_EQ(coins(players, 1), 5);
}

TEST_F(SlotTest, a_load_that_failed_leaves_it_closed_and_it_can_be_opened_again) {
  auto slot = players.slot(1u);
  db.fail_acquires(Errc::io);
  EXPECT_TRUE(slot.open().is(Errc::io));
  EXPECT_FALSE(slot.is_open());
  EXPECT_TRUE(slot.open());
}

TEST_F(SlotTest, it_can_be_opened_by_polls) {
  auto slot = players.slot(1u);
  auto loading = slot.begin_open();
  EXPECT_FALSE(slot.is_open());
  players.poll();
  EXPECT_TRUE(loading.take());
  EXPECT_TRUE(slot.is_open());
}

TEST_F(SlotTest, it_can_be_opened_again_while_it_is_closing) {
  auto slot = players.slot(1u);
  auto first = slot.open();
  first->edit()->coins = 5;
  int released = 0;
  const auto heard = slot.on_released([&](Reason, bool saved) { released += saved ? 1 : 0; });
  ASSERT_TRUE(slot.request_close());
  auto loading = slot.begin_open();
  play(2s, players);
  auto again = loading.take();
  ASSERT_TRUE(again);
  EXPECT_NE(*again, *first);
  EXPECT_EQ(again->view()->coins, 5);
  EXPECT_EQ(released, 1) << "the end of the one before is told too";
}

TEST_F(SlotTest, it_outlives_its_store) {
  auto store = std::make_unique<Players>(open());
  auto slot = store->slot(1u);
  slot.attach<int>(4);
  auto session = slot.open();
  session->edit()->coins = 5;
  store.reset();
  EXPECT_FALSE(slot.is_open());
  EXPECT_TRUE(slot.open().is(Errc::closed));
  EXPECT_TRUE(slot.begin_open().take().is(Errc::closed));
  EXPECT_EQ(slot.attach<int>(), 4);
  EXPECT_EQ(coins(players, 1), 5);
}

// Hidden ones.

TEST_F(SlotTest, a_hidden_one_is_not_found_and_not_joined) {
  auto slot = players.slot(1u, {.hidden = true});
  auto hidden = slot.open();
  ASSERT_TRUE(hidden);
  EXPECT_TRUE(players.find(1u).is(Errc::not_found));
  EXPECT_TRUE(players.try_load(1u).is(Errc::locked)) << "it holds the record like anybody";
  EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::locked));
  EXPECT_EQ(players.open_sessions(), 1U);
}

TEST_F(SlotTest, a_load_asks_a_hidden_one_to_let_go) {
  auto slot = players.slot(1u, {.hidden = true});
  auto hidden = slot.open();
  hidden->edit()->coins = 7;
  auto loading = players.begin_load(1u);
  play(2s, players);
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->view()->coins, 7);
  EXPECT_EQ(hidden->state(), State::released);
  EXPECT_EQ(*players.find(1u), *session);
}

TEST_F(SlotTest, two_hidden_ones_of_one_key_are_two_writers_of_which_the_newest_wins) {
  auto one = players.slot(1u, {.hidden = true});
  auto two = players.slot(1u, {.hidden = true});
  auto first = one.open();
  auto second = two.open({.conflict = persist::Conflict::steal});
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_TRUE(first->save({.force = true}).is(Errc::fenced));
  EXPECT_TRUE(second->save({.force = true}));
}

TEST_F(SlotTest, a_hidden_one_that_is_being_opened_is_not_opened_a_second_time) {
  auto other = open("eu-2");
  auto held = other.load(1u);
  auto slot = players.slot(1u, {.hidden = true});
  auto one = slot.begin_open();
  play(1s, players);
  auto two = slot.begin_open();
  EXPECT_EQ(players.open_sessions(), 1U);
  play(3s, other, players);
  auto first = one.take();
  auto second = two.take();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(first->state(), State::open);
}

TEST_F(SlotTest, a_hidden_one_that_is_closing_does_not_keep_itself_waiting) {
  auto slot = players.slot(1u, {.hidden = true});
  slot.open()->edit()->coins = 7;
  ASSERT_TRUE(slot.request_close());
  const auto began = clock.now();
  auto again = slot.open();
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(clock.now(), began);
  EXPECT_EQ(again->view()->coins, 7);
}

TEST_F(SlotTest, a_hidden_one_is_saved_when_the_store_closes) {
  auto store = std::make_unique<Players>(open());
  auto slot = store->slot(1u, {.hidden = true});
  slot.open()->edit()->coins = 8;
  store.reset();
  EXPECT_EQ(coins(players, 1), 8);
  EXPECT_FALSE(players.inspect(1u)->held);
}

}  // namespace
