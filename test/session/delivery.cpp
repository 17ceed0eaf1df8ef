#include <persist/session/delivery.hpp>

#include <support/world.hpp>

#include <optional>
#include <span>
#include <string>
#include <vector>

// Messages: their handlers, one by one and many at once; those that are over, and those that fail.
// More of it stands in deliver.cpp.

namespace {

using namespace test;

struct Delivering : World {
  Players players = open();
  void post(std::uint64_t key, std::int64_t coins, persist::PostOptions how = {}) {
    ASSERT_TRUE(players.post(key, Gift{coins}, how));
  }
};

TEST_F(Delivering, a_handler_may_send_on_in_the_commit_of_what_it_did) {
  players.on_message([](Player& player, const Gift& gift, Players::Session& session) {
    player.coins += gift.coins;
    EXPECT_TRUE(session.send(2u, Letter{"thank you"}));
  });
  auto session = players.load(1u);
  post(1, 5);
  players.poll();
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U) << "not before it is saved";
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Delivering, what_a_handler_that_failed_had_sent_is_taken_back) {
  players.on_message([](Player&, const Gift&, Players::Session& session) {
    EXPECT_TRUE(session.send(2u, Letter{"thank you"}));
    return false;
  });
  auto session = players.load(1u);
  post(1, 5);
  play(5s, players);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
}

TEST_F(Delivering, all_that_wait_come_at_once_to_who_takes_many) {
  std::vector<std::size_t> sizes;
  players.on_message([&](Player& player, std::span<const Gift> gifts) {
    sizes.push_back(gifts.size());
    for (const Gift& gift : gifts)
      player.coins = player.coins * 10 + gift.coins;
  });
  for (int i = 1; i <= 3; ++i)
    post(1, i);
  auto session = players.load(1u);
  EXPECT_EQ(sizes, std::vector<std::size_t>{3});
  EXPECT_EQ(session->view()->coins, 100123);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Delivering, many_are_tried_one_by_one_when_one_of_them_fails) {
  players.on_message([&](Player& player, std::span<const Gift> gifts) {
    for (const Gift& gift : gifts) {
      if (gift.coins == 2) return false;
      player.coins += gift.coins;
    }
    return true;
  });
  for (int i = 1; i <= 3; ++i)
    post(1, i);
  auto session = players.load(1u);
  play(5s, players);
  EXPECT_EQ(session->view()->coins, 104);
  const auto waiting = session->inbox();
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_TRUE(waiting[0].is_dead_letter());
  EXPECT_EQ(waiting[0].as<Gift>()->coins, 2);
}

TEST_F(Delivering, many_do_not_overtake_what_their_sender_sent_between_them) {
  std::string order;
  players.on_message([&](Player&, std::span<const Gift> gifts) {
    for (const Gift& gift : gifts)
      order += std::to_string(gift.coins);
  });
  players.on_message([&](Player&, const Letter& letter) { order += letter.text; });
  {
    auto sender = players.load(9u);
    ASSERT_TRUE(sender->send(1u, Gift{1}));
    ASSERT_TRUE(sender->send(1u, Gift{2}));
    ASSERT_TRUE(sender->send(1u, Letter{"a"}));
    ASSERT_TRUE(sender->send(1u, Gift{3}));
    ASSERT_TRUE(sender->release());
  }
  auto session = players.load(1u);
  EXPECT_EQ(order, "12a3");
}

TEST_F(Delivering, what_is_over_goes_to_who_takes_that_and_its_refund_is_in_the_same_commit) {
  players.on_message([](Player&, const Gift&) { FAIL() << "its time is over"; });
  players.on_expired([](Player& player, const Gift& gift, Players::Session& session) {
    player.level = 9;
    EXPECT_TRUE(session.send(2u, Gift{gift.coins}));
  });
  post(1, 5, {.expires = 10s});
  clock.advance(11s);
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->level, 9);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
  const auto refund = players.peek_inbox(2u);
  ASSERT_TRUE(refund);
  ASSERT_EQ(refund->size(), 1U);
  EXPECT_EQ((*refund)[0].as<Gift>()->coins, 5);
}

TEST_F(Delivering, what_is_over_and_nobody_takes_is_taken_out_and_said_to_be) {
  gives_gifts(players);
  post(1, 5, {.expires = 10s});
  clock.advance(11s);
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 100);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
  EXPECT_EQ(players.metrics().messages_expired, 1U);
  EXPECT_TRUE(logged("expired before anybody handled it"));
}

TEST_F(Delivering, what_fails_again_and_again_is_a_dead_letter_until_it_is_tried_again) {
  bool works = false;
  players.on_message([&](Player& player, const Gift& gift) {
    player.coins += gift.coins;
    return works;
  });
  std::optional<persist::InboxMessage> dead;
  const auto heard =
      players.on_dead_letter([&](Players::Session& session, const persist::InboxMessage& letter,
                                 const persist::Error& why) {
        EXPECT_EQ(session.key(), 1U);
        EXPECT_EQ(why, Errc::refused);
        dead = letter;
      });
  auto session = players.load(1u);
  post(1, 5);
  play(10s, players);
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->type, "Gift");
  EXPECT_EQ(session->view()->coins, 100);
  works = true;
  play(10s, players);
  EXPECT_EQ(session->view()->coins, 100) << "it is put aside";
  EXPECT_EQ(session->retry_messages(), 1U);
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_EQ(session->retry_messages(), 0U);
}

TEST_F(Delivering, a_dead_letter_that_nobody_hears_of_is_logged) {
  players.on_message([](Player&, const Gift&) { return false; });
  auto session = players.load(1u);
  post(1, 5);
  play(10s, players);
  EXPECT_TRUE(logged("put aside"));
}

TEST_F(Delivering, a_message_can_be_looked_at_and_taken_out) {
  auto session = players.load(1u);
  post(1, 5);
  post(1, 6);
  ASSERT_TRUE(session->save({.force = true}));
  const auto all = session->inbox();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(session->remove_message(77).is(Errc::not_found));
  ASSERT_TRUE(session->remove_message(all[0].position));
  EXPECT_TRUE(session->remove_message(all[0].position).is(Errc::not_found));
  EXPECT_EQ(players.peek_inbox(1u)->size(), 2U) << "it leaves with the save";
  ASSERT_TRUE(session->save());
  const auto left = players.peek_inbox(1u);
  ASSERT_EQ(left->size(), 1U);
  EXPECT_EQ(left->front().as<Gift>()->coins, 6);
}

TEST_F(Delivering, a_message_of_a_record_that_nobody_holds_can_be_taken_out) {
  ASSERT_TRUE(players.load(1u)->release());
  post(1, 5);
  const auto all = players.peek_inbox(1u);
  ASSERT_EQ(all->size(), 1U);
  ASSERT_TRUE(players.remove_message(1u, all->front().position));
  EXPECT_TRUE(players.peek_inbox(1u)->empty());
  EXPECT_FALSE(players.inspect(1u)->held);
  auto other = open("eu-2");
  auto held = other.load(1u);
  post(1, 6);
  EXPECT_TRUE(
      players.remove_message(1u, players.peek_inbox(1u)->front().position).is(Errc::locked));
}

TEST_F(Delivering, a_record_without_data_does_not_get_some_by_taking_a_message_out) {
  post(3, 5);
  const auto all = players.peek_inbox(3u);
  ASSERT_EQ(all->size(), 1U);
  EXPECT_TRUE(players.remove_message(3u, all->front().position + 1).is(Errc::not_found));
  ASSERT_TRUE(players.remove_message(3u, all->front().position));
  EXPECT_TRUE(players.peek_inbox(3u)->empty());
  EXPECT_FALSE(players.inspect(3u)->exists);
  EXPECT_FALSE(players.inspect(3u)->held);
  EXPECT_TRUE(players.peek_inbox(4u)->empty());
}

// What is taken here and arrives there.

TEST_F(Delivering, what_is_transferred_is_taken_and_sent_by_one_save) {
  gives_gifts(players);
  auto session = players.load(1u);
  const auto takes = [](Player& player) { player.coins -= 30; };
  ASSERT_TRUE(session->transfer(2u, Gift{30}, takes));
  EXPECT_EQ(session->view()->coins, 70);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(coins(players, 1), 70);
  EXPECT_EQ(players.load(2u)->view()->coins, 130);
}

TEST_F(Delivering, a_transfer_that_cannot_be_takes_nothing_and_sends_nothing) {
  auto session = players.load(1u);
  EXPECT_TRUE(
      session->transfer(2u, Gift{1}, [](Player& player) { player.coins = -1; }).is(Errc::invalid));
  EXPECT_TRUE(session->transfer(2u, Gift{1}, [](Player&) { return false; }).is(Errc::refused));
  for (std::size_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(session->send(3u, Gift{1}));
  EXPECT_TRUE(
      session->transfer(2u, Gift{1}, [](Player& player) { --player.coins; }).is(Errc::full));
  EXPECT_EQ(session->view()->coins, 100);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
}

TEST_F(Delivering, a_transfer_that_nobody_takes_goes_back_by_whoever_lets_it_expire) {
  gives_gifts(players);
  players.on_expired([](Player&, const Gift& gift, Players::Session& session) {
    EXPECT_TRUE(session.send(1u, gift));
  });
  auto session = players.load(1u);
  const auto takes = [](Player& player) { player.coins -= 30; };
  ASSERT_TRUE(session->transfer(2u, Gift{30}, takes, {.expires = 60s}));
  ASSERT_TRUE(session->save());
  play(61s, players);
  ASSERT_TRUE(players.load(2u)->release());
  play(30s, players);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_EQ(coins(players, 2), 100);
}

TEST_F(Delivering, a_handler_may_send_to_its_own_record) {
  int handled = 0;
  players.on_message([&](Player& player, const Gift& gift, Players::Session& session) {
    ++handled;
    player.coins += gift.coins;
    EXPECT_TRUE(gift.coins == 1 || session.send(1u, Gift{gift.coins / 2}));
    EXPECT_TRUE(players.post(1u, Letter{"and by the front door"}));
  });
  auto session = players.load(1u);
  post(1, 4);
  for (int i = 0; i < 6; ++i) {
    players.poll();
    ASSERT_TRUE(session->save());
  }
  EXPECT_EQ(handled, 3) << "of 4, of 2 and of 1, each behind the save that sent it";
  EXPECT_EQ(session->view()->coins, 107);
  EXPECT_EQ(session->inbox().size(), 3U) << "letters, which nobody reads";
}

TEST_F(Delivering, a_handler_that_releases_its_session_ends_it_behind_what_it_did) {
  players.on_message([](Player& player, const Gift& gift, Players::Session& session) {
    player.coins += gift.coins;
    EXPECT_TRUE(session.release().is(Errc::busy));
    EXPECT_TRUE(session.request_release());
  });
  auto session = players.load(1u);
  post(1, 5);
  players.poll();
  players.poll();
  EXPECT_FALSE(session->is_active());
  EXPECT_EQ(players.peek(1u)->data.coins, 105);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Delivering, what_is_over_while_it_is_tried_again_goes_to_who_takes_that) {
  int tries = 0, over = 0;
  players.on_message([&](Player&, const Gift&) { return ++tries, false; });
  players.on_expired([&](Player& player, const Gift&) { ++over, player.level = 2; });
  post(1, 5, {.expires = 1s});
  auto session = players.load(1u);
  EXPECT_EQ(tries, 1);
  play(3s, players);
  EXPECT_EQ(tries, 1) << "not once more, when its time was over";
  EXPECT_EQ(over, 1);
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(session->inbox().empty());
}

TEST_F(Delivering, what_is_over_when_its_handling_is_saved_was_handled) {
  int over = 0;
  players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  players.on_expired([&](Player&, const Gift&) { ++over; });
  auto session = players.load(1u);
  post(1, 5, {.expires = 2s});
  players.poll();
  EXPECT_EQ(session->view()->coins, 105);
  db.fail_commits(Errc::unavailable, 3);
  play(2min, players);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.peek(1u)->data.coins, 105);
  EXPECT_EQ(over, 0);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Delivering, a_hundred_thousand_posts_to_somebody_who_is_away_drop_none_that_was_taken) {
  auto told = options();
  told.inbox_limit.messages = 100;
  Players narrow("narrow", db, told);
  std::int64_t taken = 0, full = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto posted = narrow.post(1u, Gift{1});
    ASSERT_TRUE(posted || posted.is(Errc::full)) << posted.error();
    ++(posted ? taken : full);
  }
  EXPECT_EQ(taken, 100) << "the inbox is bounded, and says so";
  EXPECT_EQ(full, 99'900);
  narrow.on_message([](Player& player, std::span<const Gift> gifts) {
    player.coins += static_cast<std::int64_t>(gifts.size());
  });
  auto session = narrow.load(1u);
  EXPECT_EQ(session->view()->coins, 100 + taken);
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(narrow.post(1u, Gift{1})) << "there is room again";
}

TEST_F(Delivering, what_nobody_handles_is_over_in_its_time_while_its_owner_plays) {
  int over = 0;
  players.on_expired([&](Player&, const Gift&) { ++over; });
  auto session = players.load(1u);
  post(1, 5, {.expires = 5s});
  play(2s, players);
  ASSERT_EQ(session->inbox().size(), 1U);
  play(4s, players);
  EXPECT_EQ(over, 0);
  play(20s, players);
  EXPECT_EQ(over, 1) << "with the next renewal";
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(session->inbox().empty());
}

TEST_F(Delivering, taking_out_what_is_not_there_says_so) {
  EXPECT_TRUE(players.remove_message(77u, 1).is(Errc::not_found));
  EXPECT_EQ(players.remove_message(77u, 1).error().detail(),
            "no such message waits in this record");
}

}  // namespace
