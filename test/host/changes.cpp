#include <persist/host/changes.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

namespace {

using namespace test;

using HostChanges = HostedWorld;

TEST_F(HostChanges, what_is_durable_is_read_on_a_lane) {
  auto none = host.peek(players, 1u);
  settle();
  EXPECT_TRUE(none.get().is(Errc::not_found));
  auto session = load(1);
  session.edit()->coins = 5;
  auto live = host.peek(players, 1u, {.live = true});
  host.poll();
  EXPECT_EQ(live.get()->data.coins, 5);
  EXPECT_FALSE(host.run_lane()) << "what is open here needs no storage";
  auto held = host.inspect(players, 1u);
  auto saved = host.save(session);
  settle();
  EXPECT_TRUE(held.get()->held);
  auto read = host.peek(players, 1u);
  auto page = host.scan(players);
  settle();
  EXPECT_EQ(read.get()->data.coins, 5);
  EXPECT_EQ(page.get()->keys, std::vector<std::string>{"1"});
}

TEST_F(HostChanges, an_update_changes_the_live_data_at_once_and_a_record_of_nobody_in_two_rounds) {
  auto session = load(1);
  auto live = host.update(players, 1u, [](Player& p) { return persist::Result<int>(p.level = 7); });
  host.poll();
  EXPECT_EQ(*live.get(), 7);
  EXPECT_EQ(session.view()->level, 7);
  auto released = host.release(session);
  settle();
  db.script() = {};
  auto away = host.update(players, 1u, [](Player& p) { p.coins = 3; });
  settle();
  EXPECT_TRUE(away.get());
  EXPECT_EQ(durable(1), 3);
  EXPECT_EQ(db.script().acquire_batches, 1U);
  EXPECT_EQ(db.script().commit_batches, 1U);
  EXPECT_FALSE(tool.inspect(1u)->held);
  auto none = host.update(players, 2u, [](Player&) {});
  auto refused = host.update(players, 1u, [](Player& p) -> persist::Result<void> {
    p.coins = 0;
    return Errc::refused;
  });
  settle();
  EXPECT_TRUE(none.get().is(Errc::not_found));
  EXPECT_TRUE(refused.get().is(Errc::refused));
  settle();
  EXPECT_EQ(durable(1), 3);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(tool.inspect(1u)->held);
}

TEST_F(HostChanges, an_update_of_a_record_that_is_held_elsewhere_is_locked) {
  auto holder = tool.load(1u);
  auto no = host.update(players, 1u, [](Player&) {});
  settle();
  EXPECT_TRUE(no.get().is(Errc::locked));
}

TEST_F(HostChanges, an_update_that_could_not_be_saved_does_not_happen_later) {
  auto session = load(1);
  session.edit()->coins = 10;
  auto released = host.release(session);
  settle();
  db.script().commits.push_back({Errc::unavailable});
  auto failing = host.update(players, 1u, [](Player& p) { p.coins = 99; });
  settle();
  EXPECT_TRUE(failing.get().is(Errc::unavailable));
  clock.advance(30s);
  settle();
  EXPECT_EQ(durable(1), 10);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(HostChanges, an_update_that_timed_out_while_it_was_loading_does_not_happen) {
  ASSERT_TRUE(tool.load(1u)->release());
  auto late = host.update(players, 1u, [](Player& p) { p.coins = 99; }, {}, {.deadline = 1s});
  host.poll();
  clock.advance(2s);
  host.poll();
  EXPECT_TRUE(late.get().is(Errc::timeout));
  settle();
  settle();
  EXPECT_EQ(durable(1), 100);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(HostChanges,
       an_overwrite_takes_the_record_from_its_holder_and_one_of_a_live_session_saves_it) {
  auto holder = tool.load(1u);
  holder->edit()->coins = 1;
  ASSERT_TRUE(holder->save());
  auto away = host.overwrite(players, 1u, Player{40, 1, {}});
  auto invalid = host.overwrite(players, 1u, Player{-1, 1, {}});
  EXPECT_TRUE(invalid.get().is(Errc::invalid));
  settle();
  EXPECT_TRUE(away.get());
  EXPECT_EQ(durable(1), 40);
  auto session = load(2);
  auto live = host.overwrite(players, 2u, Player{41, 1, {}});
  settle();
  EXPECT_GT(live.get()->version, 0U);
  EXPECT_EQ(session.view()->coins, 41);
  EXPECT_EQ(durable(2), 41);
}

TEST_F(HostChanges, an_erase_ends_the_session_that_is_open_here) {
  auto session = load(1);
  auto saved = host.save(session, {.force = true});
  settle();
  auto erased = host.erase(players, 1u);
  auto never = host.erase(players, 2u);
  host.poll();
  EXPECT_EQ(session.state(), State::open);
  settle();
  EXPECT_TRUE(erased.get());
  EXPECT_TRUE(never.get().is(Errc::not_found));
  EXPECT_EQ(session.state(), State::lost);
}

TEST_F(HostChanges, a_post_under_an_id_is_known_when_it_is_repeated) {
  std::string id = "mail 7";
  auto first = host.post(players, 3u, Gift{4}, {.id = id});
  id = "overwritten by its owner";
  settle();
  EXPECT_FALSE(first.get()->repeated);
  auto again = host.post(players, 3u, Gift{4}, {.id = "mail 7"});
  settle();
  EXPECT_TRUE(again.get()->repeated);
  EXPECT_EQ(tool.inspect(3u)->inbox_messages, 1U);
}

TEST_F(HostChanges, a_purchase_is_durable_when_it_answers_for_who_is_here_and_who_is_not) {
  const auto buy = [](Player& p) { p.coins += 1000; };
  auto session = load(1);
  auto here = host.grant_once(players, 1u, "receipt 1", buy);
  host.poll();
  EXPECT_FALSE(here.ready()) << "the shop was told yes before it was saved";
  EXPECT_EQ(session.view()->coins, 1100);
  auto away = host.grant_once(players, 2u, std::string("receipt 2"), buy);
  settle();
  EXPECT_EQ(*here.get(), persist::Grant::durable);
  EXPECT_EQ(*away.get(), persist::Grant::durable);
  EXPECT_EQ(durable(1), 1100);
  EXPECT_EQ(durable(2), 1100);
  auto twice = host.grant_once(players, 2u, "receipt 2", buy);
  settle();
  EXPECT_EQ(*twice.get(), persist::Grant::durable);
  EXPECT_EQ(durable(2), 1100);
  db.fail_commits(Errc::unavailable);
  auto kept = host.grant_once(players, 1u, "receipt 3", buy);
  settle();
  EXPECT_EQ(*kept.get(), persist::Grant::pending) << "it is applied here and saved later";
}

TEST_F(HostChanges, a_transaction_is_pending_until_a_save_of_any_partner) {
  auto a = load(1);
  auto b = load(2);
  auto trade =
      host.transact(a, b, [](Player& from, Player& to) { from.coins -= 10, to.coins += 10; });
  EXPECT_EQ(a.view()->coins, 100);
  host.poll();
  EXPECT_EQ(*trade.get(), persist::Transacted::pending);
  EXPECT_EQ(a.view()->coins, 90);
  settle();
  EXPECT_EQ(durable(1), 90);
  EXPECT_EQ(durable(2), 110);
  auto other = tool.load(3u);
  EXPECT_TRUE(host.transact(a, *other, [](Player&, Player&) {}).get().is(Errc::invalid));
}

TEST_F(HostChanges, a_key_that_breaks_a_rule_is_refused_at_once) {
  persist::Store<std::string, Save, Db> named("named", db, options());
  ASSERT_TRUE(host.attach(named));
  EXPECT_TRUE(host.peek(named, std::string(500, 'x')).get().is(Errc::invalid));
  EXPECT_TRUE(host.update(named, std::string(), [](Player&) {}).get().is(Errc::invalid));
}

TEST_F(HostChanges, an_update_of_a_record_with_many_writers_goes_again_when_it_was_overtaken) {
  using Guilds = persist::Store<std::string, Save, Db, persist::lock::Optimistic>;
  Guilds guilds("guilds", db, options()), others("guilds", db, options("eu-2"));
  ASSERT_TRUE(host.attach(guilds));
  const auto earn = [](Player& chest) { chest.coins += 10; };
  int runs = 0;
  auto done = host.update(guilds, std::string("wolves"),
                          [&](Player& chest) {
                            if (++runs < 4) {
                              EXPECT_TRUE(others.update("wolves", earn, {.create = true})) << runs;
                            }
                            chest.coins += 1;
                          },
                          {.create = true});
  settle();
  EXPECT_TRUE(done.get());
  EXPECT_EQ(runs, 4);
  EXPECT_EQ(others.peek("wolves")->data.coins, 131);
  auto late = host.update(guilds, std::string("wolves"),
                          [&](Player&) { EXPECT_TRUE(others.update("wolves", earn)); });
  settle();
  EXPECT_TRUE(late.get().is(Errc::busy)) << "after as many tries as the call that waits";
}

TEST_F(HostChanges, calls_on_one_key_are_performed_in_the_order_they_were_made) {
  std::vector<std::string> got;
  players.on_message([&](Player&, const Letter& letter) { got.push_back(letter.text); });
  bool other = false;
  db.script().during_post = [&] {
    while (host.run_lane()) {  // another lane
    }
    other = true;
  };
  auto first = host.post(players, 1u, Letter{"first"});
  auto second = host.post(players, 1u, Letter{"second"});
  auto read = host.inspect(players, 1u);
  auto third = host.post(players, 2u, Letter{"to somebody else"});
  settle();
  EXPECT_TRUE(other);
  ASSERT_TRUE(read.ready());
  EXPECT_EQ(read.get()->inbox_messages, 2U);
  auto session = load(1);
  settle();
  EXPECT_EQ(got, (std::vector<std::string>{"first", "second"}));
}

TEST_F(HostChanges, a_shop_is_told_in_its_own_words) {
  using Outcome = persist::PurchaseOutcome;
  const auto buys = [](Player& player) { player.coins += 10; };
  ASSERT_TRUE(tool.load(1u)->release());
  auto first = host.purchase(players, 1u, "order", buys);
  settle();
  EXPECT_EQ(first.get().outcome, Outcome::granted);
  EXPECT_EQ(durable(1), 110);
  auto session = load(1);
  auto again = host.purchase(players, 1u, "order", buys);
  db.fail_commits(persist::Errc::unavailable);
  auto away = host.purchase(players, 1u, "another", buys);
  settle();
  EXPECT_EQ(again.get().outcome, Outcome::granted_before);
  EXPECT_EQ(away.get().outcome, Outcome::retry_later);
  auto held = tool.purchase(1u, "third", buys);
  EXPECT_EQ(held.outcome, Outcome::retry_later);
}

struct HostHistory : HostChanges {
  persist::StoreOptions keeping() {
    auto told = options();
    told.history = {.keep = 5};
    return told;
  }
  Players kept{"kept", db, keeping()};
  Players theirs{"kept", db, keeping()};
  HostHistory() { EXPECT_TRUE(host.attach(kept)); }
  void save(std::int64_t coins) {
    ASSERT_TRUE(theirs.update(1u, [&](Player& player) { player.coins = coins; }, {.create = true}));
  }
};

TEST_F(HostHistory, older_states_are_listed_read_and_restored) {
  save(1), save(2), save(3);
  auto versions = host.versions(kept, 1u, {.most = 1});
  auto old = host.peek(kept, 1u, {.live = true, .version = 1});
  settle();
  ASSERT_EQ(versions.get()->size(), 1U);
  EXPECT_EQ(old.get()->data.coins, 1);
  auto holder = *theirs.load(1u);
  auto restored = host.restore(kept, 1u, 1);
  settle();
  EXPECT_EQ(restored.get()->version, 4U);
  EXPECT_EQ(theirs.peek(1u)->data.coins, 1);
  EXPECT_TRUE(holder.save({.force = true}).is(persist::Errc::fenced));
}

TEST_F(HostHistory, the_session_that_is_open_here_is_restored_while_it_goes_on) {
  save(1), save(2);
  auto loaded = host.load(kept, 1u);
  settle();
  auto session = *loaded.get();
  auto gone = host.restore(kept, 1u, 9);
  auto restored = host.restore(kept, 1u, 1);
  settle();
  EXPECT_TRUE(gone.get().is(persist::Errc::not_found));
  EXPECT_TRUE(restored.get());
  EXPECT_EQ(session.view()->coins, 1);
  EXPECT_TRUE(session.is_active());
  EXPECT_EQ(theirs.peek(1u)->data.coins, 1);
}

TEST_F(HostChanges, an_inbox_is_looked_at_and_emptied_by_hand) {
  ASSERT_TRUE(tool.load(1u)->release());
  ASSERT_TRUE(tool.post(1u, Gift{5}));
  auto seen = host.peek_inbox(players, 1u);
  settle();
  const auto messages = seen.get();
  ASSERT_TRUE(messages);
  ASSERT_EQ(messages->size(), 1U);
  auto removed = host.remove_message(players, 1u, messages->front().position);
  settle();
  EXPECT_TRUE(removed.get());
  EXPECT_TRUE(tool.peek_inbox(1u)->empty());
}

TEST_F(HostChanges, a_message_is_taken_out_of_a_session_that_is_open_here) {
  auto session = load(1);
  ASSERT_TRUE(tool.post(1u, Gift{5}));
  auto saved = host.save(session, {.force = true});
  settle();
  ASSERT_EQ(session.inbox().size(), 1U);
  const auto position = session.inbox().front().position;
  auto removed = host.remove_message(players, 1u, position);
  EXPECT_EQ(tool.peek_inbox(1u)->size(), 1U);
  settle();
  EXPECT_TRUE(removed.get());
  EXPECT_TRUE(tool.peek_inbox(1u)->empty());
  EXPECT_TRUE(session.is_active());
  auto again = host.remove_message(players, 1u, position);
  settle();
  EXPECT_TRUE(again.get().is(Errc::not_found));
}

}  // namespace
