#include <persist/host/leases.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

namespace {

using namespace test;

struct HostLeasesCase : HostedWorld {
  /// The game does not poll for so long; the Host's own threads go on.
  void stall(persist::Duration time) {
    for (const auto end = clock.now() + time; clock.now() < end;) {
      clock.advance(1s);
      host.run_timer();
      while (host.run_lane()) {
      }
    }
  }
  std::size_t tickets() {
    return static_cast<persist::HostSeat*>(players.core().driver())->group.leases().size();
  }
  bool held_by_us(std::uint64_t key) {
    auto found = tool.inspect(key);
    return found && found->held && found->holder.server == "eu-1";
  }
};

TEST_F(HostLeasesCase, a_lease_is_renewed_while_the_game_does_not_poll) {
  auto session = load(1);
  stall(200s);
  EXPECT_TRUE(held_by_us(1));
  EXPECT_GE(host.metrics().stall_renewals, 4U);
  session.edit()->coins = 8;
  auto saved = host.save(session);
  settle();
  EXPECT_TRUE(saved.get()) << "a write number was used twice";
  EXPECT_EQ(durable(1), 8);
  EXPECT_EQ(session.state(), State::open);
}

TEST_F(HostLeasesCase, after_five_minutes_without_a_poll_others_may_take_over) {
  auto session = load(1);
  stall(290s);
  EXPECT_TRUE(held_by_us(1));
  stall(90s);
  EXPECT_FALSE(held_by_us(1));
  const auto renewals = host.metrics().stall_renewals;
  session.edit()->coins = 9;
  settle();
  EXPECT_EQ(session.state(), State::open) << "expiry alone ends no session";
  stall(100s);
  EXPECT_GT(host.metrics().stall_renewals, renewals) << "after a poll it goes on";
}

TEST_F(HostLeasesCase, while_the_game_polls_the_timer_renews_nothing) {
  auto session = load(1);
  for (int second = 0; second < 120; ++second) {
    clock.advance(1s);
    host.run_timer();
    settle();
  }
  EXPECT_EQ(host.metrics().stall_renewals, 0U);
  EXPECT_TRUE(held_by_us(1));
}

TEST_F(HostLeasesCase, what_was_renewed_meanwhile_is_not_due_at_the_next_poll_nor_in_doubt) {
  auto session = load(1);
  stall(100s);
  std::vector<State> states;
  const auto told = session.on_state_changed([&](State, State to) { states.push_back(to); });
  db.script() = {};
  host.poll();
  while (host.run_lane()) {
  }
  EXPECT_EQ(db.script().commit_batches, 0U) << "it was renewed a moment ago";
  EXPECT_TRUE(states.empty()) << "the lease was in doubt";
}

TEST_F(HostLeasesCase, a_hidden_session_hears_too_that_it_was_renewed) {
  auto slot = players.slot(1u, {.hidden = true});
  auto loading = slot.begin_open();
  settle();
  auto session = loading.take();
  ASSERT_TRUE(session);
  stall(100s);
  std::vector<State> states;
  const auto told = session->on_state_changed([&](State, State to) { states.push_back(to); });
  db.script() = {};
  host.poll();
  while (host.run_lane()) {
  }
  EXPECT_EQ(db.script().commit_batches, 0U) << "it was renewed a moment ago";
  EXPECT_TRUE(states.empty()) << "the lease was in doubt";
}

TEST_F(HostLeasesCase, a_save_that_is_out_when_the_game_stalls_hands_its_lease_on) {
  auto session = load(1);
  session.edit()->coins = 5;
  auto saved = host.save(session);
  host.poll();
  stall(200s);
  EXPECT_TRUE(held_by_us(1));
  settle();
  EXPECT_TRUE(saved.get());
  session.edit()->coins = 6;
  auto again = host.save(session);
  settle();
  EXPECT_TRUE(again.get());
  EXPECT_EQ(durable(1), 6);
}

TEST_F(HostLeasesCase, a_record_that_was_loaded_and_not_yet_answered_is_kept_too) {
  auto loading = host.load(players, 1u);
  host.poll();
  stall(200s);
  EXPECT_TRUE(held_by_us(1));
  settle();
  auto session = loading.get();
  ASSERT_TRUE(session);
  session->edit()->coins = 6;
  auto saved = host.save(*session);
  settle();
  EXPECT_TRUE(saved.get());
}

TEST_F(HostLeasesCase, a_load_that_nobody_wants_any_more_leaves_no_lease_behind) {
  auto loading = host.load(players, 1u);
  host.poll();
  host.run_lane();
  loading.cancel();
  settle();
  settle();
  EXPECT_TRUE(loading.get().is(Errc::cancelled));
  EXPECT_FALSE(tool.inspect(1u)->held);
  EXPECT_EQ(players.open_sessions(), 0U);
  stall(100s);
  EXPECT_EQ(host.metrics().stall_renewals, 0U) << "a lease of nobody was renewed";
}

TEST_F(HostLeasesCase, a_session_that_has_ended_is_not_renewed) {
  auto session = load(1);
  auto released = host.release(session);
  settle();
  EXPECT_TRUE(released.get());
  auto erased = load(2);
  EXPECT_EQ(tickets(), 1U);
  auto gone = host.erase(players, 2u);
  settle();
  EXPECT_TRUE(gone.ready());
  EXPECT_EQ(tickets(), 0U);
  stall(100s);
  EXPECT_EQ(host.metrics().stall_renewals, 0U);
}

TEST_F(HostLeasesCase, a_release_whose_outcome_is_unknown_goes_again_before_any_renewal) {
  auto session = load(1);
  session.edit()->coins = 7;
  db.lose_reply();
  auto released = host.release(session, Reason::asked, {.deadline = 5min});
  host.poll();
  stall(40s);
  EXPECT_EQ(host.metrics().stall_renewals, 0U) << "the release could not go again as it was";
  settle();
  clock.advance(5s);
  settle();
  ASSERT_TRUE(released.ready());
  const auto landed = released.get();
  EXPECT_TRUE(landed) << landed.error();
  EXPECT_EQ(durable(1), 7);
}

TEST_F(HostLeasesCase, a_renewal_that_is_refused_because_somebody_newer_has_the_record_stops) {
  auto session = load(1);
  auto thief = tool.load(1u, {.conflict = persist::Conflict::steal});
  ASSERT_TRUE(thief);
  db.script() = {};
  stall(100s);
  EXPECT_EQ(db.script().commit_requests, 1U) << "it was tried again in vain";
  EXPECT_EQ(host.metrics().stall_renewals, 0U);
  EXPECT_TRUE(tool.inspect(1u)->holder.server == "tool");
  settle();
  EXPECT_EQ(session.state(), State::lost);
}

TEST_F(HostLeasesCase,
       a_store_that_is_attached_with_open_sessions_or_taken_back_keeps_its_numbers) {
  Players others("others", db, options());
  auto session = others.load(1u);
  ASSERT_TRUE(host.attach(others));
  stall(100s);
  EXPECT_GE(host.metrics().stall_renewals, 3U);
  host.detach(others);
  session->edit()->coins = 3;
  EXPECT_TRUE(session->save());
  stall(100s);
  EXPECT_TRUE(session->release());
}

TEST_F(HostLeasesCase, a_record_that_is_asked_for_meanwhile_is_let_go_at_the_next_poll) {
  auto session = load(1);
  auto waits = tool.begin_load(1u);
  tool.poll();
  stall(30s);
  EXPECT_FALSE(waits.ready());
  settle();
  EXPECT_EQ(session.state(), State::released);
  clock.advance(5s);
  tool.poll();
  EXPECT_TRUE(waits.take());
}

TEST(HostLeases, it_is_looked_at_again_when_something_is_due_and_not_before) {
  persist::Wake wake;
  persist::HostLeases leases(&wake);
  const persist::TimePoint start{1h};
  persist::LeaseTicket ticket{{}, "k", {7, {}, 3}, 60s, 20s, start};
  ticket.fence.owner.session = 5;
  leases.tell(ticket, persist::LeaseUse::free);
  EXPECT_TRUE(wake.take()) << "the timer slept on";
  persist::HostLeases::Batch batch;
  EXPECT_EQ(leases.collect(start, start, batch), start + 25s);
  EXPECT_EQ(leases.collect(start + 24s, start, batch), start + 25s);
  EXPECT_TRUE(batch.commits.empty());
  EXPECT_EQ(leases.collect(start + 25s, start + 24s, batch), start + 29s);
  EXPECT_TRUE(batch.commits.empty()) << "whoever polls renews by himself";
  EXPECT_EQ(leases.collect(start + 29s, start + 24s, batch), start + 34s);
  ASSERT_EQ(batch.commits.size(), 1U);
  EXPECT_EQ(batch.changes[0].fence.write, 4U);
  EXPECT_EQ(batch.changes[0].key, "k");
  batch.commits[0].outcome = persist::CommitRequest::Outcome::applied;
  EXPECT_EQ(leases.heard(batch), 1U);
  leases.tell(ticket, persist::LeaseUse::taken);
  EXPECT_EQ(ticket.fence.write, 4U);
  EXPECT_EQ(ticket.renewed, start + 29s);
  persist::HostLeases::Batch none;
  EXPECT_EQ(leases.collect(start + 60s, start, none), start + 65s);
  EXPECT_TRUE(none.commits.empty()) << "a commit of its own is out";
  leases.tell(ticket, persist::LeaseUse::over);
  EXPECT_EQ(leases.collect(start + 90s, start, none), persist::TimePoint::max());
  EXPECT_EQ(leases.size(), 0U);
}

TEST(HostLeases, a_commit_of_an_earlier_process_is_of_no_session_here) {
  persist::HostLeases leases;
  const persist::TimePoint start{1h};
  persist::LeaseTicket ticket{{}, "k", {7, {}, 3}, 60s, 20s, start};
  ticket.fence.owner.session = 5;
  leases.tell(ticket, persist::LeaseUse::taken);
  persist::Change spilled;
  spilled.fence = {3, {{}, 99, 5}, 8};  // the same number
  spilled.lease = persist::LeaseChange::renew;
  persist::CommitRequest commit{.changes = std::span(&spilled, 1)};
  commit.outcome = persist::CommitRequest::Outcome::applied;
  leases.hear(std::span(&commit, 1), start);
  persist::HostLeases::Batch batch;
  (void)leases.collect(start + 30s, start, batch);
  EXPECT_TRUE(batch.commits.empty()) << "a commit of its own is out";
}

}  // namespace
