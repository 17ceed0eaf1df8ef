#include <persist/store/engine_settle.hpp>

#include <persist/testing/faulty.hpp>

#include <support/world.hpp>

// What the outcome of a commit means for its sessions: the fence, end to end.

namespace {

using namespace test;

struct EngineSettle : World {
  Players a{open("eu-1")};
  Players b{open("eu-2")};
  /// Sends a commit by hand under the session's epoch and owner.
  persist::CommitRequest::Outcome send(Players::Session& session, std::uint64_t write,
                                       std::uint64_t epoch, std::uint64_t other = 0) {
    persist::ReadRequest read;
    read.store = a.core().store();
    read.key = session.id();
    db.read(std::span(&read, 1));
    persist::Buffer bytes(persist::as_bytes("by hand"));
    persist::Change change;
    change.store = read.store;
    change.key = session.id();
    change.fence = {epoch, read.holder.owner, write};
    change.fence.owner.session += other;
    change.data = &bytes;
    persist::CommitRequest commit;
    commit.changes = std::span(&change, 1);
    db.commit(std::span(&commit, 1));
    return commit.outcome;
  }
};
using Outcome = persist::CommitRequest::Outcome;

TEST_F(EngineSettle, epoch_owner_and_write_number_are_all_compared) {
  auto session = *a.load(1u);
  session.edit()->coins = 5;
  ASSERT_TRUE(session.save());
  EXPECT_EQ(send(session, 9, session.epoch() - 1), Outcome::fenced);
  EXPECT_EQ(send(session, 9, session.epoch() + 1), Outcome::fenced);
  EXPECT_EQ(send(session, 9, session.epoch(), 1), Outcome::fenced);
  EXPECT_EQ(send(session, 0, session.epoch()), Outcome::superseded);
  EXPECT_EQ(send(session, 1, session.epoch()), Outcome::repeated);
  EXPECT_EQ(coins(a, 1), 5);
}

TEST_F(EngineSettle, a_write_number_is_never_used_for_other_bytes) {
  auto session = *a.load(1u);
  std::vector<std::uint64_t> seen;
  for (int i = 0; i < 4; ++i) {
    session.edit()->coins = i;
    if (i == 1) db.fail_commits(Errc::unavailable);
    if (i == 2) db.lose_reply();
    (void)session.save();
    const std::uint64_t number = session.node().write;
    EXPECT_TRUE(seen.empty() || number > seen.back());
    seen.push_back(number);
  }
  EXPECT_EQ(coins(a, 1), 3);
}

TEST_F(EngineSettle, a_commit_that_a_later_one_overtook_is_not_taken_for_a_loss) {
  auto session = *a.load(1u);
  session.edit()->coins = 5;
  ASSERT_TRUE(session.save());
  // Something of this very session was applied under a higher number.
  ASSERT_EQ(send(session, session.node().write + 5, session.epoch()), Outcome::applied);
  session.edit()->coins = 6;
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  EXPECT_EQ(session.state(), State::open);
  EXPECT_TRUE(session.is_dirty());
}

TEST_F(EngineSettle, an_older_sessions_late_commit_never_lands) {
  auto old = *a.load(1u);
  old.edit()->coins = 5;
  clock.advance(2min);  // it was paused
  auto newer = *b.load(1u);
  newer.edit()->coins = 6;
  ASSERT_TRUE(newer.release());
  EXPECT_TRUE(old.save().is(Errc::fenced));
  auto third = *b.load(1u);
  EXPECT_EQ(third.view()->coins, 6);
  EXPECT_EQ(old.state(), State::lost);
}

TEST_F(EngineSettle, what_was_edited_behind_a_release_that_landed_is_not_said_to_be_saved) {
  for (const bool edits : {false, true}) {
    auto session = *a.load(1u);
    session.edit()->coins = 5;
    db.lose_reply();
    EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
    if (edits) session.edit()->coins = 6;
    bool saved = edits;
    const auto heard = session.on_released([&](Reason, bool was_saved) { saved = was_saved; });
    auto next = *b.load(1u);
    EXPECT_EQ(next.view()->coins, 5);
    play(5s, a);
    EXPECT_EQ(session.state(), State::lost);
    EXPECT_EQ(saved, !edits);
    ASSERT_TRUE(next.release());
  }
}

TEST_F(EngineSettle, a_release_that_landed_is_no_loss_however_long_the_database_was_away_after_it) {
  auto players = open();
  for (const Errc away : {Errc::unavailable, Errc::io}) {
    auto session = players.load(7);
    session->edit()->coins += 5;
    db.lose_reply();
    EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
    db.fail_commits(away, 10'000);
    bool was_saved = false;
    const auto told = session->on_released([&](Reason, bool saved) { was_saved = saved; });
    play(1h, players);
    EXPECT_EQ(session->state(), State::releasing);
    EXPECT_EQ(session->node().write, 1U) << "under another number it would be refused";
    db.script().commits.clear();
    play(21s, players);
    EXPECT_EQ(session->state(), State::released);
    EXPECT_TRUE(was_saved);
  }
  EXPECT_EQ(players.metrics().lost, 0U);
  EXPECT_EQ(coins(players, 7), 110);
}

TEST_F(EngineSettle, a_trade_that_may_be_stored_is_not_said_to_have_failed) {
  auto players = open();
  auto one = players.load(1);
  auto two = players.load(2);
  db.lose_reply();
  db.fail_commits(Errc::io, 10'000);
  std::vector<Errc> told;
  const auto saved = one->on_saved([&](const persist::Result<persist::Saved>& result) {
    told.push_back(result ? Errc{} : result.error().code());
  });
  const auto traded = players.transact(*one, *two, [](Player& from, Player& to) {
    from.coins -= 3;
    to.coins += 3;
  });
  EXPECT_EQ(traded.value(), persist::Transacted::pending);
  while (told.empty())
    play(20s, players);
  EXPECT_EQ(told.front(), Errc::unknown_outcome);
  db.script().commits.clear();
  play(1min, players);
  EXPECT_EQ(told.back(), Errc{});
  EXPECT_EQ(coins(players, 1), 97);
  EXPECT_EQ(coins(players, 2), 103);
}

TEST_F(EngineSettle, a_release_of_what_was_not_changed_that_landed_is_no_loss) {
  ASSERT_TRUE(a.load(1u)->release());
  auto session = *a.load(1u);
  db.lose_reply();
  EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
  bool saved = false;
  const auto heard = session.on_released([&](Reason, bool was_saved) { saved = was_saved; });
  const auto next = b.load(1u);
  play(5s, a);
  EXPECT_EQ(session.state(), State::lost);
  EXPECT_TRUE(saved);
}

TEST_F(EngineSettle, a_lost_session_can_be_loaded_again_in_the_same_store) {
  auto old = *a.load(1u);
  {
    auto thief = *b.load(1u, {.conflict = persist::Conflict::steal});
    thief.edit()->coins = 6;
    ASSERT_TRUE(thief.release());
  }
  EXPECT_FALSE(old.save({.force = true}));
  auto again = *a.load(1u);
  EXPECT_NE(again, old);
  EXPECT_EQ(again.view()->coins, 6);
  EXPECT_GT(again.epoch(), old.epoch());
}

TEST_F(EngineSettle, a_lease_counts_from_when_its_renewal_was_sent) {
  auto session = *a.load(1u);
  play(20s, a);
  db.script().during_commit = [&] { clock.advance(40s); };  // its reply takes that long
  ASSERT_TRUE(session.save({.force = true}));
  db.fail_commits(Errc::unavailable, 1000);
  play(13s, a);
  EXPECT_EQ(session.state(), State::open);
  play(2s, a);
  EXPECT_EQ(session.state(), State::suspect) << "55 of 60 s after it was sent";
}

TEST_F(EngineSettle, pauses_between_tries_grow_and_differ_among_servers) {
  auto one = *a.load(1u);
  auto two = *b.load(2u);
  one.edit()->coins = 5;
  two.edit()->coins = 5;
  db.fail_commits(Errc::unavailable, 1'000);
  EXPECT_FALSE(one.save());
  EXPECT_FALSE(two.save());
  const auto first = one.node().not_before - clock.now();
  EXPECT_GE(first, 750ms);
  EXPECT_LE(first, 1s);
  EXPECT_NE(one.node().not_before, two.node().not_before);
  play(60s, a);
  EXPECT_LE(one.node().not_before - clock.now(), 20s);
  EXPECT_GT(one.node().failures, 4U);
}

TEST_F(EngineSettle, a_release_of_one_handle_ends_it_for_all_and_counts_once) {
  auto one = *a.load(1u);
  auto two = one;
  ASSERT_TRUE(two.release());
  EXPECT_TRUE(one.release().is(Errc::closed));
  EXPECT_EQ(a.metrics().releases, 1U);
}

// On a full disk a renewal is accepted and a release is not. The renewal of a record that somebody
// asks for renews nothing, so it stayed due, and the two took turns without a pause.
TEST_F(EngineSettle, a_handover_onto_a_full_disk_is_tried_again_after_a_pause) {
  using Line = persist::testing::Faulty<persist::backend::Memory>;
  persist::testing::Stragglers late(clock, persist::testing::Random(1));
  const persist::backend::Memory disk(clock);
  Line line(disk, late), other_line(disk, late);
  persist::Store<std::uint64_t, Save, Line> holder("players", line, options("eu-1"));
  persist::Store<std::uint64_t, Save, Line> other("players", other_line, options("eu-2"));
  auto session = *holder.load(1u);
  session.edit()->coins = 5;
  line.fill(true);
  auto asks = other.begin_load(1u);
  other.poll();
  clock.advance(25s);  // a renewal is due
  holder.poll();
  EXPECT_EQ(session.state(), State::releasing);
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t failed_before = holder.metrics().saves_failed;
    holder.poll();
    EXPECT_GT(holder.poll(), clock.now()) << "it wants to be called again and again";
    EXPECT_LE(holder.metrics().saves_failed, failed_before + 1);
    clock.advance(20s);
  }
  line.fill(false);
  holder.poll();
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(other.peek(1u)->data.coins, 5);
}

}  // namespace
