#include <persist/host/rounds.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <deque>
#include <memory>
#include <stdexcept>

namespace {

using namespace test;

using HostRounds = HostedWorld;

TEST_F(HostRounds, a_load_goes_out_in_a_poll_is_performed_on_a_lane_and_answers_in_the_next) {
  auto loaded = host.load(players, 1u);
  EXPECT_EQ(db.script().acquire_requests, 0U);
  host.poll();
  EXPECT_EQ(db.script().acquire_requests, 0U) << "storage was reached in the game's tick";
  EXPECT_TRUE(host.run_lane());
  EXPECT_EQ(db.script().acquire_requests, 1U);
  EXPECT_FALSE(loaded.ready()) << "an answer was given outside of `poll`";
  host.poll();
  ASSERT_TRUE(loaded.ready());
  auto session = loaded.get();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->view()->coins, 100);
  EXPECT_FALSE(host.run_lane());
}

TEST_F(HostRounds, a_save_and_a_release_are_durable_when_they_answer) {
  auto session = load(1);
  session.edit()->coins = 7;
  auto saved = host.save(session);
  host.poll();
  EXPECT_EQ(durable(1), -1);
  host.run_lane();
  host.poll();
  ASSERT_TRUE(saved.ready());
  EXPECT_TRUE(saved.get()->written);
  EXPECT_EQ(durable(1), 7);
  session.edit()->coins = 8;
  auto released = host.release(session);
  settle();
  ASSERT_TRUE(released.ready());
  EXPECT_TRUE(released.get()->written);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(durable(1), 8);
}

TEST_F(HostRounds, while_a_save_is_out_the_session_is_busy_and_a_second_save_goes_behind_it) {
  auto session = load(1);
  session.edit()->coins = 1;
  auto first = host.save(session);
  host.poll();
  session.edit()->coins = 2;
  auto second = host.save(session);
  host.poll();
  EXPECT_FALSE(first.ready() || second.ready());
  host.run_lane();
  host.poll();
  EXPECT_TRUE(first.ready());
  EXPECT_FALSE(second.ready()) << "a save answered for edits behind its cut";
  EXPECT_EQ(durable(1), 1);
  settle();
  EXPECT_TRUE(second.get()->written);
  EXPECT_EQ(durable(1), 2);
}

TEST_F(HostRounds, a_release_during_a_save_is_the_next_commit) {
  auto session = load(1);
  session.edit()->coins = 1;
  auto saved = host.save(session);
  host.poll();
  session.edit()->coins = 2;
  auto released = host.release(session);
  auto again = host.release(session);
  settle();
  EXPECT_TRUE(saved.get());
  EXPECT_TRUE(released.get()->written);
  EXPECT_TRUE(again.get()) << "a release joins one that is under way";
  EXPECT_EQ(durable(1), 2);
}

TEST_F(HostRounds, what_becomes_due_while_all_lanes_are_taken_is_one_batch) {
  std::vector<Players::Session> all;
  for (std::uint64_t key = 0; key < 20; ++key)
    all.push_back(load(key));
  db.script() = {};
  std::vector<persist::Future<persist::Result<persist::Saved>>> saves;
  for (auto& session : all) {
    session.edit()->coins = 5;
    saves.push_back(host.save(session));
    host.poll();
  }
  settle();
  for (auto& saved : saves)
    EXPECT_TRUE(saved.get());
  EXPECT_EQ(db.script().commit_requests, 20U);
  EXPECT_EQ(db.script().commit_batches, 2U);
}

TEST_F(HostRounds, a_save_waits_while_the_session_is_edited) {
  auto session = load(1);
  auto saved = [&] {
    auto guard = session.edit();
    guard->coins = 9;
    auto wanted = host.save(session);
    settle();
    EXPECT_FALSE(wanted.ready());
    return wanted;
  }();
  clock.advance(1s);
  settle();
  EXPECT_TRUE(saved.get()->written);
  EXPECT_EQ(durable(1), 9);
}

TEST_F(HostRounds, a_save_that_a_listener_holds_back_answers_when_it_has_gone) {
  auto session = load(1);
  session.edit()->coins = 4;
  using Edit = Players::Session::Edit;
  std::unique_ptr<Edit> guard;
  int asked = 0;
  const auto listens = session.on_saving([&](Player&, Reason) {
    if (asked++ == 0) guard = std::make_unique<Edit>(session.edit());
  });
  auto saved = host.save(session);
  settle();
  EXPECT_FALSE(saved.ready());
  guard = nullptr;
  clock.advance(1s);
  settle();
  ASSERT_TRUE(saved.ready());
  const auto done = saved.get();
  ASSERT_TRUE(done) << done.error();
  EXPECT_TRUE(done->written);
}

TEST_F(HostRounds, a_failed_save_answers_and_is_tried_again) {
  auto session = load(1);
  session.edit()->coins = 3;
  db.fail_commits(Errc::unavailable);
  auto saved = host.save(session);
  settle();
  EXPECT_TRUE(saved.get().is(Errc::unavailable));
  clock.advance(5s);
  settle();
  EXPECT_EQ(durable(1), 3);
}

/// A policy that looks at the game's own objects for what a record begins as.
struct OnItsThread {
  using data_type = Player;
  static inline std::thread::id asked_on;
  static Player defaults(std::uint64_t) {
    asked_on = std::this_thread::get_id();
    return {};
  }
};

TEST_F(HostRounds, what_a_record_begins_as_is_asked_of_the_game_on_its_own_thread) {
  persist::Store<std::uint64_t, OnItsThread, Db> newcomers("newcomers", db, options());
  ASSERT_TRUE(host.attach(newcomers));
  auto loaded = host.load(newcomers, 5u);
  host.poll();
  std::thread([&] { host.run_lane(); }).join();
  host.poll();
  EXPECT_TRUE(loaded.get());
  EXPECT_EQ(OnItsThread::asked_on, std::this_thread::get_id());
}

TEST_F(HostRounds, messages_that_wait_are_relayed_on_a_lane) {
  auto session = load(1);
  players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  ASSERT_TRUE(session.send(2u, Gift{5}));
  auto saved = host.save(session);
  settle();
  EXPECT_TRUE(saved.get());
  auto other = load(2);
  settle();
  EXPECT_EQ(other.view()->coins, 105);
}

TEST_F(HostRounds, a_store_that_is_destroyed_takes_home_what_is_out) {
  {
    Players second("others", db, options());
    ASSERT_TRUE(host.attach(second));
    auto loaded = host.load(second, 1u);
    settle();
    auto session = loaded.get();
    session->edit()->coins = 11;
    auto saved = host.save(*session);
    auto late = host.load(second, 2u);
    host.poll();
  }
  Players again("others", db, options("eu-3"));
  EXPECT_EQ(coins(again, 1), 11);
}

TEST_F(HostRounds, a_host_that_is_destroyed_answers_what_waits_and_leaves_the_stores_as_they_are) {
  auto session = load(1);
  session.edit()->coins = 12;
  std::vector<std::string> told;
  {
    persist::Host second(host_options());
    Players others("others", db, options());
    ASSERT_TRUE(second.attach(others));
    second.load(others, 1u).then([&](auto r) {
      told.emplace_back(r ? "yes" : name(r.error().code()));
    });
    second.poll();
    second.load(others, 2u).then([&](auto r) {
      told.emplace_back(r ? "yes" : name(r.error().code()));
    });
    {
      persist::Host third(host_options());
      EXPECT_TRUE(third.attach(others).is(Errc::busy)) << "two Hosts on one store";
      EXPECT_TRUE(third.load(others, 1u).get().is(Errc::invalid));
    }
  }
  EXPECT_EQ(told, (std::vector<std::string>{"yes", "closed"}));
  EXPECT_EQ(session.state(), State::open);
}

TEST_F(HostRounds, who_waits_for_a_save_of_a_session_that_has_ended_meanwhile_is_answered) {
  auto session = load(1);
  auto released = host.release(session);
  settle();
  bool told = false;
  players.core().expect_save(
      session.node(), [&](const persist::Result<persist::Saved>& saved) { told = bool(saved); });
  host.poll();
  EXPECT_TRUE(told);
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(HostRounds, what_follows_an_answer_that_was_there_may_throw_and_holds_up_no_other) {
  auto first = host.peek(players, 1u);
  auto second = host.peek(players, 2u);
  settle();
  ASSERT_TRUE(first.ready() && second.ready());
  bool called = false;
  first.then([](auto) { throw std::runtime_error("oops"); });
  second.then([&](auto) { called = true; });
  EXPECT_NO_THROW(host.poll());
  EXPECT_TRUE(called);
  EXPECT_TRUE(logged("oops"));
}
#endif

TEST_F(HostRounds, a_shutdown_in_a_completion_takes_in_what_came_home_with_it) {
  auto session = load(1);
  session.edit()->coins = 5;
  persist::ShutdownReport report;
  const auto begun = clock.now();
  host.peek(players, 1u).then([&](auto) { report = host.shutdown(10s); });
  auto peeked = host.peek(players, 2u);
  host.poll();
  while (host.run_lane()) {
  }
  host.poll();
  EXPECT_TRUE(report.complete()) << report.out << " out";
  EXPECT_EQ(clock.now(), begun);
  EXPECT_TRUE(peeked.ready());
  EXPECT_EQ(durable(1), 5);
}

TEST_F(HostRounds, who_asks_again_when_the_store_has_left_is_told_so) {
  persist::Future<persist::Result<Players::Session>> second;
  {
    Players others("others", db, options());
    ASSERT_TRUE(host.attach(others));
    host.load(others, 1u).then([&](auto) { second = host.load(others, 1u); });
  }
  ASSERT_TRUE(second.ready());
  EXPECT_TRUE(second.get().is(Errc::closed));
  host.poll();
}

TEST_F(HostRounds, what_a_shutdown_answers_may_attach_stores) {
  std::deque<Players> more;
  Players others("others", Db(persist::backend::Memory(clock)), options());
  ASSERT_TRUE(host.attach(others));
  for (unsigned i = 0; i < 3; ++i)
    host.load(players, 1u + i).then([&](auto) {
      more.emplace_back("more", Db(persist::backend::Memory(clock)), options());
      ASSERT_TRUE(host.attach(more.back()));
    });
  EXPECT_TRUE(host.shutdown(10s).complete());
  for (auto& each : more)
    host.detach(each);
}

using HostRoundsDeathTest = HostRounds;
TEST_F(HostRoundsDeathTest,
       a_host_that_is_destroyed_by_what_its_own_shutdown_answers_ends_the_program) {
  EXPECT_DEATH(
      {
        auto second = std::make_unique<persist::Host>(host_options());
        Players others("others", db, options());
        ASSERT_TRUE(second->attach(others));
        second->load(others, 1u).then([&](auto) { second = nullptr; });
        (void)second->shutdown(1s);
      },
      "a Host was destroyed inside one of its own completions");
}

}  // namespace
