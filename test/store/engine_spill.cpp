#include <persist/store/engine_spill.hpp>

#include <memory>
#include <string>
#include <utility>

#include "spill_case.hpp"

namespace test {
namespace {

using State = Spilled::State;
struct SpillReplay : SpillCase {};

TEST_F(SpillReplay, what_could_not_be_saved_at_the_end_is_there_after_the_next_start) {
  spill_coins(7, 5);
  ASSERT_EQ(files().size(), 1U);
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), 5) << "before anybody loads it";
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(players.spilled()->empty());
  EXPECT_EQ(players.metrics().spill_sent, 1U);
  auto session = players.load(7);
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->coins, 5);
  EXPECT_EQ(session->load_count(), 1U) << "the first one's";
}

TEST_F(SpillReplay, the_record_is_given_back_by_the_entry) {
  spill_coins(7, 5);
  auto players = open_spilling();
  auto other = open("us-1");
  EXPECT_TRUE(other.try_load(7)) << "no lease is left of the server that stopped";
}

TEST_F(SpillReplay, a_session_that_held_nothing_claims_when_it_is_sent_again) {
  const auto ignore_lock = [&](bool is_overtaken) {
    {
      auto players = open_spilling();
      persist::LoadOptionsFor<Player> how;
      how.lock = persist::LockUse::ignore;
      auto repair = players.load(7, how);
      ASSERT_TRUE(repair) << repair.error();
      repair->edit()->coins = 5;
      if (is_overtaken) {
        auto other = open("us-1");
        auto session = other.load(7);
        session->edit()->coins = 6;
        ASSERT_TRUE(session->release());
      }
      down();
    }
    up();
  };
  ignore_lock(false);
  {
    auto players = open_spilling();
    EXPECT_EQ(coins(players, 7), 5);
  }
  ignore_lock(true);
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), 6) << "somebody wrote since it looked";
  EXPECT_EQ(players.spilled()->size(), 1U) << "it is kept, and told";
}

TEST_F(SpillReplay, nothing_of_an_ephemeral_session_is_spilled) {
  {
    auto players = open_spilling();
    db.fail_acquires(Errc::unavailable, 1000);
    down();
    persist::LoadOptionsFor<Player> how;
    how.if_unavailable = persist::IfUnavailable::ephemeral;
    auto session = players.load(7, how);
    ASSERT_TRUE(session) << session.error();
    ASSERT_TRUE(session->is_ephemeral());
    session->edit()->coins = 5;
  }
  EXPECT_TRUE(files().empty());
  db.script().acquires.clear();
  up();
}

TEST_F(SpillReplay, all_of_a_commit_comes_back_with_it) {
  {
    auto players = open_spilling();
    gives_gifts(players);
    ASSERT_TRUE(players.post(7, Gift{3}));
    auto session = players.load(7);
    ASSERT_TRUE(session) << session.error();
    players.poll();
    EXPECT_EQ(session->view()->coins, 103);
    ASSERT_TRUE(session->grant_once({"receipt-1"}, [](Player& player) { player.coins += 10; }));
    ASSERT_TRUE(session->send(8, Gift{20}));
    ASSERT_TRUE(session->add_user_id(1001));
    ASSERT_TRUE(session->set_metadata(persist::Value("vip")));
    down();
  }
  up();
  auto players = open_spilling();
  gives_gifts(players);
  auto session = players.load(7);
  ASSERT_TRUE(session) << session.error();
  players.poll();
  EXPECT_EQ(session->view()->coins, 113) << "the gift is not handled again";
  const auto again = session->grant_once({"receipt-1"}, [](Player&) {});
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, persist::Grant::durable);
  EXPECT_EQ(session->user_ids(), std::vector<std::uint64_t>{1001});
  EXPECT_EQ(*session->metadata(), persist::Value("vip"));
  auto receiver = players.load(8);
  ASSERT_TRUE(receiver);
  players.poll();
  EXPECT_EQ(receiver->view()->coins, 120) << "the gift that was sent arrived, once";
}

TEST_F(SpillReplay, a_transaction_is_one_entry_and_comes_back_whole) {
  {
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = players.load(2);
    ASSERT_TRUE(a && b);
    down();
    const auto done = players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    ASSERT_TRUE(done);
    EXPECT_EQ(*done, persist::Transacted::pending);
    EXPECT_EQ(players.close_all(10s), 2U);
    EXPECT_EQ(files().size(), 1U);
  }
  up();
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 70);
  EXPECT_EQ(coins(players, 2), 130);
  EXPECT_TRUE(players.try_load(1) && players.try_load(2)) << "neither is leased any more";
}

TEST_F(SpillReplay, a_transaction_one_partner_of_which_was_written_since_is_stored_for_none) {
  {
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = players.load(2);
    ASSERT_TRUE(a && b);
    ASSERT_TRUE(a->save({.force = true}) && b->save({.force = true}));
    down();
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
  }
  up();
  {
    auto other = open("us-1");
    auto b = other.load(2, {.conflict = persist::Conflict::steal});
    ASSERT_TRUE(b) << b.error();
    ASSERT_TRUE(b->release());
  }
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 100);
  EXPECT_EQ(coins(players, 2), 100);
  const Spilled kept = only(players);
  EXPECT_EQ(kept.state, State::refused);
  EXPECT_EQ(kept.keys, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(kept.why.key(), "2");
}

TEST_F(SpillReplay, a_transaction_over_two_stores_comes_back_in_both) {
  const auto options_of = [&] { return spilling(); };
  {
    Players guilds("guilds", db, options_of());
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = guilds.load(2);
    ASSERT_TRUE(a && b);
    down();
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    EXPECT_EQ(players.close_all(10s), 1U);
    EXPECT_EQ(b->state(), persist::State::lost) << "it goes with its partner";
    EXPECT_EQ(guilds.close_all(10s), 0U);
    EXPECT_EQ(files().size(), 1U);
  }
  up();
  Players players("players", db, options_of());
  Players guilds("guilds", db, options_of());
  EXPECT_EQ(coins(players, 1), 70);
  EXPECT_EQ(coins(guilds, 2), 130);
}

TEST_F(SpillReplay, who_wrote_since_wins_and_the_entry_is_kept_and_told) {
  spill_coins(7, 5);
  {
    auto other = open("us-1");
    auto session = other.load(7, {.conflict = persist::Conflict::steal});
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = 200;
    ASSERT_TRUE(session->release());
  }
  for (int start = 0; start < 2; ++start) {
    auto players = open_spilling();
    EXPECT_EQ(coins(players, 7), 200);
    const Spilled kept = only(players);
    EXPECT_EQ(kept.state, State::refused);
    EXPECT_EQ(kept.keys, std::vector<std::string>{"7"});
    EXPECT_EQ(kept.why, Errc::fenced);
    EXPECT_EQ(files(), std::vector<std::string>{kept.file});
    EXPECT_TRUE(kept.file.ends_with(".refused"));
    EXPECT_TRUE(logged("(7): refused"));
    EXPECT_EQ(players.metrics().spill_refused, start == 0 ? 1U : 0U);
    EXPECT_TRUE(players.try_load(7)) << "nobody waits for it";
    lines.clear();
  }
}

TEST_F(SpillReplay, an_entry_of_a_record_that_was_erased_since_is_deleted_and_told) {
  spill_coins(7, 5);
  {
    auto other = open("us-1");
    ASSERT_TRUE(other.erase(7));
  }
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), -1);
  EXPECT_EQ(only(players).state, State::erased);
  EXPECT_TRUE(logged("erased"));
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillReplay, an_entry_that_is_there_twice_or_comes_back_changes_nothing) {
  spill_coins(7, 5);
  const std::string file = files().front();
  const std::string entry = bytes_of(file);
  std::string second = file;
  second[second.size() - 7] = '2';
  write(second, entry);
  {
    auto players = open_spilling();
    EXPECT_EQ(players.metrics().spill_sent, 2U);
    EXPECT_TRUE(files().empty());
    EXPECT_EQ(players.peek(7)->version, 1U);
    ASSERT_TRUE(players.update(7, [](Player& player) { player.coins = 6; }));
  }
  write(file, entry);
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), 6);
  EXPECT_TRUE(players.spilled()->empty()) << "it had landed";
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillReplay, a_release_whose_outcome_nobody_knows_is_spilled_as_it_was_sent) {
  for (const auto& [landed, after] :
       {std::pair(false, Errc::unknown_outcome), std::pair(true, Errc::unknown_outcome),
        std::pair(false, Errc::io), std::pair(true, Errc::io)}) {
    std::uint64_t version = 0;
    {
      auto players = open_spilling();
      auto session = players.load(7);
      ASSERT_TRUE(session) << session.error();
      session->edit()->coins += 1;
      version = session->version();
      db.script().commits.push_back({Errc::unknown_outcome, landed});
      EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
      down(after);
      players.poll();
    }
    up();
    ASSERT_EQ(files().size(), 1U);
    auto players = open_spilling();
    EXPECT_EQ(players.peek(7)->version, version + 1) << "written once";
    EXPECT_TRUE(players.spilled()->empty());
    EXPECT_TRUE(files().empty());
  }
}

TEST_F(SpillReplay, what_was_edited_behind_a_release_of_unknown_outcome_is_spilled_too) {
  for (const bool landed : {false, true}) {
    {
      auto players = open_spilling();
      auto session = players.load(7);
      ASSERT_TRUE(session) << session.error();
      session->edit()->coins = 5;
      db.script().commits.push_back({Errc::unknown_outcome, landed});
      EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
      session->edit()->coins = 6;
      down(Errc::unknown_outcome);
      EXPECT_EQ(players.close_all(10s), 1U);
      EXPECT_EQ(files(".spill").size(), 2U);
    }
    up();
    auto players = open_spilling();
    if (!landed) {
      EXPECT_EQ(coins(players, 7), 6) << "the record goes back with the second";
      EXPECT_TRUE(players.spilled()->empty());
    } else {  // it had gone back before, and may be anybody's
      EXPECT_EQ(coins(players, 7), 5);
      EXPECT_EQ(only(players).state, State::refused);
      EXPECT_EQ(only(players).why.code(), Errc::fenced);
      EXPECT_EQ(files(".refused").size(), 1U) << "kept for a person";
    }
    EXPECT_TRUE(players.try_load(7));
  }
}

TEST_F(SpillReplay, what_a_rule_refuses_behind_a_release_of_unknown_outcome_is_kept_aside) {
  for (const bool landed : {false, true}) {
    {
      auto players = open_spilling();
      auto session = players.load(7);
      ASSERT_TRUE(session) << session.error();
      session->edit()->coins = 5;
      db.script().commits.push_back({Errc::unknown_outcome, landed});
      EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
      session->edit()->coins = -6;
      down(Errc::unknown_outcome);
      EXPECT_EQ(players.close_all(10s), 1U);
      EXPECT_EQ(players.metrics().quarantined, 1U);
      EXPECT_EQ(files().size(), 2U) << "nothing follows that would say nothing";
    }
    up();
    auto players = open_spilling();
    EXPECT_EQ(coins(players, 7), 5);
    EXPECT_EQ(only(players).state, State::quarantined);
    EXPECT_TRUE(players.try_load(7));
    std::filesystem::remove(folder + "/" + files().front());
  }
}

TEST_F(SpillReplay, what_a_rule_refuses_of_one_partner_keeps_no_edit_of_the_other_out) {
  {
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = players.load(2);
    ASSERT_TRUE(a && b);
    db.script().commits.push_back({Errc::unknown_outcome, false});
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    Errc last_word{};
    auto heard = b->on_saved([&](const persist::Result<persist::Saved>& saved) {
      last_word = saved ? Errc{} : saved.error().code();
    });
    a->edit()->coins += 1;
    b->edit()->coins = -5;
    down(Errc::unknown_outcome);
    EXPECT_EQ(players.close_all(10s), 2U);
    EXPECT_EQ(last_word, Errc::invalid) << "not that it is sent again";
  }
  up();
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 71);
  EXPECT_EQ(coins(players, 2), 130);
  EXPECT_EQ(only(players).state, State::quarantined);
  EXPECT_EQ(only(players).keys, std::vector<std::string>{"2"});
}

TEST_F(SpillReplay, an_edit_that_is_under_way_behind_an_unknown_release_is_not_lost_unsaid) {
  auto players = open_spilling();
  auto session = players.load(7);
  ASSERT_TRUE(session) << session.error();
  session->edit()->coins = 5;
  db.script().commits.push_back({Errc::unknown_outcome, false});
  EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
  session->edit()->coins = 6;
  const auto guard = session->edit();
  down(Errc::unknown_outcome);
  EXPECT_EQ(players.close_all(10s), 1U);
  EXPECT_TRUE(logged("what was edited behind that commit is not saved"));
}

TEST_F(SpillReplay, of_an_erased_record_what_was_edited_behind_goes_too) {
  {
    auto players = open_spilling();
    auto session = players.load(7);
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = 5;
    db.script().commits.push_back({Errc::unknown_outcome, false});
    EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
    session->edit()->coins = 6;
    down(Errc::unknown_outcome);
    EXPECT_EQ(players.close_all(10s), 1U);
  }
  up();
  ASSERT_EQ(files().size(), 2U);
  ASSERT_TRUE(open("us-1").erase(7));
  auto players = open_spilling();
  EXPECT_TRUE(files().empty()) << "nothing of it stays, also not for a person";
  const auto all = players.spilled();
  ASSERT_TRUE(all);
  for (const Spilled& each : *all)
    EXPECT_EQ(each.state, State::erased);
}

TEST_F(SpillReplay, one_that_had_landed_before_somebody_wrote_is_no_loss) {
  {
    auto players = open_spilling();
    auto session = players.load(7);
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = 5;
    db.lose_reply();
    EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
    down(Errc::unknown_outcome);
  }
  up();
  {
    auto other = open("us-1");
    auto session = other.load(7);
    ASSERT_TRUE(session) << session.error();
    EXPECT_EQ(session->view()->coins, 5);
    session->edit()->coins = 6;
    ASSERT_TRUE(session->release());
  }
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), 6);
  EXPECT_TRUE(players.spilled()->empty());
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillReplay, what_was_edited_behind_a_transaction_of_unknown_outcome_comes_after_it) {
  for (const bool landed : {false, true}) {
    {
      auto players = open_spilling();
      auto a = players.load(1);
      auto b = players.load(2);
      ASSERT_TRUE(a && b);
      a->edit()->coins = 100, b->edit()->coins = 100;
      ASSERT_TRUE(a->save() && b->save());
      std::vector<std::string> heard;  // each save that begins ends
      auto began = a->on_saving([&](Player&, Reason) { heard.emplace_back("saving"); });
      auto ended = a->on_saved([&](const persist::Result<persist::Saved>& saved) {
        heard.emplace_back(saved ? "saved" : name(saved.error().code()));
      });
      db.script().commits.push_back({Errc::unknown_outcome, landed});
      (void)players.transact(*a, *b, [](Player& from, Player& to) {
        from.coins -= 30, to.coins += 30;
        return persist::Result<void>(persist::success);
      });
      a->edit()->coins += 1;
      down(Errc::unknown_outcome);
      EXPECT_EQ(players.close_all(10s), 2U);
      EXPECT_EQ(files().size(), 2U);
      EXPECT_EQ(heard,
                (std::vector<std::string>{"saving", "unknown_outcome", "saving", "unavailable"}));
    }
    up();
    auto players = open_spilling();
    EXPECT_EQ(coins(players, 1), 71);
    EXPECT_EQ(coins(players, 2), 130);
    EXPECT_TRUE(players.spilled()->empty());
    EXPECT_TRUE(players.try_load(1) && players.try_load(2));
  }
}

TEST_F(SpillReplay, nobody_waits_for_the_lease_of_a_transaction_that_is_sent_again) {
  {
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = players.load(2);
    ASSERT_TRUE(a && b);
    db.script().commits.push_back({Errc::unknown_outcome, false});
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    down(Errc::unknown_outcome);
    EXPECT_EQ(players.close_all(10s), 2U);
    EXPECT_EQ(files().size(), 1U);
  }
  up();
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 70);
  EXPECT_TRUE(players.try_load(1) && players.try_load(2));
}

TEST_F(SpillReplay, what_only_a_partner_in_another_store_has_behind_it_is_sent_too) {
  {
    Players guilds("guilds", db, spilling());
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = guilds.load(2);
    ASSERT_TRUE(a && b);
    db.fail_commits(Errc::unavailable);
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    db.fail_commits(Errc::unknown_outcome);
    EXPECT_TRUE(a->release().is(Errc::unknown_outcome));
    b->edit()->coins += 1;
    down();
    EXPECT_EQ(players.close_all(10s), 1U);
    EXPECT_EQ(files().size(), 2U);
  }
  up();
  Players guilds("guilds", db, spilling());
  auto players = open_spilling();
  EXPECT_TRUE(players.spilled()->empty());
  EXPECT_EQ(coins(players, 1), 70);
  EXPECT_EQ(coins(guilds, 2), 131);
}

/// A trade whose one partner leaves, with an unknown outcome, while the other plays on.
struct SpillFollows : SpillCase {
  void SetUp() override {
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = players.load(2);
    ASSERT_TRUE(a && b);
    ASSERT_TRUE(a->save({.force = true}) && b->save({.force = true}));
    db.fail_commits(Errc::unavailable);
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    db.fail_commits(Errc::unknown_outcome);
    EXPECT_TRUE(b->release().is(Errc::unknown_outcome));
    a->edit()->coins += 1;
    down();
    EXPECT_EQ(players.close_all(10s), 2U);
    EXPECT_EQ(files().size(), 2U);
    up();
  }
};

TEST_F(SpillFollows, what_was_edited_behind_it_is_not_sent_before_it) {
  db.fail_commits(Errc::unavailable);
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 100);
  play(2s, players);
  EXPECT_EQ(coins(players, 1), 71);
  EXPECT_EQ(coins(players, 2), 130);
  EXPECT_TRUE(players.spilled()->empty());
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(players.try_load(1) && players.try_load(2));
}

TEST_F(SpillFollows, where_the_one_is_refused_so_is_the_other) {
  {
    auto other = open("us-1");
    auto b = other.load(2, {.conflict = persist::Conflict::steal});
    ASSERT_TRUE(b) << b.error();
    ASSERT_TRUE(b->release());
  }
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 100) << "half of a trade is none";
  const auto all = players.spilled();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2U);
  for (const Spilled& each : *all)
    EXPECT_EQ(each.state, State::refused);
  EXPECT_EQ(files(".refused").size(), 2U);
}

TEST_F(SpillFollows, also_at_a_later_start) {
  const auto both = files();
  std::string refused = both[0];
  refused.replace(refused.size() - 6, 6, ".refused");
  std::filesystem::rename(folder + "/" + both[0], folder + "/" + refused);
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 100);
  EXPECT_EQ(players.spilled()->size(), 2U);
  EXPECT_EQ(files(".refused").size(), 2U);
}

TEST_F(SpillReplay, while_the_database_is_down_only_its_own_records_wait) {
  spill_coins(7, 5);
  down();
  auto players = open_spilling();
  Spilled waits = only(players);
  EXPECT_EQ(waits.state, State::waits);
  EXPECT_EQ(waits.why, Errc::unavailable);
  const auto at_once = players.try_load(7);
  ASSERT_TRUE(at_once.is(Errc::unavailable));
  EXPECT_NE(at_once.error().message().find("spilled"), std::string::npos) << at_once.error();
  EXPECT_TRUE(players.update(7, [](Player&) {}).is(Errc::unavailable));
  const auto begun = clock.now();
  EXPECT_TRUE(players.load(7).is(Errc::unavailable));
  EXPECT_EQ(clock.now() - begun, 10s) << "it waited as long as a load does";
  EXPECT_TRUE(players.load(8)) << "the others go on";
  up();
  auto session = players.load(7);
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->coins, 5);
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillReplay, a_load_that_was_begun_goes_on_as_soon_as_the_entry_is_sent) {
  spill_coins(7, 5);
  down();
  auto players = open_spilling();
  auto loading = players.begin_load(7);
  play(30s, players);
  EXPECT_FALSE(loading.ready());
  EXPECT_EQ(db.script().acquire_requests, 1U) << "only the first server's";
  up();
  play(20s, players);
  ASSERT_TRUE(loading.ready());
  auto session = loading.take();
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->coins, 5);
}

TEST_F(SpillReplay, after_an_hour_without_a_database_the_entry_is_still_sent) {
  spill_coins(7, 5);
  down();
  auto players = open_spilling();
  play(1h, players);
  EXPECT_EQ(only(players).state, State::waits);
  EXPECT_LT(db.script().commit_requests, 250U) << "with pauses that grow";
  up();
  play(21s, players);
  EXPECT_EQ(coins(players, 7), 5);
  EXPECT_TRUE(players.spilled()->empty());
}

TEST_F(SpillReplay, a_store_knows_when_an_entry_is_due) {
  spill_coins(7, 5);
  down();
  auto told = spilling();
  told.relay = 0s;
  Players players("players", db, told);
  EXPECT_EQ(players.next_deadline(), clock.now() + 1s);
}

TEST_F(SpillReplay, an_entry_of_another_database_is_kept_and_told) {
  spill_coins(7, 5);
  const auto before = bytes_of(files().front());
  Db another{persist::backend::Memory(clock)};
  Players players("players", another, spilling());
  EXPECT_EQ(only(players).state, State::foreign);
  EXPECT_EQ(only(players).keys, std::vector<std::string>{"7"});
  EXPECT_TRUE(logged("another database"));
  EXPECT_EQ(bytes_of(files().front()), before);
  EXPECT_TRUE(players.load(7)) << "and holds nobody up";
}

TEST_F(SpillReplay, a_damaged_entry_is_left_as_it_is_and_holds_up_no_other) {
  spill_coins(7, 5);
  spill_coins(8, 6);
  ASSERT_EQ(files().size(), 1U) << "the second start had sent the first";
  const std::string file = files().front();
  std::string damaged = bytes_of(file);
  damaged[damaged.size() / 2] ^= 1;
  std::string name = file;
  name[name.size() - 7] = '9';
  write(name, damaged);
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 8), 6);
  EXPECT_EQ(only(players).state, State::unreadable);
  EXPECT_EQ(only(players).why, Errc::corrupt);
  EXPECT_TRUE(logged("damaged"));
  EXPECT_EQ(files(), std::vector<std::string>{name});
  EXPECT_EQ(bytes_of(name), damaged);
}

TEST_F(SpillReplay, an_entry_that_follows_itself_is_kept_and_holds_nobody_up) {
  spill_coins(7, 5);
  const std::string file = files().front();
  auto entry = persist::spill::read_entry(persist::detail::os::Files(), folder + "/" + file);
  ASSERT_TRUE(entry) << entry.error();
  entry->follows = persist::spill::FileName::read(file)->number;
  persist::Buffer bytes;
  ASSERT_TRUE(persist::spill::encode(*entry, bytes));
  write(file, std::string(persist::as_text(bytes)));
  auto players = open_spilling();
  EXPECT_EQ(only(players).state, State::unreadable);
  EXPECT_EQ(only(players).why, Errc::corrupt);
  EXPECT_EQ(files(), std::vector<std::string>{file});
  clock.advance(2min);  // the lease of who wrote it
  EXPECT_TRUE(players.load(7));
}

TEST_F(SpillReplay, an_entry_that_the_database_will_not_have_is_kept_and_holds_nobody_up) {
  spill_coins(7, 5);
  db.fail_commits(Errc::too_large);
  auto players = open_spilling();
  EXPECT_EQ(only(players).state, State::refused);
  EXPECT_EQ(only(players).why, Errc::too_large);
  clock.advance(1min);
  EXPECT_TRUE(players.load(7)) << "the lease, which it was to give back, has run out";
}

TEST_F(SpillReplay, many_entries_go_in_few_batches) {
  {
    auto players = open_spilling();
    std::vector<Players::Session> sessions;
    for (std::uint64_t key = 0; key < 200; ++key) {
      auto session = players.load(key);
      ASSERT_TRUE(session);
      session->edit()->coins = static_cast<std::int64_t>(key);
      sessions.push_back(*std::move(session));
    }
    db.fail_commits(Errc::unavailable, 10'000);
    EXPECT_EQ(players.close_all(1s), 200U);
  }
  up();
  const auto before = db.script().commit_batches;
  auto players = open_spilling();
  EXPECT_EQ(db.script().commit_batches - before, 4U);
  for (std::uint64_t key = 0; key < 200; ++key)
    EXPECT_EQ(coins(players, key), static_cast<std::int64_t>(key));
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillReplay, more_entries_than_go_at_once_wait_for_a_database_that_is_down) {
  {
    auto players = open_spilling();
    std::vector<Players::Session> sessions;
    for (std::uint64_t key = 0; key < 65; ++key) {
      auto session = players.load(key);
      ASSERT_TRUE(session);
      session->edit()->coins = static_cast<std::int64_t>(key);
      sessions.push_back(*std::move(session));
    }
    db.fail_commits(Errc::unavailable, 10'000);
    EXPECT_EQ(players.close_all(1s), 65U);
  }
  up();
  db.fail_commits(Errc::unavailable, 1'000);
  const auto before = db.script().commit_batches;
  auto players = open_spilling();
  EXPECT_EQ(players.spilled()->size(), 65U);
  EXPECT_LE(db.script().commit_batches - before, 2U);
  EXPECT_GT(players.poll(), clock.now());
  up();
  clock.advance(1min);
  players.poll();
  EXPECT_TRUE(players.spilled()->empty());
}

struct SpillAtTheEnd : SpillCase {};

TEST_F(SpillAtTheEnd, the_database_has_four_fifths_of_the_time) {
  auto players = open_spilling();
  auto session = players.load(7);
  ASSERT_TRUE(session);
  session->edit()->coins = 5;
  down();
  const auto begun = clock.now();
  persist::TimePoint spilled{};
  const auto told = players.on_saved([&](auto&, const persist::Result<persist::Saved>& saved) {
    if (!saved && saved.error().message().find("spilled") != std::string::npos)
      spilled = clock.now();
  });
  EXPECT_EQ(players.close_all(10s), 1U);
  EXPECT_EQ(spilled - begun, 8s);
  EXPECT_EQ(session->state(), persist::State::lost);
  EXPECT_FALSE(session->node().was_saved);
}

TEST_F(SpillAtTheEnd, what_is_saved_in_time_is_not_spilled) {
  auto players = open_spilling();
  auto session = players.load(7);
  ASSERT_TRUE(session);
  session->edit()->coins = 5;
  db.fail_commits(Errc::unavailable, 3);
  EXPECT_EQ(players.close_all(10s), 0U);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(coins(players, 7), 5);
}

TEST_F(SpillAtTheEnd, a_database_that_comes_back_in_the_last_fifth_still_gets_it) {
  auto players = open_spilling();
  auto session = players.load(7);
  ASSERT_TRUE(session);
  session->edit()->coins = 5;
  down();
  const auto told = players.on_saved([&](auto&, const persist::Result<persist::Saved>& saved) {
    if (!saved && saved.error().message().find("spilled") != std::string::npos) up();
  });
  auto other = players.load(8);
  auto guard = other->edit();
  players.close_all(10s);
  play(2s, players);
  EXPECT_EQ(coins(players, 7), 5);
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillAtTheEnd, a_store_that_goes_on_waits_for_its_own_entries) {
  auto players = open_spilling();
  auto session = players.load(7);
  ASSERT_TRUE(session);
  session->edit()->coins = 5;
  down();
  EXPECT_EQ(players.close_all(10s), 1U);
  EXPECT_TRUE(players.try_load(7).is(Errc::unavailable));
  up();
  auto again = players.load(7);
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->view()->coins, 5);
}

TEST_F(SpillAtTheEnd, nothing_is_spilled_of_what_has_nothing_to_save) {
  {
    auto players = open_spilling();
    auto saved = players.load(8);
    saved->edit()->coins = 5;
    ASSERT_TRUE(saved->save());
    down();
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillAtTheEnd, half_an_edit_is_not_spilled_and_its_loss_is_told) {
  auto players = std::make_unique<Players>("players", db, spilling());
  auto session = players->load(7);
  auto guard = session->edit();
  guard->coins = 5;
  EXPECT_EQ(players->close_all(10s), 1U);
  players.reset();
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(logged("error: 7: the store was closed before its last changes were saved"));
}

TEST_F(SpillAtTheEnd, what_a_caller_was_told_has_failed_is_not_spilled) {
  {
    auto players = open_spilling();
    ASSERT_TRUE(players.load(7)->save({.force = true}));
    players.close_all(10s);
    down();
    EXPECT_TRUE(players.update(7, [](Player& player) { player.coins = 5; }).is(Errc::unavailable));
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillAtTheEnd, a_game_that_wants_no_save_on_release_gets_none) {
  {
    auto told = spilling();
    told.save_on_release = false;
    Players players("players", db, told);
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillAtTheEnd, without_a_folder_all_is_as_before) {
  {
    auto players = open();
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
    EXPECT_EQ(players.close_all(10s), 1U);
    EXPECT_EQ(session->state(), persist::State::releasing);
    EXPECT_TRUE(players.spilled()->empty());
  }
  EXPECT_TRUE(logged("error: 7: the store was closed before its last changes were saved"));
}

struct SpillFolder : SpillCase {};

TEST_F(SpillFolder, one_that_cannot_be_used_is_told_at_the_start_and_the_loss_at_the_end) {
  std::ofstream(root + "/spill") << "a file is in the way";
  {
    auto players = open_spilling();
    EXPECT_TRUE(players.status()) << "the game plays on";
    EXPECT_TRUE(logged("error: the spill folder cannot be used"));
    EXPECT_TRUE(players.spilled().is(Errc::io));
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
    EXPECT_EQ(players.close_all(10s), 1U);
  }
  EXPECT_TRUE(logged("nothing can be spilled"));
  EXPECT_TRUE(logged("error: 7: the store was closed before its last changes were saved"));
}

TEST_F(SpillFolder, one_that_was_mended_meanwhile_is_used) {
  std::ofstream(root + "/spill") << "a file is in the way";
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
    std::filesystem::remove(root + "/spill");
  }
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(SpillFolder, one_that_is_gone_at_the_end_loses_nothing_unsaid) {
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
    std::filesystem::remove_all(folder);
    EXPECT_EQ(players.close_all(10s), 1U);
    EXPECT_EQ(session->state(), persist::State::releasing) << "it was not ended, and is tried on";
  }
  EXPECT_TRUE(logged("error: 7: could not be spilled: io"));
  EXPECT_TRUE(logged("error: 7: the store was closed before its last changes were saved"));
}

TEST_F(SpillFolder, another_store_of_the_same_name_is_told_that_it_cannot_share) {
  auto players = open_spilling();
  auto second = open_spilling("us-1");
  EXPECT_TRUE(second.spilled().is(Errc::locked));
  EXPECT_TRUE(logged("give each server a folder of its own"));
}

TEST_F(SpillFolder, one_that_another_process_had_is_used_when_that_has_ended) {
  auto first = std::make_unique<Players>("players", db, spilling());
  auto second = open_spilling("us-1");
  auto session = first->load(7);
  session->edit()->coins = 5;
  down();
  first.reset();
  up();
  EXPECT_EQ(files().size(), 1U);
  play(21s, second);
  EXPECT_TRUE(second.spilled());
  EXPECT_EQ(coins(second, 7), 5);
  EXPECT_TRUE(files().empty());
}

TEST_F(SpillFolder, a_file_that_somebody_took_away_holds_nobody_up) {
  spill_coins(7, 5);
  down();
  auto players = open_spilling();
  std::filesystem::remove(folder + "/" + files().front());
  up();
  clock.advance(1min);  // the lease that it was to give back has run out
  EXPECT_TRUE(players.load(7));
  EXPECT_TRUE(players.spilled()->empty());
  EXPECT_TRUE(logged("took its file away"));
}

TEST_F(SpillFolder, one_that_cannot_be_used_is_no_matter_where_all_was_saved) {
  std::ofstream(root + "/spill") << "a file is in the way";
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = 5;
    lines.clear();
  }
  EXPECT_TRUE(lines.empty()) << lines.front();
}

struct Quarantine : SpillCase {};

TEST_F(Quarantine, what_validate_refuses_at_release_is_kept_aside) {
  std::string file;
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = -5;
    EXPECT_TRUE(session->save().is(Errc::invalid));
    EXPECT_TRUE(files().empty()) << "play goes on";
    EXPECT_TRUE(session->release().is(Errc::invalid));
    const Spilled kept = only(players);
    EXPECT_EQ(kept.state, State::quarantined);
    EXPECT_EQ(kept.why, Errc::invalid);
    EXPECT_TRUE(logged("coins below zero"));
    EXPECT_EQ(players.metrics().quarantined, 1U);
    file = kept.file;
    EXPECT_EQ(files(), std::vector<std::string>{file});
  }
  auto players = open_spilling();
  EXPECT_EQ(only(players).state, State::quarantined);
  EXPECT_EQ(files(), std::vector<std::string>{file}) << "it is never sent by itself";
  EXPECT_EQ(coins(players, 7), -1);
  EXPECT_TRUE(players.load(7)) << "and holds nobody up";
  const auto entry = persist::spill::decode(persist::as_bytes(bytes_of(file)));
  ASSERT_TRUE(entry) << entry.error();
  EXPECT_EQ(entry->kind, persist::spill::Kind::quarantined);
  EXPECT_NE(entry->why.find("coins below zero"), std::string::npos);
  EXPECT_GT(entry->data_bytes(), 0U);
}

TEST_F(Quarantine, a_trade_whose_one_partner_is_refused_is_kept_aside_whole) {
  std::vector<Errc> heard;
  {
    Players guilds("guilds", db, spilling());
    auto players = open_spilling();
    auto a = players.load(1);
    auto b = players.load(2);
    auto c = guilds.load(3);
    ASSERT_TRUE(a && b && c);
    auto connection = players.on_released([&](auto& session, Reason, bool was_saved) {
      heard.push_back(session.state() == persist::State::lost && !was_saved ? Errc::invalid
                                                                            : Errc{});
    });
    down();
    (void)players.transact(*a, *b, *c, [](Player& from, Player& to, Player& guild) {
      from.coins -= 30, to.coins += 20, guild.coins += 10;
      return persist::Result<void>(persist::success);
    });
    b->edit()->coins = -5;
    EXPECT_EQ(players.close_all(10s), 2U);
    EXPECT_EQ(players.metrics().quarantined, 1U);
    EXPECT_EQ(a->state(), persist::State::lost);
    EXPECT_EQ(b->state(), persist::State::lost);
    EXPECT_EQ(c->state(), persist::State::lost);
    EXPECT_EQ(files().size(), 1U);
  }
  up();
  EXPECT_EQ(heard, (std::vector<Errc>{Errc::invalid, Errc::invalid}));
  ASSERT_EQ(files().size(), 1U);
  const auto entry = persist::spill::decode(persist::as_bytes(bytes_of(files().front())));
  ASSERT_TRUE(entry) << entry.error();
  EXPECT_EQ(entry->kind, persist::spill::Kind::quarantined);
  ASSERT_EQ(entry->parts.size(), 3U);
  for (const auto& part : entry->parts)
    EXPECT_TRUE(part.data) << part.key;
  auto players = open_spilling();
  EXPECT_EQ(only(players).state, State::quarantined);
  EXPECT_EQ(only(players).keys, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(coins(players, 1), -1) << "nothing of it is stored";
}

TEST_F(Quarantine, a_record_that_is_too_large_is_kept_aside_too) {
  auto told = spilling();
  told.record_limit = 200;
  Players players("players", db, told);
  auto session = players.load(7);
  session->edit()->name.assign(1000, 'x');
  EXPECT_TRUE(session->release().is(Errc::too_large));
  EXPECT_EQ(only(players).state, State::quarantined);
}

TEST_F(Quarantine, where_the_database_is_down_too_it_is_kept_once_when_the_store_closes) {
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = -5;
    down();
    EXPECT_TRUE(session->release().is(Errc::unavailable));
    EXPECT_TRUE(files().empty());
  }
  up();
  ASSERT_EQ(files().size(), 1U);
  auto players = open_spilling();
  EXPECT_EQ(only(players).state, State::quarantined);
}

TEST_F(Quarantine, where_nobody_knows_whether_the_release_arrived_it_is_kept_all_the_same) {
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = -5;
    down(Errc::unknown_outcome);
    EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
  }
  up();
  auto players = open_spilling();
  EXPECT_EQ(only(players).state, State::quarantined);
  EXPECT_TRUE(players.try_load(7)) << "the release came after all";
}

TEST_F(Quarantine, all_that_was_to_be_saved_with_it_is_kept_too) {
  auto players = open_spilling();
  gives_gifts(players);
  ASSERT_TRUE(players.post(7, Gift{3}));
  auto session = players.load(7);
  players.poll();
  ASSERT_TRUE(session->grant_once({"receipt-1"}, [](Player& player) { player.coins += 10; }));
  ASSERT_TRUE(session->send(8, Gift{20}));
  ASSERT_TRUE(session->add_user_id(1001));
  session->edit()->coins = -5;
  EXPECT_TRUE(session->release().is(Errc::invalid));
  const auto entry = persist::spill::decode(persist::as_bytes(bytes_of(only(players).file)));
  ASSERT_TRUE(entry) << entry.error();
  const persist::spill::Part& part = entry->parts[0];
  EXPECT_EQ(part.acknowledged.size(), 1U);
  EXPECT_EQ(part.receipts.size(), 1U);
  ASSERT_EQ(part.sends.size(), 1U);
  EXPECT_EQ(part.sends[0].key, "8");
  EXPECT_EQ(*part.user_ids, std::vector<std::uint64_t>{1001});
}

TEST_F(Quarantine, with_a_folder_that_cannot_be_used_it_is_a_loss_that_is_told) {
  std::ofstream(root + "/spill") << "a file is in the way";
  auto players = open_spilling();
  auto session = players.load(7);
  session->edit()->coins = -5;
  EXPECT_TRUE(session->release().is(Errc::invalid));
  EXPECT_TRUE(logged("error: 7: its last changes were refused, and could not be kept aside: io"));
}

TEST_F(Quarantine, without_a_folder_the_result_is_the_same_and_nothing_is_kept) {
  auto players = open();
  auto session = players.load(7);
  session->edit()->coins = -5;
  EXPECT_TRUE(session->release().is(Errc::invalid));
  EXPECT_TRUE(players.spilled()->empty());
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(Quarantine, a_folder_that_cannot_be_written_makes_it_a_loss_that_is_told) {
  auto players = open_spilling();
  auto session = players.load(7);
  session->edit()->coins = -5;
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(session->release().is(Errc::invalid));
  EXPECT_TRUE(logged("error: 7: its last changes were refused, and could not be kept aside"));
}

}  // namespace
}  // namespace test
