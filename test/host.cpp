#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <filesystem>
#include <string>

namespace {

using namespace test;

using Host = HostedWorld;

TEST_F(Host, a_shutdown_saves_and_gives_back_all_sessions_in_one_batch) {
  std::vector<Players::Session> all;
  for (std::uint64_t key = 0; key < 10; ++key) {
    all.push_back(load(key));
    all.back().edit()->coins = 33;
  }
  db.script() = {};
  const auto report = host.shutdown(10s);
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.sessions, 10U);
  EXPECT_EQ(db.script().commit_batches, 1U);
  for (std::uint64_t key = 0; key < 10; ++key)
    EXPECT_EQ(durable(key), 33);
  EXPECT_TRUE(host.load(players, 1u).get().is(Errc::closed));
}

TEST_F(Host, a_shutdown_calls_off_what_has_not_begun_and_loads_that_wait_for_a_holder) {
  auto holder = tool.load(1u);
  auto waits = host.load(players, 1u);
  settle();
  EXPECT_FALSE(waits.ready());
  auto queued = host.load(players, 2u);
  const auto report = host.shutdown(10s);
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.cancelled, 1U);
  EXPECT_TRUE(waits.get().is(Errc::cancelled));
  EXPECT_TRUE(queued.get().is(Errc::cancelled));
  EXPECT_FALSE(tool.inspect(1u)->release_requested) << "the request to the holder was left there";
}

TEST_F(Host, a_shutdown_during_a_load_gives_the_record_back) {
  auto loading = host.load(players, 1u);
  host.poll();
  EXPECT_TRUE(host.shutdown(10s).complete());
  EXPECT_TRUE(loading.get().is(Errc::cancelled));
  EXPECT_FALSE(tool.inspect(1u)->held);
}

TEST_F(Host, a_shutdown_spills_what_it_could_not_save) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("persist-host-" + std::to_string(persist::detail::os::random_bits()));
  auto told = options("eu-3");
  told.spill = folder.string();
  {
    Players spilling("players", db, told);
    ASSERT_TRUE(host.attach(spilling));
    auto loading = host.load(spilling, 7u);
    settle();
    auto session = loading.get();
    ASSERT_TRUE(session);
    session->edit()->coins = 5;
    db.fail_commits(Errc::unavailable, 1000);
    std::size_t late = 0;
    const auto report =
        host.shutdown(10s, [&](const persist::ShutdownReport& so_far) { late = so_far.spilled; });
    EXPECT_EQ(late, 1U) << "at four fifths of the time";
    EXPECT_EQ(report.spilled, 1U);
    EXPECT_TRUE(report.complete()) << "nothing of it is here any more";
    db.script().commits.clear();
  }
  EXPECT_EQ(durable(7), -1);
  const Players next("players", db, told);
  EXPECT_EQ(durable(7), 5) << "the next start sends it";
  std::filesystem::remove_all(folder);
}

TEST_F(Host, a_shutdown_names_what_it_could_not_save_and_says_so_in_time) {
  auto dirty = load(1);
  auto clean = load(2);
  dirty.edit()->coins = 1;
  db.fail_commits(Errc::unavailable, 1000);
  const auto begun = clock.now();
  std::vector<std::string> late;
  persist::Duration when{};
  const auto report = host.shutdown(10s, [&](const persist::ShutdownReport& so_far) {
    when = clock.now() - begun;
    for (const auto& each : so_far.left)
      if (each.dirty) late.push_back(each.key);
  });
  EXPECT_EQ(clock.now() - begun, persist::Duration(10s));
  EXPECT_EQ(when, persist::Duration(8s));
  EXPECT_EQ(late, std::vector<std::string>{"1"});
  EXPECT_FALSE(report.complete());
  ASSERT_EQ(report.left.size(), 2U);
  EXPECT_EQ(report.left[0].store, "players");
  EXPECT_NE(report.left[0].dirty, report.left[1].dirty);
  EXPECT_EQ(dirty.state(), State::releasing) << "it is given up";
  db.script().commits.clear();
  EXPECT_TRUE(host.shutdown(60s).complete()) << "a second shutdown goes on where the first ended";
  EXPECT_EQ(durable(1), 1);
}

TEST_F(Host, a_shutdown_does_not_wait_for_a_guard_of_its_own_thread) {
  auto session = load(1);
  const auto begun = clock.now();
  auto guard = session.edit();
  EXPECT_FALSE(host.shutdown(10s).complete());
  EXPECT_EQ(clock.now(), begun);
}

TEST_F(Host, a_call_more_than_the_queue_holds_is_full) {
  auto told = host_options();
  told.queue = 2;
  Players others("others", db, options());
  persist::Host small(told);
  ASSERT_TRUE(small.attach(others));
  auto one = small.load(others, 1u);
  auto two = small.load(others, 2u);
  auto three = small.load(others, 3u);
  ASSERT_TRUE(three.ready());
  EXPECT_TRUE(three.get().is(Errc::full));
  small.poll();
  EXPECT_TRUE(small.load(others, 3u).get().is(Errc::full)) << "one that has begun still waits";
  small.run_lane();
  small.poll();
  EXPECT_TRUE(one.ready() && two.ready());
  EXPECT_FALSE(small.load(others, 3u).ready()) << "an answer makes room";
  EXPECT_EQ(small.metrics().refused, 2U);
}

TEST_F(Host, a_load_that_never_answers_times_out_and_its_late_answer_goes_back) {
  auto lost = host.load(players, 1u, {}, {.deadline = 3s});
  host.poll();
  clock.advance(2s);
  host.poll();
  EXPECT_FALSE(lost.ready());
  clock.advance(1s);
  host.poll();
  ASSERT_TRUE(lost.ready());
  EXPECT_TRUE(lost.get().is(Errc::timeout));
  settle();
  EXPECT_FALSE(tool.inspect(1u)->held) << "nobody wants the record, and it is held";
  EXPECT_EQ(host.metrics().timeouts, 1U);
}

TEST_F(Host, a_call_that_was_called_off_ends_at_the_next_poll) {
  auto holder = tool.load(1u);
  auto queued = host.load(players, 2u);
  queued.cancel();
  auto waits = host.load(players, 1u);
  settle();
  EXPECT_TRUE(queued.get().is(Errc::cancelled));
  waits.cancel();
  EXPECT_FALSE(waits.ready());
  settle();
  EXPECT_TRUE(waits.get().is(Errc::cancelled));
  EXPECT_FALSE(tool.inspect(1u)->release_requested);
  EXPECT_FALSE(tool.inspect(2u)->held);
}

TEST_F(Host, a_player_who_leaves_before_the_load_ends_leaves_no_session) {
  bool is_here = true;
  auto loading = host.load(players, 1u, {.while_ = [&] { return is_here; }});
  host.poll();
  is_here = false;
  settle();
  EXPECT_TRUE(loading.get().is(Errc::cancelled));
  auto dropped = host.load(players, 2u);
  dropped = {};
  settle();
  settle();
  EXPECT_EQ(players.open_sessions(), 0U) << "nobody has a handle of it";
  EXPECT_FALSE(tool.inspect(1u)->held);
  EXPECT_FALSE(tool.inspect(2u)->held);
}

TEST_F(Host, a_completion_may_poll_and_call_anything) {
  std::vector<std::string> told;
  host.load(players, 1u).then([&](auto session) {
    told.emplace_back("loaded");
    session->edit()->coins = 50;
    host.save(*session).then([&, of = *session](auto saved) mutable {
      told.emplace_back(saved ? "saved" : "not saved");
      host.poll();
      host.release(of).then([&](auto) { told.emplace_back("released"); });
    });
    host.poll();
  });
  settle();
  EXPECT_EQ(told, (std::vector<std::string>{"loaded", "saved", "released"}));
  EXPECT_EQ(durable(1), 50);
}

TEST_F(Host, what_follows_a_call_and_throws_is_logged_and_the_poll_goes_on) {
  std::vector<std::string> told;
  host.load(players, 1u).then([&](auto) { throw std::runtime_error("a bug of the game"); });
  host.load(players, 2u).then([&](auto) { told.emplace_back("two"); });
  settle();
  EXPECT_EQ(told.size(), 1U);
  EXPECT_TRUE(logged("a bug of the game"));
}

TEST_F(Host, calls_of_a_session_that_has_ended_say_so) {
  auto session = load(1);
  auto early = host.save(session);
  ASSERT_TRUE(tool.erase(1u));
  session.edit()->coins = 1;
  settle();
  ASSERT_TRUE(early.ready());
  EXPECT_TRUE(early.get().is(Errc::fenced));
  auto late = host.save(session);
  settle();
  ASSERT_TRUE(late.ready());
  EXPECT_TRUE(late.get().is(Errc::closed));
}

#if PERSIST_HAS_CHECKS
using HostDeathTest = HostedWorld;

TEST_F(HostDeathTest, waiting_where_the_host_is_polled_ends_the_program_in_words) {
  auto session = load(1);
  auto saved = host.save(session);
  EXPECT_DEATH((void)saved.get(), "waits for a Future of that Host");
  EXPECT_DEATH((void)session.save(), "waits for the store \"players\"");
  EXPECT_DEATH((void)players.load(2u), "take the Host's twin");
  EXPECT_DEATH((void)players.peek(2u), "take the Host's twin");
  EXPECT_DEATH(players.poll(), "take the Host's twin");
}

TEST_F(HostDeathTest, a_host_that_is_destroyed_inside_a_completion_ends_the_program) {
  bool now = false;
  auto own = std::make_unique<persist::Host>(host_options());
  auto others = std::make_unique<Players>("others", db, options());
  ASSERT_TRUE(own->attach(*others));
  own->load(*others, 1u).then([&](auto) { now ? own.reset() : void(); });
  own->poll();
  own->run_lane();
  EXPECT_DEATH((now = true, own->poll()), "a Host was destroyed inside");
  EXPECT_DEATH((now = true, others.reset()), "a Host was destroyed inside");
}

TEST_F(HostDeathTest, a_store_that_is_destroyed_inside_a_completion_ends_the_program) {
  bool now = false;
  auto others = std::make_unique<Players>("others", db, options());
  ASSERT_TRUE(host.attach(*others));
  host.load(*others, 1u).then([&](auto) { now ? others.reset() : void(); });
  host.poll();
  host.run_lane();
  EXPECT_DEATH((now = true, host.poll()), "a store was destroyed inside");
}
#endif

TEST_F(Host, a_store_may_be_taken_back_inside_a_completion) {
  std::vector<std::string> told;
  host.load(players, 1u).then([&](auto session) {
    host.detach(players);
    told.emplace_back(session->save() ? "saved" : "not saved");
  });
  host.load(players, 2u).then([&](auto session) { told.emplace_back(session ? "two" : "none"); });
  settle();
  EXPECT_EQ(told, (std::vector<std::string>{"none", "saved"})) << "its other calls end first";
}

TEST_F(Host, a_store_that_was_taken_back_waits_where_it_likes) {
  auto session = load(1);
  session.edit()->coins = 4;
  auto saved = host.save(session);
  host.detach(players);
  EXPECT_TRUE(saved.get().is(Errc::closed));
  EXPECT_TRUE(session.save());
  EXPECT_TRUE(host.load(players, 2u).get().is(Errc::invalid));
  EXPECT_TRUE(host.attach(players)) << "it may come back";
}

}  // namespace
