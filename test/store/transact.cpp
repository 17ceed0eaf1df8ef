#include <persist/store/transact.hpp>

#include <support/world.hpp>

#if PERSIST_HAS_EXCEPTIONS
#include <stdexcept>
#endif

namespace {

using namespace test;
using persist::Transacted;

struct Transact : World {
  Players players{open()};
  Players::Session a = *players.load(1u);
  Players::Session b = *players.load(2u);
  static void trade(Player& from, Player& to) { from.coins -= 30, to.coins += 30; }
  void expect_stored(std::int64_t one, std::int64_t two) {
    EXPECT_EQ(coins(players, 1), one);
    EXPECT_EQ(coins(players, 2), two);
  }
};

TEST_F(Transact, a_transaction_over_open_sessions_is_one_commit) {
  db.script() = {};
  const auto done = players.transact(a, b, trade);
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, Transacted::durable);
  EXPECT_EQ(db.script().commit_requests, 1U);
  EXPECT_EQ(db.script().changes, 2U);
  expect_stored(70, 130);
  EXPECT_FALSE(a.is_dirty());
  EXPECT_EQ(players.metrics().transactions, 1U);
}

TEST_F(Transact, a_function_that_says_no_changes_nothing) {
  EXPECT_TRUE(players
                  .transact(a, b,
                            [](Player& x, Player& y) {
                              trade(x, y);
                              return false;
                            })
                  .is(Errc::refused));
  const auto no = players.transact(a, b, [&](Player& x, Player& y) -> persist::Result<void> {
    trade(x, y);
    EXPECT_TRUE(a.send(3u, Gift{1}));
    return persist::Error(Errc::not_found, "no such item");
  });
  EXPECT_TRUE(no.is(Errc::not_found));
  EXPECT_EQ(a.view()->coins, 100);
  EXPECT_FALSE(a.is_dirty() || b.is_dirty());
  ASSERT_TRUE(a.save());
  EXPECT_EQ(players.inspect(3u)->inbox_messages, 0U);
  EXPECT_TRUE(players.transact(a, b, trade));
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(Transact, a_function_that_throws_changes_nothing) {
  EXPECT_TRUE(players
                  .transact(a, b,
                            [](Player& x, Player& y) {
                              trade(x, y);
                              throw std::runtime_error("no");
                            })
                  .is(Errc::refused));
  EXPECT_EQ(a.view()->coins, 100);
  EXPECT_TRUE(a.save({.force = true}));
}
#endif

TEST_F(Transact, each_result_is_validated_and_its_size_checked) {
  EXPECT_TRUE(players.transact(a, b, [](Player& x, Player& y) { x.coins -= 300, y.coins += 300; })
                  .is(Errc::invalid));
  EXPECT_TRUE(
      players.transact(a, b, [](Player&, Player& y) { y.name.assign(std::size_t{5} << 20, 'x'); })
          .is(Errc::too_large));
  EXPECT_EQ(a.view()->coins, 100);
  EXPECT_EQ(b.view()->coins, 100);
  EXPECT_TRUE(b.view()->name.empty());
  EXPECT_FALSE(a.is_dirty() || b.is_dirty());
}

TEST_F(Transact, a_fenced_partner_ends_all_of_them_and_nothing_is_stored) {
  auto other = open("eu-2");
  auto thief = other.load(2u, {.conflict = persist::Conflict::steal});
  ASSERT_TRUE(thief);
  const auto done = players.transact(a, b, trade);
  EXPECT_TRUE(done.is(Errc::fenced));
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_EQ(b.state(), State::lost);
  expect_stored(-1, -1);
  EXPECT_EQ(thief->view()->coins, 100);
}

TEST_F(Transact, a_pending_transaction_of_which_a_partner_is_fenced_loses_all_partners) {
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  auto other = open("eu-2");
  auto thief = other.load(2u, {.conflict = persist::Conflict::steal});
  EXPECT_TRUE(a.save().is(Errc::fenced));
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_EQ(b.state(), State::lost);
  expect_stored(-1, -1);
}

TEST_F(Transact, the_record_of_an_innocent_partner_is_given_back_at_once) {
  auto other = open("eu-2");
  auto thief = other.load(2u, {.conflict = persist::Conflict::steal});
  EXPECT_TRUE(players.transact(a, b, trade).is(Errc::fenced));
  players.poll();
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_TRUE(players.inspect(2u)->held);
  EXPECT_EQ(thief->state(), State::open);

  auto c = *players.load(3u);
  auto d = *players.load(4u);
  ASSERT_EQ(*players.request_transact(c, d, trade), Transacted::pending);
  ASSERT_TRUE(players.erase(4u));
  EXPECT_EQ(c.state(), State::lost);
  players.poll();
  EXPECT_FALSE(players.inspect(3u)->held);
}

TEST_F(Transact, a_record_that_is_to_be_given_back_is_loaded_again_at_once) {
  auto other = open("eu-2");
  const auto thief = other.load(2u, {.conflict = persist::Conflict::steal});
  EXPECT_TRUE(players.transact(a, b, trade).is(Errc::fenced));
  const auto before = clock.now();
  EXPECT_TRUE(players.load(1u));
  EXPECT_EQ(clock.now(), before);
}

TEST_F(Transact, a_pending_transaction_is_written_whole_whichever_partner_is_saved) {
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  EXPECT_EQ(a.view()->coins, 70);
  db.script() = {};
  ASSERT_TRUE(b.save());
  EXPECT_EQ(db.script().commit_requests, 1U);
  EXPECT_EQ(db.script().changes, 2U);
  expect_stored(70, 130);
  EXPECT_FALSE(a.is_dirty());
}

TEST_F(Transact, a_pending_transaction_is_written_by_the_next_poll) {
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  players.poll();
  expect_stored(70, 130);
}

TEST_F(Transact, a_partner_that_is_released_takes_the_others_data_along) {
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  ASSERT_TRUE(b.release());
  expect_stored(70, 130);
  EXPECT_EQ(a.state(), State::open);
  EXPECT_TRUE(a.release());
}

TEST_F(Transact, edits_go_on_and_the_commit_holds_what_the_data_is_when_it_is_prepared) {
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  a.edit()->coins += 5;
  players.poll();
  expect_stored(75, 130);
}

TEST_F(Transact, a_pending_partner_takes_part_in_no_other) {
  auto c = *players.load(3u);
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  EXPECT_TRUE(players.transact(b, c, trade).is(Errc::busy));
  players.poll();
  EXPECT_TRUE(players.transact(b, c, trade));
}

TEST_F(Transact, an_open_guard_of_any_partner_is_busy) {
  {
    auto guard = b.edit();
    EXPECT_TRUE(players.transact(a, b, trade).is(Errc::busy));
  }
  EXPECT_EQ(a.view()->coins, 100);
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  auto guard = b.edit();
  EXPECT_TRUE(a.save().is(Errc::busy));
  EXPECT_TRUE(a.release().is(Errc::busy));
  expect_stored(-1, -1);
}

TEST_F(Transact, the_same_session_twice_is_invalid_and_so_is_one_that_is_not_open) {
  auto again = *players.load(1u);
  EXPECT_TRUE(players.transact(a, again, trade).is(Errc::invalid));
  EXPECT_TRUE(players.transact(a, a, trade).is(Errc::invalid));
  ASSERT_TRUE(b.release());
  EXPECT_TRUE(players.transact(a, b, trade).is(Errc::invalid));
  EXPECT_EQ(a.view()->coins, 100);
}

TEST_F(Transact, stores_that_share_no_database_cannot_trade) {
  Players far("players", Db(persist::backend::Memory(clock)), options("eu-2"));
  auto c = *far.load(2u);
  EXPECT_TRUE(players.transact(a, c, trade).is(Errc::unsupported));
  EXPECT_EQ(a.view()->coins, 100);
}

TEST_F(Transact, sessions_of_two_stores_of_one_database_trade) {
  auto near = open("eu-2");
  auto c = *near.load(3u);
  ASSERT_EQ(*players.transact(a, c, trade), Transacted::durable);
  EXPECT_EQ(coins(players, 3), 130);
  ASSERT_EQ(*players.request_transact(a, c, trade), Transacted::pending);
  persist::poll(near, players);
  EXPECT_EQ(coins(players, 3), 160);
  EXPECT_EQ(coins(players, 1), 40);
  EXPECT_TRUE(c.release());
  EXPECT_TRUE(a.release());
}

TEST_F(Transact, a_store_that_closes_saves_its_partners_with_those_of_the_other_store) {
  std::optional<Players> near(open("eu-2"));
  auto c = *near->load(3u);
  ASSERT_EQ(*players.request_transact(a, c, trade), Transacted::pending);
  near.reset();
  EXPECT_EQ(coins(players, 3), 130);
  EXPECT_EQ(coins(players, 1), 70);
  EXPECT_FALSE(a.is_dirty());
}

TEST_F(Transact, a_commit_that_failed_is_pending_and_is_tried_again_whole) {
  db.fail_commits(Errc::unavailable);
  ASSERT_EQ(*players.transact(a, b, trade), Transacted::pending);
  expect_stored(-1, -1);
  play(3s, players);
  expect_stored(70, 130);
}

TEST_F(Transact, after_an_unknown_outcome_the_same_bytes_go_again) {
  db.lose_reply();
  ASSERT_EQ(*players.transact(a, b, trade), Transacted::pending);
  EXPECT_TRUE(a.save().is(Errc::busy));
  expect_stored(70, 130);
  const auto version = players.inspect(1u)->version;
  play(3s, players);
  EXPECT_FALSE(a.is_dirty() || b.is_dirty());
  EXPECT_EQ(players.inspect(1u)->version, version);
  EXPECT_TRUE(players.transact(a, b, trade));
}

TEST_F(Transact, a_partner_that_breaks_a_rule_holds_all_of_them_back) {
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  b.edit()->coins = -1;
  EXPECT_TRUE(a.save().is(Errc::invalid));
  EXPECT_TRUE(a.release().is(Errc::invalid));
  EXPECT_FALSE(ended(a.state()));
  expect_stored(-1, -1);
  for (int i = 0; i < 3; ++i)
    EXPECT_GT(players.poll(), clock.now());  // and keeps no processor busy meanwhile
  b.edit()->coins = 130;
  play(3s, players);
  EXPECT_EQ(a.state(), State::released);
  expect_stored(70, 130);
}

TEST_F(Transact, what_holds_a_trade_back_keeps_no_partner_from_its_lease_and_its_messages) {
  const auto held_back = [&](auto meanwhile) {
    for (int second = 0; second < 120; ++second) {
      clock.advance(1s);
      players.poll();
      players.poll();
      EXPECT_GT(players.poll(), clock.now());  // keeps no processor busy
    }
    EXPECT_EQ(a.state(), State::open);
    EXPECT_EQ(b.state(), State::open);
    EXPECT_EQ(a.waiting_messages(), 1U) << "one that nobody handles, but it was heard of";
    expect_stored(-1, -1);
    meanwhile();
  };
  ASSERT_TRUE(players.post(1u, Letter{"hello"}));
  ASSERT_EQ(*players.request_transact(a, b, trade), Transacted::pending);
  b.edit()->coins = -1;
  held_back([&] { b.edit()->coins = 130; });
  {
    const auto guard = b.edit();
    held_back([] {});
  }
  play(30s, players);
  expect_stored(70, 130);
}

TEST_F(Transact, closing_does_not_wait_for_a_partner_that_cannot_leave_another_store) {
  auto other = open("eu-2");
  auto theirs = *other.load(3u);
  ASSERT_EQ(*players.request_transact(a, theirs, trade), Transacted::pending);
  const auto guard = theirs.edit();
  const auto before = clock.now();
  EXPECT_EQ(players.close_all(10s), 1U);
  EXPECT_EQ(clock.now(), before);
  EXPECT_EQ(b.state(), State::released);
}

TEST_F(Transact, a_suspect_partner_waits) {
  db.fail_commits(Errc::unavailable, 1000);
  play(55s, players);
  ASSERT_EQ(a.state(), State::suspect);
  db.script().commits.clear();
  EXPECT_TRUE(players.transact(a, b, trade).is(Errc::busy));
}

TEST_F(Transact, inside_the_function_a_session_gives_the_copy_and_sends_with_its_success) {
  const auto done = players.transact(a, b, [&](Player& x, Player& y) {
    trade(x, y);
    EXPECT_EQ(a.view()->coins, 70);
    EXPECT_TRUE(a.save().is(Errc::busy));
    EXPECT_TRUE(players.transact(a, b, trade).is(Errc::busy));
    EXPECT_TRUE(a.send(3u, Gift{1}));
  });
  ASSERT_TRUE(done);
  EXPECT_EQ(players.inspect(3u)->inbox_messages, 1U);
}

TEST_F(Transact, a_partner_that_was_lost_is_told_its_save_failed_before_it_ended) {
  auto other = open("eu-2");
  ASSERT_TRUE(players.request_transact(a, b, trade));
  auto thief = other.load(1u, {.conflict = persist::Conflict::steal});
  std::vector<std::string> told;
  const auto saved = players.on_saved([&](Players::Session& session, const auto& result) {
    told.push_back(std::string(session.id()) + (result ? " saved" : " not saved"));
  });
  const auto released = players.on_released([&](Players::Session& session, Reason, bool) {
    told.push_back(std::string(session.id()) + " ended");
  });
  players.poll();
  EXPECT_EQ(told, (std::vector<std::string>{"1 not saved", "1 ended", "2 not saved", "2 ended"}));
}

struct Mirror {
  std::int64_t coins = 100;
};
struct MirrorSave {
  using data_type = Mirror;
  static Mirror capture(std::uint64_t) { return {}; }
  static void apply(std::uint64_t, const Mirror&) {}
};

TEST_F(Transact, a_transaction_that_changed_nothing_is_over) {
  persist::Store<std::uint64_t, MirrorSave, Db> mirrors("mirrors", db, options());
  auto one = mirrors.load(1u);
  auto two = mirrors.load(2u);
  ASSERT_TRUE(one->save());
  ASSERT_TRUE(two->save());
  const auto nothing = [](Mirror&, Mirror&) {};
  EXPECT_EQ(*mirrors.transact(*one, *two, nothing), Transacted::durable);
  EXPECT_EQ(*mirrors.transact(*one, *two, nothing), Transacted::durable);
}

TEST_F(Transact, three_partners_of_two_kinds_of_data_are_one_commit) {
  persist::Store<std::string, Mirror, Db> guilds("guilds", db, options());
  auto guild = guilds.load(std::string("red"));
  db.script() = {};
  ASSERT_TRUE(players.transact(a, b, *guild, [](Player& x, Player& y, Mirror& bank) {
    x.coins -= 10, y.coins -= 20, bank.coins += 30;
  }));
  EXPECT_EQ(db.script().commit_requests, 1U);
  EXPECT_EQ(db.script().changes, 3U);
  expect_stored(90, 80);
  EXPECT_EQ(guilds.peek(std::string("red"))->data.coins, 130);
}

TEST_F(Transact, a_store_that_goes_while_the_outcome_is_unknown_leaves_no_partner_stuck) {
  auto second = std::make_unique<Players>(open("eu-2"));
  auto c = *second->load(3u);
  db.lose_reply();
  const auto done = second->transact(c, a, trade);
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, Transacted::pending);
  db.fail_commits(Errc::unknown_outcome, 100);
  second.reset();
  db.script().commits.clear();
  play(2min, players);
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_TRUE(players.load(1u, {.conflict = persist::Conflict::steal}));
  EXPECT_EQ(coins(players, 1), 130);
}

TEST_F(Transact, a_store_that_closes_goes_on_giving_back_what_it_could_not) {
  auto second = std::make_unique<Players>(open("eu-2"));
  auto c = *second->load(3u);
  auto d = *second->load(4u);
  auto thief = players.load(4u, {.conflict = persist::Conflict::steal});
  ASSERT_TRUE(second->transact(c, d, trade).is(Errc::fenced));
  ASSERT_TRUE(players.inspect(3u)->held);
  db.fail_commits(Errc::unavailable, 2);
  second.reset();
  EXPECT_FALSE(players.inspect(3u)->held);
}

TEST_F(Transact,
       stores_that_end_while_their_partners_listeners_are_told_are_there_until_it_is_over) {
  std::unique_ptr<Players> stores[3];
  std::vector<Players::Session> sessions;
  for (std::uint64_t i = 0; i < 3; ++i) {
    stores[i] = std::make_unique<Players>(open("eu-" + std::to_string(i + 2)));
    sessions.push_back(*stores[i]->load(11 + i));
  }
  int told = 0;
  const auto ends_the_others = stores[1]->on_saved([&](Players::Session&, const auto&) {
    ++told;
    stores[0].reset();
    stores[2].reset();
  });
  ASSERT_TRUE(stores[0]->request_transact(
      sessions[0], sessions[1], sessions[2],
      [](Player& x, Player& y, Player& z) { x.coins -= 20, y.coins += 10, z.coins += 10; }));
  EXPECT_TRUE(sessions[0].save());
  EXPECT_EQ(told, 1);
  EXPECT_EQ(coins(players, 11), 80);
  EXPECT_EQ(sessions[0].state(), State::released);
  EXPECT_EQ(sessions[1].state(), State::open);
}

TEST_F(Transact, a_reply_that_comes_after_the_end_revives_nobody) {
  auto second = std::make_unique<Players>(open("eu-2"));
  auto third = open("eu-3");
  auto c = *second->load(3u);
  db.lose_reply();
  EXPECT_EQ(*players.transact(a, c, trade), Transacted::pending);
  db.fail_commits(Errc::unknown_outcome, 1000);
  second.reset();
  db.script().commits.clear();
  EXPECT_EQ(a.state(), State::lost);
  auto asks = third.begin_load(1u);
  third.poll();
  play(10s, players);
  EXPECT_EQ(a.state(), State::lost);
  play(2min, players, third);
  EXPECT_EQ(asks.take()->view()->coins, 70);
}

TEST_F(Transact, an_erased_partner_ends_the_others_and_a_late_reply_revives_nobody) {
  auto other = open("eu-2");
  db.lose_reply();
  EXPECT_EQ(*players.transact(a, b, trade), Transacted::pending);
  auto asks = other.begin_load(2u);
  other.poll();
  ASSERT_TRUE(players.erase(1u));
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_EQ(b.state(), State::lost);
  play(2min, players, other);
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_EQ(b.state(), State::lost);
  EXPECT_EQ(asks.take()->view()->coins, 130);
}

TEST_F(Transact, a_function_that_erases_a_partner_changes_nothing_and_sticks_to_nobody) {
  const auto done = players.transact(a, b, [&](Player& x, Player& y) {
    trade(x, y);
    EXPECT_TRUE(players.erase(2u));
  });
  EXPECT_TRUE(done.is(Errc::closed));
  EXPECT_EQ(b.state(), State::lost);
  EXPECT_EQ(a.view()->coins, 100);
  a.edit()->coins += 1;
  EXPECT_TRUE(a.save());
  expect_stored(101, -1);
}

TEST_F(Transact, one_that_landed_unheard_before_a_partner_was_taken_over_is_lost_for_nobody) {
  db.lose_reply();
  ASSERT_EQ(*players.transact(a, b, trade), Transacted::pending);
  auto other = open("eu-2");
  auto thief = other.load(2u, {.conflict = persist::Conflict::steal});
  std::vector<bool> saved;
  const auto told =
      players.on_released([&](Players::Session&, Reason, bool each) { saved.push_back(each); });
  play(3s, players);
  EXPECT_EQ(saved, (std::vector<bool>{true, true}));
  expect_stored(70, 130);
}

TEST_F(Transact, what_was_edited_behind_one_that_landed_unheard_is_not_said_to_be_saved) {
  db.lose_reply();
  EXPECT_EQ(*players.transact(a, b, trade), Transacted::pending);
  b.edit()->coins = 999;
  std::vector<bool> saved;
  const auto heard = players.on_released(
      [&](Players::Session&, Reason, bool was_saved) { saved.push_back(was_saved); });
  const auto thief = open("eu-2").load(1u, {.conflict = persist::Conflict::steal});
  play(5s, players);
  EXPECT_EQ(saved, (std::vector{true, false}));
  expect_stored(70, 130);
}

TEST_F(Transact, behind_a_commit_that_has_begun_it_is_busy_and_changes_nothing) {
  auto& node = a.node();
  auto& core = node.core();
  persist::Flight flight;
  persist::Result<persist::Saved> result;
  {
    persist::detail::Transaction<Players::Stack, Players::Stack> transaction(a, b);
    ASSERT_FALSE(failed(transaction.check()));
    // What another thread does that saves one of the partners between the check and the change.
    flight.add(persist::SessionPtr(&node), core);
    flight.changes.resize(1);
    ASSERT_FALSE(failed(core.board(node, flight.cuts[0].aim)));
    EXPECT_TRUE(transaction.run(trade).is(Errc::busy)) << "it would leave with half of the trade";
  }
  core.cut(node, flight.cuts[0], flight.changes[0]);
  EXPECT_EQ(a.view()->coins, 100);
  flight.request.changes = flight.changes;
  db.commit(std::span(&flight.request, 1));
  core.settle(node, flight.cuts[0], flight.changes[0], flight, result);
  ASSERT_TRUE(result);
  EXPECT_EQ(*players.transact(a, b, trade), Transacted::durable);
  expect_stored(70, 130);
}

/// A trade that is pending while something happens to one of its partners.
struct PendingTrade : World {
  std::optional<Players> players;
  Players other = open("other");
  std::optional<Players::Session> a, b;
  std::uint64_t first = 1;

  /// Partners of their own, each saved once before, so that `min_gap` holds.
  void begin(persist::StoreOptions told) {
    players.emplace("players", db, std::move(told));
    for (auto* each : {&a, &b}) {
      each->emplace(*players->load(first + (each == &b ? 1 : 0)));
      (*each)->edit()->level = 2;
      ASSERT_TRUE((*each)->save());
    }
    ASSERT_EQ(*players->request_transact(*a, *b, Transact::trade), Transacted::pending);
  }
  /// Half a trade is never there, and in the end all of it is, or none.
  void expect_whole(std::string_view when) {
    const auto one = other.peek(first);
    const auto two = other.peek(first + 1);
    if (one && two) {
      EXPECT_EQ(one->data.coins + two->data.coins, 200) << when;
    }
  }
  template <class F>
  void during(std::string_view when, persist::StoreOptions told, F&& happens) {
    for (const bool swapped : {false, true}) {
      begin(told);
      happens(swapped ? *b : *a, swapped ? *a : *b);
      expect_whole(when);
      for (int second = 0; second < 70; ++second) {
        play(1s, *players);
        expect_whole(when);
      }
      a.reset(), b.reset(), players.reset();
      expect_whole(when);
      first += 2;
    }
  }
};

TEST_F(PendingTrade, no_commit_of_any_kind_writes_half_of_it) {
  using Session = Players::Session;
  const auto nothing = [](Session&, Session&) {};
  auto gap = options(), slow = options(), drops = options();
  gap.min_gap = 40s;
  slow.renew = slow.autosave = 0s;
  drops.save_on_release = false;
  during("polls", options(), nothing);
  during("a renewal in the gap", gap, nothing);
  during("a save", gap, [](Session& one, Session&) { EXPECT_TRUE(one.save()); });
  during("a forced save", slow,
         [](Session& one, Session&) { EXPECT_TRUE(one.save({.force = true})); });
  during("a renewal while the data is being edited", gap, [&](Session& one, Session&) {
    const auto open = one.edit();
    play(30s, *players);
    expect_whole("a guard");
  });
  during("a renewal while a listener edits", gap, [&](Session& one, Session&) {
    std::optional<Session::Edit> open;
    const auto saving = one.on_saving([&](Player&, Reason) {
      if (!open) open.emplace(one.node());
    });
    play(61s, *players);
    expect_whole("a listener's guard");
  });
  during("a release", options(), [](Session& one, Session&) { EXPECT_TRUE(one.release()); });
  during("a release that saves nothing", drops,
         [](Session& one, Session&) { EXPECT_TRUE(one.release()); });
  during("a dropped handle", drops, [](Session& one, Session& two) { one = two; });
  during("the end of the store", gap, [&](Session&, Session&) { players->close_all(10s); });
  during("the end of a store that saves nothing", drops,
         [&](Session&, Session&) { players->close_all(10s); });
  during("an erased partner", options(),
         [&](Session& one, Session&) { EXPECT_TRUE(players->erase(one.key())); });
  during("a request of another server", drops, [&](Session& one, Session&) {
    auto asks = other.begin_load(one.key(), {.conflict = persist::Conflict::request});
    for (int i = 0; i < 3; ++i)
      persist::poll(other, *players);
    expect_whole("the handover");
    EXPECT_TRUE(asks.ready());
  });
  during("a reply that was lost", options(), [&](Session& one, Session&) {
    db.lose_reply();
    (void)one.save();
  });
  during("a rule that one partner breaks", drops, [&](Session& one, Session&) {
    one.edit()->coins = -1;
    (void)one.release();
    play(10s, *players);
    expect_whole("a broken rule");
    one.edit()->coins = 100 + (one.key() % 2 == 1 ? -30 : 30);
  });
}

TEST_F(Transact, users_and_metadata_that_a_failed_function_changed_are_as_before) {
  bool succeeds = false;
  const auto marry = [&](Player&, Player&) {
    EXPECT_TRUE(a.add_user_id(6));
    EXPECT_TRUE(b.set_metadata(persist::Value("married")));
    return succeeds;
  };
  EXPECT_TRUE(players.transact(a, b, marry).is(Errc::refused));
  EXPECT_TRUE(a.user_ids().empty());
  EXPECT_EQ(*b.metadata(), persist::Value());
  EXPECT_FALSE(a.is_dirty() || b.is_dirty());
  succeeds = true;
  ASSERT_EQ(*players.transact(a, b, marry), Transacted::durable);
  EXPECT_EQ(players.peek(1u)->user_ids, std::vector<std::uint64_t>{6});
  EXPECT_EQ(players.peek(2u)->metadata, persist::Value("married"));
}

TEST_F(Transact, what_a_failed_function_sent_is_taken_back_and_what_was_sent_before_stays) {
  ASSERT_TRUE(a.send(5u, Gift{1}));
  EXPECT_FALSE(players.transact(a, b, [&](Player&, Player&) {
    EXPECT_TRUE(a.send(5u, Gift{2}));
    EXPECT_TRUE(b.send(5u, Gift{3}));
    return false;
  }));
  ASSERT_TRUE(players.transact(a, b, [&](Player&, Player&) { EXPECT_TRUE(b.send(5u, Gift{4})); }));
  gives_gifts(players);
  EXPECT_EQ(players.load(5u)->view()->coins, 105);
}

}  // namespace
