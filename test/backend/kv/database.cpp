// builds: tsan
#include <persist/backend/kv/database.hpp>

#include <persist/testing/laws/backend/claim.hpp>

#include <gtest/gtest.h>
#include <support/scripted_map.hpp>

#include <atomic>
#include <thread>

// Races, failures, and a database that is not what it was.

namespace {

using namespace persist;
using namespace persist::testing::laws;
using persist::backend::Kv;
using persist::testing::laws::Driver;
using test::MemoryMap;
using test::ScriptedMap;
using ScriptedKv = Kv<ScriptedMap>;

/// Two servers on one map.
struct KvRaces : ::testing::Test {
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  MemoryMap map{clock};
  ScriptedMap line{map};
  ScriptedKv one{line};
  Kv<MemoryMap> two{map};
  Driver<ScriptedKv> here{one, clock, report};
  Driver<Kv<MemoryMap>> there{two, clock, report};

  ScriptedMap::Script& script() { return line.script(); }
  static bool is_record(std::string_view key) { return key.starts_with("persist/laws/r/"); }
  /// Before the next write of a record somebody else does this.
  void meanwhile(std::function<void()> what) {
    script().before_swap = [this, what = std::move(what)](std::string_view key) {
      if (is_record(key)) script().before_swap = nullptr, what();
      return std::optional<Error>();
    };
  }
  /// The next write of a record fails so; done or not.
  void fail_next(Errc code, bool is_done) {
    auto& hook = is_done ? script().after_swap : script().before_swap;
    hook = [&hook, code](std::string_view key) -> std::optional<Error> {
      if (!is_record(key)) return std::nullopt;
      hook = nullptr;
      return Error(code, "the test's network");
    };
  }
  CommitRequest commit(Draft& draft) {
    CommitRequest request{{&draft.bind(), 1}};
    one.commit({&request, 1});
    return request;
  }
  void TearDown() override { EXPECT_TRUE(report.passed()) << report.text(); }
};

TEST_F(KvRaces, a_load_is_a_read_and_a_write_and_a_save_is_one_write) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  script() = {};
  here.save(mine, "y");
  EXPECT_EQ(script().gets, 0U);
  EXPECT_EQ(script().swaps, 1U);
  EXPECT_EQ(here.commit(here.next(mine).renew()), Outcome::applied);
  EXPECT_EQ(here.commit(here.next(mine).release()), Outcome::applied);
  EXPECT_EQ(script().gets, 0U);
  EXPECT_EQ(script().swaps, 3U);
  script() = {};
  mine = here.take("k");
  EXPECT_EQ(script().gets, 1U);
  EXPECT_EQ(script().swaps, 1U);
  EXPECT_TRUE(here.holds_text("k", "y"));
}

TEST_F(KvRaces, what_is_not_remembered_is_read) {
  ScriptedKv forgetful(line, {.cache = 0});
  Driver<ScriptedKv> d(forgetful, clock, report);
  Holding mine = d.take("k");
  d.save(mine, "x");
  script() = {};
  d.save(mine, "y");
  EXPECT_EQ(script().gets, 1U);
  EXPECT_EQ(script().swaps, 1U);
}

TEST_F(KvRaces, a_save_that_comes_behind_a_message_keeps_it) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  meanwhile([&] { there.post("k", 1, "hello"); });
  Draft save = here.next(mine).data("y");
  EXPECT_EQ(here.commit(save), Outcome::applied);
  ASSERT_EQ(save.change().messages.size(), 1U) << "and brings it";
  EXPECT_TRUE(there.holds_text("k", "y"));
  EXPECT_EQ(there.read("k").inbox_messages, 1U);
}

TEST_F(KvRaces, a_save_that_comes_behind_a_takeover_writes_nothing) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  Holding thief;
  meanwhile([&] { thief = there.take_away("k"); });
  Draft save = here.next(mine).data("y").send("k", 1, "to myself");
  EXPECT_EQ(here.commit(save), Outcome::fenced);
  EXPECT_EQ(save.change().holder.owner, thief.fence.owner);
  EXPECT_TRUE(save.change().messages.empty() && !save.change().sends[0].delivered);
  EXPECT_TRUE(there.holds_text("k", "x"));
  there.save(thief, "z");
}

TEST_F(KvRaces, what_is_remembered_refuses_nobody) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  Holding thief = there.take_away("k");
  EXPECT_EQ(there.commit(there.next(thief).data("z").release()), Outcome::applied);
  EXPECT_EQ(here.commit(here.next(mine).data("y")), Outcome::fenced);
  Holding again = here.take("k");
  here.save(again, "w");
  EXPECT_TRUE(there.holds_text("k", "w"));
}

TEST_F(KvRaces, of_two_that_acquire_at_once_one_gets_it) {
  Holding thief;
  meanwhile([&] { thief = there.take("k"); });
  const AcquireRequest got = here.acquire("k", here.somebody());
  EXPECT_EQ(got.outcome, Taken::held);
  EXPECT_EQ(got.holder.owner, thief.fence.owner);
}

TEST_F(KvRaces, who_is_never_fast_enough_is_told_and_wrote_nothing) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  std::uint64_t id = 0;
  script().before_swap = [&](std::string_view key) {
    if (is_record(key)) there.post("k", ++id, "hello");
    return std::optional<Error>();
  };
  Draft save = here.next(mine).data("y");
  const CommitRequest failed = commit(save);
  EXPECT_EQ(failed.outcome, Outcome::failed);
  EXPECT_EQ(failed.error, Errc::unavailable);
  EXPECT_EQ(id, static_cast<std::uint64_t>(backend::kv::most_tries));
  EXPECT_TRUE(there.holds_text("k", "x"));
  script() = {};
  EXPECT_EQ(commit(save).outcome, Outcome::applied) << "the same again";
}

TEST_F(KvRaces, a_write_of_which_nobody_knows_is_known_when_it_is_sent_again) {
  for (const Errc code : {Errc::unknown_outcome, Errc::timeout})
    for (const bool is_done : {false, true}) {
      Holding mine = here.take("k");
      here.save(mine, "x");
      fail_next(code, is_done);
      Draft save = here.next(mine).data("y").release();
      const CommitRequest failed = commit(save);
      EXPECT_EQ(failed.outcome, Outcome::failed);
      EXPECT_EQ(failed.error, Errc::unknown_outcome);
      EXPECT_EQ(there.holds_text("k", "y"), is_done);
      EXPECT_EQ(commit(save).outcome, is_done ? Outcome::repeated : Outcome::applied);
      EXPECT_TRUE(there.holds_text("k", "y"));
    }
}

TEST_F(KvRaces, what_failed_before_it_was_written_says_so) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  fail_next(Errc::io, false);
  Draft save = here.next(mine).data("y").in("coins", 5);
  EXPECT_EQ(commit(save).error, Errc::io);
  // The mark of an index comes first: where its outcome is unknown nothing of the commit is there.
  script().before_swap = [](std::string_view key) -> std::optional<Error> {
    if (is_record(key)) return std::nullopt;
    return Error(Errc::unknown_outcome, "the test's network");
  };
  EXPECT_EQ(commit(save).error, Errc::unavailable);
  EXPECT_TRUE(there.holds_text("k", "x"));
  script() = {};
  script().before_get = [](std::string_view) { return std::optional<Error>(Errc::timeout); };
  EXPECT_EQ(commit(save).error, Errc::unavailable);
  script() = {};
  EXPECT_EQ(commit(save).outcome, Outcome::applied);
}

TEST_F(KvRaces, a_message_that_does_not_get_there_waits) {
  Holding mine = here.take("sender");
  unsigned writes = 0;
  script().before_swap = [&](std::string_view key) -> std::optional<Error> {
    if (!is_record(key) || ++writes != 2) return std::nullopt;  // the first is the sender's
    return Error(Errc::unavailable, "the test's network");
  };
  Draft save = here.next(mine).data("paid").send("receiver", 1, "a").send("receiver", 2, "b");
  EXPECT_EQ(here.commit(save), Outcome::applied);
  EXPECT_FALSE(save.change().sends[0].delivered);
  EXPECT_FALSE(save.change().sends[1].delivered) << "and nothing overtakes it";
  script() = {};
  const auto waiting = there.waiting();
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].messages.size(), 2U);
  EXPECT_FALSE(there.read("receiver").found);
}

TEST_F(KvRaces, a_message_that_was_not_taken_out_is_posted_again_and_is_there_once) {
  Holding mine = here.take("sender");
  unsigned writes = 0;
  script().before_swap = [&](std::string_view key) -> std::optional<Error> {
    if (!is_record(key) || ++writes != 3) return std::nullopt;
    return Error(Errc::unavailable, "the test's network");
  };
  Draft save = here.next(mine).data("paid").send("receiver", 1, "a");
  EXPECT_EQ(here.commit(save), Outcome::applied);
  EXPECT_FALSE(save.change().sends[0].delivered) << "it waits still, for a relay";
  script() = {};
  EXPECT_EQ(there.read("receiver").inbox_messages, 1U);
  EXPECT_EQ(there.waiting().size(), 1U);
  EXPECT_EQ(there.erase("sender").sent, 1U) << "which does it no harm";
  EXPECT_EQ(there.read("receiver").inbox_messages, 1U);
  EXPECT_TRUE(there.waiting().empty());
}

TEST_F(KvRaces, an_erase_sends_what_came_to_its_outbox_meanwhile) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = there.take("sender");
  meanwhile([&] {
    (void)there.commit(there.next(mine).data("x").send("receiver", 1, "late").limits(none));
  });
  EXPECT_EQ(here.erase("sender").sent, 1U);
  EXPECT_FALSE(there.read("sender").found);
  EXPECT_EQ(there.read("receiver").inbox_messages, 1U);
}

TEST_F(KvRaces, several_changes_are_refused_and_none_is_written) {
  Holding a = here.take("a"), b = here.take("b");
  Draft x = here.next(a).data("x"), y = here.next(b).data("y");
  Change changes[] = {x.bind(), y.bind()};
  CommitRequest request{changes};
  one.commit({&request, 1});
  EXPECT_EQ(request.outcome, Outcome::failed);
  EXPECT_EQ(request.error, Errc::unsupported);
  EXPECT_FALSE(here.read("a").record.has_data || here.read("b").record.has_data);
}

TEST_F(KvRaces, a_message_waits_for_the_store_that_it_names) {
  Driver<ScriptedKv> target_here(one, clock, report, "target");
  Kv<MemoryMap> third(map);
  Driver<Kv<MemoryMap>> target(third, clock, report, "target");  // opened in another order
  Driver<Kv<MemoryMap>> source(third, clock, report);
  ASSERT_NE(target.store.index, target_here.store.index);
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = here.take("sender");
  Draft draft = here.next(mine).data("x").limits(none);
  Change& change = draft.bind();
  Send send{target_here.store, "receiver", 1, {"Gift", 1, 0, {}, as_bytes("a")}};
  change.sends = {&send, 1};
  CommitRequest request{{&change, 1}};
  one.commit({&request, 1});
  EXPECT_EQ(request.outcome, Outcome::applied);
  const auto waiting = source.waiting();
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].messages[0].store, target.store);
  // One that has not opened it finds it by its name.
  Kv<MemoryMap> fourth(map);
  Driver<Kv<MemoryMap>> alone(fourth, clock, report);
  EXPECT_EQ(alone.erase("sender").sent, 1U);
  EXPECT_EQ(target.read("receiver").inbox_messages, 1U);
}

TEST_F(KvRaces, a_database_that_lost_its_memory_is_refused) {
  Holding mine = here.take("k");
  here.save(mine, "x");
  for (const auto& [key, value] : test::contents(map))
    test::put(map, key, {});
  const AcquireRequest got = here.acquire("k", here.somebody());
  EXPECT_EQ(got.outcome, Taken::failed);
  EXPECT_EQ(got.error, Errc::refused);
  Driver<Kv<MemoryMap>> anew(two, clock, report, "another");  // whoever opens a store makes it
  Kv<MemoryMap> other(map);
  Driver<Kv<MemoryMap>> made(other, clock, report);
  EXPECT_EQ(here.acquire("k", here.somebody()).error, Errc::refused) << "that is another one";
  EXPECT_EQ(here.post("k", 1, "hello").error, Errc::refused);
  OpenStoreRequest again{"laws", LockKind::lease, {}};
  one.open_store({&again, 1});
  EXPECT_EQ(again.error, Errc::refused);
}

TEST_F(KvRaces, threads_lose_nothing_of_each_other) {
  constexpr std::uint64_t each = 200;
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::atomic<int> refused = 0;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Kv<MemoryMap> mine = two;
      for (std::uint64_t i = 0; i < each; ++i) {
        PostRequest post{there.store,
                         "k",
                         {{t * each + i, 7}, 0, 0, clock.wall()},
                         {"Gift", 1, 0, {}, as_bytes("x")},
                         nullptr};
        mine.post({&post, 1});
        for (int tries = 0; post.error == Errc::unavailable && tries < 100; ++tries) {
          post.error = Errc{};
          mine.post({&post, 1});
        }
        refused += failed(post.error) ? 1 : 0;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(there.read("k").inbox_messages, 4 * each);
}

}  // namespace
