#include <persist/session/deliver.hpp>

#include <support/world.hpp>

#if PERSIST_HAS_EXCEPTIONS
#include <stdexcept>
#endif

// Messages and their handlers; signals and their listeners.

namespace {

using namespace test;

using Deliver = World;

TEST_F(Deliver, a_message_changes_the_data_once_and_leaves_in_the_commit_that_saves_it) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}));
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_TRUE(session->is_dirty());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
  EXPECT_EQ(coins(players, 1), 105);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.load(1u)->view()->coins, 105);
}

TEST_F(Deliver, a_message_that_was_handled_and_not_saved_is_handled_by_who_takes_over) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  gives_gifts(a);
  gives_gifts(b);
  ASSERT_TRUE(a.post(1u, Gift{5}));
  auto old = a.load(1u);
  EXPECT_EQ(old->view()->coins, 105);
  auto newer = b.load(1u, {.conflict = persist::Conflict::steal});
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->view()->coins, 105);
  EXPECT_TRUE(old->save().is(Errc::fenced));
  ASSERT_TRUE(newer->release());
  EXPECT_EQ(coins(b, 1), 105);
  EXPECT_EQ(b.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Deliver, a_message_comes_to_an_open_session_without_waiting_for_a_save) {
  auto players = open();
  auto other = open("eu-2");
  gives_gifts(players);
  auto session = players.load(1u);
  ASSERT_TRUE(other.post(1u, Gift{5}));
  players.poll();
  EXPECT_EQ(session->view()->coins, 105);
}

TEST_F(Deliver, a_message_that_nobody_handles_waits_and_holds_up_no_other) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Letter{"hello"}));
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 105);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  auto again = players.load(1u);
  EXPECT_EQ(again->waiting_messages(), 1U);
  players.on_message([](Player& player, const Letter& letter) { player.name = letter.text; });
  EXPECT_EQ(again->view()->name, "hello");
  ASSERT_TRUE(again->release());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Deliver, a_sessions_own_handler_comes_before_the_stores) {
  auto players = open();
  gives_gifts(players);
  auto session = players.load(1u);
  session->on_message([](Player& player, const Gift& gift) { player.level += int(gift.coins); });
  ASSERT_TRUE(players.post(1u, Gift{5}));
  players.poll();
  EXPECT_EQ(session->view()->level, 6);
  EXPECT_EQ(session->view()->coins, 100);
}

TEST_F(Deliver, a_handler_whose_result_breaks_a_rule_leaves_nothing) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{-500}));
  ASSERT_TRUE(players.post(1u, Gift{7}));
  auto session = players.load(1u);
  play(5s, players);
  EXPECT_EQ(session->view()->coins, 107);
  EXPECT_EQ(players.metrics().messages_failed, 3U);
  EXPECT_TRUE(logged("put aside"));
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);  // nothing is lost
}

TEST_F(Deliver, a_handler_that_fails_leaves_nothing_not_even_what_it_sent) {
  auto players = open();
  int tries = 0;
  players.on_message([&](Player& player, const Letter&) -> persist::Result<void> {
    player.coins = 0;
    auto self = players.find(1u);
    EXPECT_TRUE(self->send(2u, Gift{1}));
    return ++tries < 2 ? persist::Result<void>(Errc::refused) : persist::success;
  });
  ASSERT_TRUE(players.post(1u, Letter{"x"}));
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_FALSE(session->is_dirty());
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  players.poll();  // and once more, which works
  EXPECT_EQ(session->view()->coins, 0);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
}

TEST_F(Deliver, a_message_that_makes_a_record_too_large_to_save_waits_like_one_that_failed) {
  auto told = options();
  told.record_limit = 1000;
  Players players("players", db, told);
  players.on_message([](Player& player, const Letter& letter) { player.name += letter.text; });
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Letter{std::string(2000, 'x')}));
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = players.load(1u);
  play(5s, players);
  EXPECT_EQ(players.metrics().messages_failed, 3U);
  EXPECT_TRUE(logged("the limit is"));
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_TRUE(session->view()->name.empty());
  ASSERT_TRUE(session->release());
  EXPECT_EQ(coins(players, 1), 105);
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
}

TEST_F(Deliver, users_and_metadata_that_a_failed_handler_changed_are_as_before) {
  auto players = open();
  int tries = 0;
  players.on_message([&](Player&, const Gift&) {
    auto self = players.find(1u);
    EXPECT_TRUE(self->add_user_id(6));
    EXPECT_TRUE(self->set_metadata(persist::Value("lord")));
    return ++tries > 1;
  });
  ASSERT_TRUE(players.post(1u, Gift{1}));
  auto session = players.load(1u);
  EXPECT_EQ(tries, 1);
  EXPECT_TRUE(session->user_ids().empty());
  EXPECT_EQ(*session->metadata(), persist::Value());
  EXPECT_FALSE(session->is_dirty());
  players.poll();
  EXPECT_EQ(session->user_ids(), std::vector<std::uint64_t>{6});
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.peek(1u)->metadata, persist::Value("lord"));
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(Deliver, a_handler_that_throws_leaves_nothing) {
  auto players = open();
  int tries = 0;
  players.on_message([&](Player& player, const Gift&) {
    player.coins = 0;
    if (++tries == 1) throw std::runtime_error("no");
    if (tries == 2) throw 7;
  });
  ASSERT_TRUE(players.post(1u, Gift{1}));
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 100);
  players.poll();
  EXPECT_EQ(session->view()->coins, 100);
  players.poll();
  EXPECT_EQ(session->view()->coins, 0);
}

TEST_F(Deliver, a_listener_that_throws_stops_no_other_and_no_store) {
  auto players = open();
  auto session = players.load(1u);
  int heard = 0;
  const auto bad = session->on_saved([](const auto&) { throw std::runtime_error("no"); });
  const auto good = players.on_saved([&](auto&, const auto&) { ++heard; });
  session->edit()->coins = 7;
  EXPECT_TRUE(session->save());
  EXPECT_EQ(heard, 1);
  EXPECT_TRUE(logged("threw"));
  const auto worse = session->on_saving([](Player&, Reason) { throw 7; });
  session->edit()->coins = 8;
  EXPECT_TRUE(session->save());
  EXPECT_EQ(coins(players, 1), 8);
  EXPECT_TRUE(session->release());
}
#endif

TEST_F(Deliver, a_message_is_put_aside_after_a_few_tries_until_the_next_load) {
  auto players = open();
  int tries = 0;
  players.on_message([&](Player&, const Gift&) { return ++tries > 3; });
  ASSERT_TRUE(players.post(1u, Gift{1}));
  auto session = players.load(1u);
  play(60s, players);
  EXPECT_EQ(tries, 3);
  ASSERT_TRUE(session->release());
  auto again = players.load(1u);
  EXPECT_EQ(tries, 4);
}

TEST_F(Deliver, an_expired_message_is_taken_out_and_changes_nothing) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}, {.expires = 1h}));
  clock.advance(2h);
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 100);
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Deliver, a_message_expires_after_45_days_at_most) {
  auto players = open();
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Gift{5}, {.expires = persist::Duration::max()}));
  ASSERT_TRUE(players.post(2u, Gift{5}, {.expires = 100 * 24h}));
  clock.advance(44 * 24h);
  EXPECT_EQ(players.load(1u)->view()->coins, 105);
  clock.advance(2 * 24h);
  EXPECT_EQ(players.load(2u)->view()->coins, 100);
}

TEST_F(Deliver, higher_priority_is_handled_earlier_and_otherwise_order_is_kept) {
  auto players = open();
  players.on_message([](Player& player, const Letter& letter) { player.name += letter.text; });
  ASSERT_TRUE(players.post(1u, Letter{"a"}));
  ASSERT_TRUE(players.post(1u, Letter{"b"}, {.priority = 2}));
  ASSERT_TRUE(players.post(1u, Letter{"c"}));
  ASSERT_TRUE(players.post(1u, Letter{"d"}, {.priority = 2}));
  EXPECT_EQ(players.load(1u)->view()->name, "bdac");
}

TEST_F(Deliver, while_a_message_is_tried_again_later_ones_of_its_sender_wait_and_no_others) {
  auto players = open();
  auto sender = players.load(7u);
  ASSERT_TRUE(sender->send(1u, Letter{"a"}));
  ASSERT_TRUE(sender->send(1u, Letter{"b"}));
  ASSERT_TRUE(sender->send(1u, Letter{"c"}, {.priority = 2}));
  ASSERT_TRUE(sender->save());
  auto other = players.load(8u);
  ASSERT_TRUE(other->send(1u, Letter{"x"}));
  ASSERT_TRUE(other->save());
  ASSERT_TRUE(players.post(1u, Letter{"y"}));
  int tries = 0;
  players.on_message([&](Player& player, const Letter& letter) {
    player.name += letter.text;
    return letter.text != "a" || ++tries > 1;
  });
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->name, "cxy");
  players.poll();
  EXPECT_EQ(session->view()->name, "cxyab");
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Deliver, a_message_that_was_put_aside_holds_up_its_sender_no_more_and_is_not_lost) {
  auto players = open();
  auto sender = players.load(7u);
  for (const char* text : {"a", "b"})
    ASSERT_TRUE(sender->send(1u, Letter{text}));
  ASSERT_TRUE(sender->save());
  int tries = 0;
  players.on_message([&](Player& player, const Letter& letter) {
    player.name += letter.text;
    return letter.text != "a" || ++tries > 3;
  });
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->name, "");
  players.poll();
  players.poll();
  EXPECT_EQ(session->view()->name, "b");
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 1U);
  auto again = players.load(1u);
  EXPECT_EQ(again->view()->name, "ba");
  ASSERT_TRUE(again->release());
  EXPECT_EQ(players.inspect(1u)->inbox_messages, 0U);
}

TEST_F(Deliver, while_a_guard_is_open_messages_wait_for_the_next_poll) {
  auto players = open();
  gives_gifts(players);
  auto session = players.load(1u);
  {
    auto guard = session->edit();
    ASSERT_TRUE(players.post(1u, Gift{5}));
    players.poll();
    players.poll();
    EXPECT_EQ(guard->coins, 100);
  }
  EXPECT_EQ(session->view()->coins, 100);
  players.poll();
  EXPECT_EQ(session->view()->coins, 105);
}

TEST_F(Deliver, inside_a_handler_edit_gives_the_copy_and_saving_is_busy) {
  auto players = open();
  players.on_message([&](Player& player, const Gift& gift) {
    auto self = players.find(1u);
    player.coins += gift.coins;
    EXPECT_EQ(self->view()->coins, 105);
    self->edit()->level = 9;
    EXPECT_EQ(player.level, 9);
    EXPECT_TRUE(self->save().is(Errc::busy));
    EXPECT_TRUE(self->release().is(Errc::busy));
    EXPECT_TRUE(self->grant_once("r", [](Player&) {}).is(Errc::busy));
    EXPECT_TRUE(players.update(1u, [](Player&) {}).is(Errc::busy));
  });
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->level, 9);
  EXPECT_EQ(session->view()->coins, 105);
}

TEST_F(Deliver, a_handler_may_connect_more_handlers) {
  auto players = open();
  players.on_message([&, text = std::string(64, 'x')](Player& player, const Gift& gift) {
    for (int i = 0; i < 100; ++i)
      players.on_message([](Player&, const Letter&) {});
    player.name = text;
    player.coins += gift.coins;
  });
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_EQ(session->view()->name, std::string(64, 'x'));
}

TEST_F(Deliver, signals_come_in_their_order_on_the_session_and_the_store) {
  auto players = open();
  std::string heard;
  std::string states;
  const auto a = players.on_state_changed([&](auto&, State from, State to) {
    states += std::string(name(from)) + ">" + std::string(name(to)) + " ";
  });
  auto session = players.load(1u);
  const auto b = session->on_saving(
      [&](Player&, Reason why) { heard += "saving:" + std::string(name(why)) + " "; });
  const auto c = players.on_saving([&](auto&, Player&, Reason) { heard += "Saving "; });
  const auto d =
      session->on_saved([&](const auto& saved) { heard += saved ? "saved " : "failed "; });
  const auto e = players.on_saved([&](auto&, const auto&) { heard += "Saved "; });
  const auto f = session->on_released([&](Reason, bool there) {
    heard += there ? "released " : "gone ";
    EXPECT_EQ(session->state(), State::released);
  });
  const auto g = players.on_released([&](auto& self, Reason, bool) {
    heard += "Released";
    EXPECT_EQ(self, *session);
  });
  session->edit()->coins = 7;
  ASSERT_TRUE(session->save());
  EXPECT_EQ(heard, "saving:asked Saving saved Saved ");
  heard.clear();
  session->edit()->coins = 8;
  ASSERT_TRUE(session->release());
  EXPECT_EQ(heard, "saving:asked Saving saved Saved released Released");
  EXPECT_EQ(states, "loading>open open>releasing releasing>released ");
}

TEST_F(Deliver, what_a_listener_of_saving_changes_is_saved) {
  auto players = open();
  auto session = players.load(1u);
  const auto saving = session->on_saving([](Player& player, Reason) { player.level = 9; });
  session->edit()->coins = 7;
  ASSERT_TRUE(session->save());
  EXPECT_EQ(players.peek(1u)->data.level, 9);
}

TEST_F(Deliver, a_guard_that_a_listener_of_saving_keeps_open_holds_the_save_back) {
  auto players = open();
  auto session = *players.load(1u);
  std::optional<Players::Session::Edit> half;
  auto saving = session.on_saving([&](Player&, Reason) {
    half.emplace(session.edit());
    (*half)->coins = 8;
  });
  session.edit()->coins = 7;
  EXPECT_TRUE(session.save().is(Errc::busy));
  EXPECT_EQ(coins(players, 1), -1) << "half an edit";
  saving.disconnect();
  half.reset();
  EXPECT_TRUE(session.save());
  EXPECT_EQ(coins(players, 1), 8);
}

TEST_F(Deliver, saved_is_fired_after_every_attempt) {
  auto players = open();
  auto session = players.load(1u);
  std::vector<Errc> heard;
  const auto saved = session->on_saved(
      [&](const auto& result) { heard.push_back(result ? Errc{} : result.error().code()); });
  session->edit()->coins = 7;
  db.fail_commits(Errc::io);
  EXPECT_TRUE(session->save().is(Errc::io));
  EXPECT_TRUE(session->save());
  session->edit()->coins = -1;
  EXPECT_TRUE(session->save().is(Errc::invalid));
  EXPECT_EQ(heard, (std::vector{Errc::io, Errc{}, Errc::invalid}));
}

TEST_F(Deliver, listeners_may_call_anything) {
  auto players = open();
  auto one = players.load(1u);
  auto two = players.load(2u);
  std::vector<persist::Connection> kept;
  kept.push_back(players.on_saved([&](Players::Session& self, const auto&) {
    if (self.id() != "1" || !self.is_active()) return;
    EXPECT_TRUE(two->save({.force = true}));  // saves another
    EXPECT_TRUE(self.release());              // ends its own
    EXPECT_TRUE(players.load(3u));            // loads, and drops
    kept.push_back(players.on_saved([](auto&, const auto&) {}));
    players.poll();
  }));
  one->edit()->coins = 7;
  EXPECT_TRUE(one->save());
  EXPECT_EQ(one->state(), State::released);
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_EQ(players.inspect(2u)->version, 1U);
  EXPECT_FALSE(players.inspect(3u)->held);
}

TEST_F(Deliver, a_listener_may_drop_the_last_handle) {
  auto players = open();
  std::optional<Players::Session> session(*players.load(1u));
  auto keep = session->on_saved([&](const auto&) { session.reset(); });
  keep.detach();
  session->edit()->coins = 7;
  ASSERT_TRUE(session->request_save());
  players.poll();
  players.poll();
  EXPECT_FALSE(session);
  EXPECT_EQ(coins(players, 1), 7);
  EXPECT_FALSE(players.inspect(1u)->held);
}

TEST_F(Deliver, a_failure_that_nobody_listens_to_is_logged) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  db.fail_commits(Errc::io);
  EXPECT_FALSE(session->save());
  EXPECT_TRUE(logged("warning: a save failed"));
  lines.clear();
  const auto heard = players.on_saved([](auto&, const auto&) {});
  const auto renewal = players.on_renewal_failed([](auto&, int) {});
  db.fail_commits(Errc::io);
  EXPECT_FALSE(session->save());
  EXPECT_TRUE(lines.empty()) << lines[0];
}

TEST_F(Deliver, a_release_that_a_rule_refuses_says_so_everywhere_and_gives_the_lease_back) {
  auto players = open();
  auto session = players.load(1u);
  ASSERT_TRUE(session->save({.force = true}));
  std::string heard;
  const auto refused = session->on_save_refused(
      [&](const persist::Error& error) { heard += std::string(error.key()) + " refused "; });
  const auto released =
      session->on_released([&](Reason, bool saved) { heard += saved ? "saved" : "unsaved"; });
  session->edit()->coins = -1;
  const auto result = session->release();
  EXPECT_TRUE(result.is(Errc::invalid));
  EXPECT_EQ(result.error().key(), "1");
  EXPECT_EQ(heard, "1 refused unsaved");
  EXPECT_TRUE(logged("1"));
  EXPECT_EQ(session->state(), State::released);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(coins(players, 1), 100);
}

TEST_F(Deliver, a_handler_connected_once_hears_one_save_of_the_session_or_the_store) {
  auto players = open();
  auto session = *players.load(1u);

  int of_session = 0;
  int of_store = 0;
  const auto a = session.on_saved(persist::once([&](const auto&) { ++of_session; }));
  const auto b = players.on_saved(persist::once([&](auto&, const auto&) { ++of_store; }));
  for (int i = 0; i < 3; ++i) {
    session.edit()->coins += 1;
    ASSERT_TRUE(session.save());
  }
  EXPECT_EQ(of_session, 1);
  EXPECT_EQ(of_store, 1);
}

TEST_F(Deliver, on_released_after_the_end_is_called_at_once) {
  auto players = open();
  auto session = players.load(1u);
  session->edit()->coins = 7;
  ASSERT_TRUE(session->release());
  std::string heard;
  const auto late = session->on_released([&](Reason why, bool saved) {
    heard += std::string(name(why)) + (saved ? " saved" : " unsaved");
  });
  EXPECT_EQ(heard, "asked saved");
  session->edit()->coins = 9;  // of a copy: that changes nothing of how it ended
  const auto later = session->on_released([&](Reason, bool saved) { heard += saved ? "!" : "?"; });
  EXPECT_EQ(heard, "asked saved!");
}

TEST_F(Deliver, on_released_inside_a_listener_is_called_once) {
  auto players = open();
  auto session = players.load(1u);
  int early = 0;
  int late = 0;
  std::vector<persist::Connection> kept;
  kept.push_back(players.on_state_changed([&](Players::Session& self, State, State to) {
    if (to == State::released)  // the end has come and was not told yet
      kept.push_back(self.on_released([&](Reason, bool) { ++early; }));
  }));
  kept.push_back(players.on_released([&](Players::Session& self, Reason, bool) {
    kept.push_back(self.on_released([&](Reason, bool) { ++late; }));
  }));
  ASSERT_TRUE(session->release());
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 1);
}

TEST_F(Deliver, a_post_with_an_id_is_known_again) {
  auto players = open();
  gives_gifts(players);
  const auto first = players.post(1u, Gift{5}, {.id = "gift-7"});
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->repeated);
  const auto second = players.post(1u, Gift{5}, {.id = "gift-7"});
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->repeated);
  EXPECT_EQ(second->position, first->position);
  auto session = players.load(1u);
  ASSERT_TRUE(session->release());
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "gift-7"})->repeated);
  EXPECT_EQ(players.load(1u)->view()->coins, 105);
  const auto tried = players.core().backend_time();
  clock.advance(8 * 24h);
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "gift-8", .first_tried = tried}).is(Errc::refused));
}

TEST_F(Deliver, a_full_inbox_refuses_and_drops_nothing) {
  auto told = options();
  told.inbox_limit.messages = 2;
  Players players("players", db, told);
  EXPECT_TRUE(players.post(1u, Gift{1}));
  EXPECT_TRUE(players.post(1u, Gift{2}));
  EXPECT_TRUE(players.post(1u, Gift{3}).is(Errc::full));
  gives_gifts(players);
  EXPECT_EQ(players.load(1u)->view()->coins, 103);
}

TEST(DeliverDeathTest, destroying_a_store_in_its_own_handler_ends_the_program) {
  persist::testing::ManualClock clock;
  persist::StoreOptions told;
  told.clock = &clock;
  std::optional<Players> players;
  players.emplace("players", Db(persist::backend::Memory(clock)), told);
  auto session = players->load(1u);
  auto ends = session->on_saved([&](const auto&) { players.reset(); });
  EXPECT_DEATH((void)session->save({.force = true}),
               "a store was destroyed inside one of its own handlers");
  ends.disconnect();
  const auto saving = session->on_saving([&](Player&, Reason) {
    EXPECT_TRUE(players->load(2u)->save({.force = true}));
    players.reset();
  });
  EXPECT_DEATH((void)session->save({.force = true}),
               "a store was destroyed inside one of its own handlers");
}

TEST(DeliverDeathTest, destroying_a_store_in_what_it_calls_beside_handlers_ends_the_program_too) {
  persist::testing::ManualClock clock;
  persist::StoreOptions told;
  told.clock = &clock;
  const Db db{persist::backend::Memory(clock)};
  std::optional<Players> players;
  players.emplace("players", db, told);
  auto session = players->load(1u);
  constexpr auto words = "a store was destroyed inside one of its own handlers";
  EXPECT_DEATH((void)session->grant_once("r", [&](Player&) { players.reset(); }), words);
  const auto gone = [&] { return players.reset(), true; };
  EXPECT_DEATH((void)players->load(2u, {.while_ = gone}), words);
  Players other("players", db, told);
  auto heard = other.on_saved([&](Players::Session&, const auto&) { players.reset(); });
  auto theirs = other.load(3u);
  ASSERT_TRUE(theirs->request_save({.force = true}));
  EXPECT_DEATH((void)persist::poll(other, *players), words);
}

TEST_F(Deliver, a_handler_that_answers_busy_is_put_aside_like_any_other_and_holds_up_nobody) {
  auto players = open();
  int tries = 0;
  players.on_message([&](Player&, const Letter&) -> persist::Result<void> {
    ++tries;
    auto saved = players.find(1u)->save();
    EXPECT_TRUE(saved.is(Errc::busy));
    return saved ? persist::Result<void>(persist::success) : saved.error();
  });
  gives_gifts(players);
  ASSERT_TRUE(players.post(1u, Letter{"first"}));
  ASSERT_TRUE(players.post(1u, Gift{5}));
  auto session = players.load(1u);
  EXPECT_EQ(session->view()->coins, 105);
  play(1min, players);
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(session->waiting_messages(), 1U);
}

TEST_F(Deliver, messages_behind_a_handler_that_left_a_guard_open_wait_for_it) {
  auto players = open();
  auto session = players.load(1u);
  std::vector<Players::Session::Edit> open_guards;
  players.on_message([&](Player& player, const Gift& gift) {
    player.coins += gift.coins;
    if (open_guards.empty()) open_guards.push_back(session->edit());
  });
  ASSERT_TRUE(players.post(1u, Gift{5}));
  ASSERT_TRUE(players.post(1u, Gift{6}));
  play(5s, players);
  EXPECT_EQ(session->view()->coins, 105);
  EXPECT_EQ(players.metrics().messages_failed, 0U);
  open_guards.clear();
  players.poll();
  EXPECT_EQ(session->view()->coins, 111);
}

}  // namespace
