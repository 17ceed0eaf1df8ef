#include <persist/store/engine_conflict.hpp>

#include <support/world.hpp>

#include <persist/access/shared.hpp>

#include <algorithm>
#include <stdexcept>

// What a load does about a holder: by its policy's strategy, or by its own.

namespace {

using namespace test;
using persist::Conflict;
using persist::Decision;
using persist::Obstacle;

template <class LockPolicy>
using With = persist::Store<std::uint64_t, Save, Db, LockPolicy>;

struct EngineConflict : World {
  /// Plays until the load is over, a minute at most for each `minutes`; the holder is not polled.
  template <class AnyStore, class Loading>
  persist::Duration wait_for(AnyStore& store, Loading& loading, int minutes = 60) {
    const auto began = clock.now();
    while (!loading.ready() && clock.now() < began + minutes * 1min)
      play(1s, store);
    return clock.now() - began;
  }
  template <class LockPolicy>
  With<LockPolicy> open_with(std::string server) {
    auto told = persist::options_for<LockPolicy>();
    const auto usual = options(std::move(server));
    told.server_id = usual.server_id, told.clock = usual.clock, told.log = usual.log;
    return With<LockPolicy>("players", db, told);
  }
};

TEST_F(EngineConflict, one_that_waits_asks_nobody_and_takes_what_was_let_go) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u, {.conflict = Conflict::wait});
  play(5s, a, b);
  EXPECT_FALSE(a.inspect(1u)->release_requested);
  EXPECT_EQ(held->state(), State::open);
  ASSERT_TRUE(held->release());
  wait_for(b, loading);
  EXPECT_TRUE(loading.take());
}

TEST_F(EngineConflict, one_that_waits_gives_up_at_its_deadline_and_leaves_nothing) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  const auto refused = b.load(1u, {.conflict = Conflict::wait, .deadline = 7s});
  EXPECT_TRUE(refused.is(Errc::locked));
  EXPECT_FALSE(a.inspect(1u)->release_requested);
  EXPECT_TRUE(held->save({.force = true}));
}

TEST_F(EngineConflict, a_function_is_asked_each_time_and_knows_who_is_in_the_way) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  clock.advance(3s);
  std::vector<std::uint32_t> attempts;
  std::vector<persist::Duration> waited;
  auto loading = b.begin_load(
      1u, {.ask = [&](const Obstacle& met) -> Decision {
        EXPECT_EQ(met.key, "1");
        EXPECT_EQ(met.server, "eu-1");
        EXPECT_EQ(met.epoch, held->epoch());
        EXPECT_EQ(met.age, 3s + (clock.now() - persist::TimePoint{}) % 1s + met.waited);
        attempts.push_back(met.attempts);
        waited.push_back(met.waited);
        return met.attempts < 3 ? Decision(Conflict::wait, 4s) : Decision(Conflict::refuse);
      }});
  wait_for(b, loading);
  EXPECT_TRUE(loading.take().is(Errc::locked));
  EXPECT_EQ(attempts, (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(waited[2] - waited[0], 8s);
}

TEST_F(EngineConflict, a_function_may_ask_later_and_then_steal) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  std::vector<bool> asked;
  auto loading = b.begin_load(1u, {.ask = [&](const Obstacle& met) -> Decision {
                                asked.push_back(met.asked);
                                if (met.waited < 2s) return {Conflict::wait, 1s};
                                if (met.waited < 6s) return {Conflict::request, 2s};
                                return Conflict::steal;
                              }});
  play(4s, b);
  EXPECT_TRUE(a.inspect(1u)->release_requested);
  wait_for(b, loading);
  auto session = loading.take();
  ASSERT_TRUE(session);
  EXPECT_GT(session->epoch(), held->epoch());
  EXPECT_FALSE(asked.front());
  EXPECT_TRUE(asked.back());
  EXPECT_TRUE(held->save({.force = true}).is(Errc::fenced));
}

TEST_F(EngineConflict, a_function_that_throws_refuses_and_that_is_logged) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  const auto refused =
      b.load(1u, {.ask = [](const Obstacle&) -> Decision { throw std::runtime_error("oops"); }});
  EXPECT_TRUE(refused.is(Errc::locked));
  EXPECT_TRUE(logged("oops"));
}

TEST_F(EngineConflict, a_function_may_call_the_store) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  const auto refused = b.load(1u, {.ask = [&](const Obstacle&) -> Decision {
                                auto second = b.load(2u);
                                b.poll();
                                EXPECT_TRUE(second->release());
                                return Conflict::refuse;
                              }});
  EXPECT_TRUE(refused.is(Errc::locked));
  EXPECT_EQ(b.metrics().releases, 1U);
}

TEST_F(EngineConflict, who_joins_and_wants_to_steal_steals) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto polite = b.begin_load(1u, {.ask = [](const Obstacle&) { return Decision(Conflict::wait); }});
  play(3s, b);
  EXPECT_FALSE(polite.ready());
  auto thief = b.begin_load(1u, {.conflict = Conflict::steal});
  play(10s, b);
  EXPECT_TRUE(thief.take());
  EXPECT_TRUE(polite.take());
}

TEST_F(EngineConflict, a_load_that_asks_the_holder_anyway_asks_its_function_too) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  int asked = 0;
  auto loading = b.begin_load(1u, {.conflict = Conflict::request, .ask = [&](const Obstacle&) {
                                     return ++asked, Decision(Conflict::refuse);
                                   }});
  play(1s, b);
  EXPECT_FALSE(loading.ready()) << "the strategy goes further than the function";
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(a.inspect(1u)->release_requested);
  play(3s, a, b);
  EXPECT_TRUE(loading.take());
}

TEST_F(EngineConflict, who_joins_with_a_function_does_not_end_the_load_of_who_asks_the_holder) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  auto first = b.begin_load(1u);
  auto second = b.begin_load(1u, {.ask = [](const Obstacle&) { return Decision(Conflict::wait); }});
  play(1s, b);
  EXPECT_FALSE(first.ready());
  play(3s, a, b);
  EXPECT_TRUE(first.take());
  EXPECT_TRUE(second.take());
}

struct CountAndRefuse {
  static inline int calls = 0;
  Decision operator()(const Obstacle&) const { return ++calls, Conflict::refuse; }
};
TEST_F(EngineConflict, a_policy_may_bring_the_function) {
  using Asking = persist::lock::Lease<persist::conflict::Ask<CountAndRefuse>>;
  auto a = open_with<Asking>("eu-1");
  auto b = open_with<persist::access::Shared<Asking>>("eu-2");
  auto held = a.load(1u);
  CountAndRefuse::calls = 0;
  EXPECT_TRUE(b.load(1u).is(Errc::locked));
  EXPECT_EQ(CountAndRefuse::calls, 1);
  EXPECT_TRUE(b.try_load(1u).is(Errc::locked));
  EXPECT_EQ(CountAndRefuse::calls, 1) << "one attempt asks nobody";
  EXPECT_TRUE(b.load(1u, {.conflict = Conflict::steal}));
  EXPECT_EQ(CountAndRefuse::calls, 1) << "a load that says itself what it wants asks nobody";
}

TEST_F(EngineConflict, a_hint_that_is_not_of_its_release_brings_nobody_forward) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto held = a.load(1u);
  int asked = 0;
  auto loading =
      b.begin_load(1u, {.ask = [&](const Obstacle&) { return ++asked, Conflict::request; }});
  b.poll();
  const auto attempts = b.metrics().conflicts;
  ASSERT_TRUE(a.post(1u, Gift{1}));
  b.poll();
  EXPECT_EQ(b.metrics().conflicts, attempts) << "neither its own request nor a message";
  ASSERT_TRUE(held->release());
  b.poll();
  EXPECT_TRUE(loading.take()) << "the release is one";
}

// A backend without a clock: nobody but the loader can say that a holder is gone.

struct Clockless : Db {
  static constexpr bool judges_leases = false;
  using Db::Db;
};
static_assert(persist::judges_leases<Db> && !persist::judges_leases<Clockless>);

struct Watching : EngineConflict {
  using Watchers = persist::Store<std::uint64_t, Save, Clockless>;
  persist::testing::ManualClock stopped;
  Clockless timeless{persist::backend::Memory(stopped)};
  Watchers open_here(std::string server) { return {"players", timeless, options(server)}; }
};

TEST_F(Watching, a_holder_of_whom_nothing_is_heard_is_taken_over_from) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u);
  EXPECT_EQ(wait_for(b, loading), 67s) << "a lease and a tenth more from the first look on";
  ASSERT_TRUE(loading.take());
  EXPECT_TRUE(held->save({.force = true}).is(Errc::fenced));
}

TEST_F(Watching, a_holder_that_is_heard_of_is_not) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u, {.conflict = Conflict::wait});
  play(85s, a, b);
  EXPECT_EQ(held->state(), State::open);
  EXPECT_FALSE(loading.ready());
  play(10s, a, b);
  EXPECT_TRUE(loading.take().is(Errc::locked));
}

TEST_F(Watching, one_that_renews_at_the_last_moment_keeps_its_record) {
  auto a = open_here("eu-1");
  auto b = open_here("eu-2");
  auto held = a.load(1u);
  auto loading = b.begin_load(1u, {.conflict = Conflict::wait, .deadline = 100s});
  play(64s, b);
  a.poll();
  play(30s, b);
  EXPECT_FALSE(loading.ready()) << "the watch began anew";
  EXPECT_TRUE(held->save({.force = true}));
}

// The presets, against a holder that is gone without a word.
template <class Preset>
struct DeadHolder : EngineConflict {
  persist::Duration until_taken(bool& taken) {
    auto a = this->open_with<Preset>("eu-1");
    auto b = this->open_with<Preset>("eu-2");
    auto held = a.load(1u);
    auto loading = b.begin_load(1u);
    const auto time = this->wait_for(b, loading);
    const auto session = loading.take();
    taken = static_cast<bool>(session);
    EXPECT_EQ(held->save({.force = true}).is(Errc::fenced), taken);
    return time;
  }
  void TestBody() override {}
};
namespace presets = persist::lock::presets;

TEST_F(EngineConflict, each_preset_takes_over_from_the_dead_when_its_model_does) {
  bool taken = false;
  EXPECT_EQ(DeadHolder<presets::ProfileStore>().until_taken(taken), 46s);  // begun a second later
  EXPECT_TRUE(taken);
  EXPECT_EQ(DeadHolder<presets::ProfileService>().until_taken(taken), 57s);
  EXPECT_TRUE(taken);
  EXPECT_EQ(DeadHolder<presets::ProfileHandler>().until_taken(taken), 301s);
  EXPECT_TRUE(taken);
  EXPECT_EQ(DeadHolder<presets::RbxPersist>().until_taken(taken), 1801s);
  EXPECT_TRUE(taken);
  EXPECT_EQ(DeadHolder<presets::Lapis>().until_taken(taken), 20s);
  EXPECT_FALSE(taken);
  EXPECT_EQ(DeadHolder<presets::Suphi>().until_taken(taken), 1s);
  EXPECT_FALSE(taken);
}

TEST_F(EngineConflict, suphi_counts_five_attempts) {
  auto players = open_with<presets::Suphi>("eu-1");
  auto session = players.load(1u);
  EXPECT_EQ(session->attempts_left(), 5);
  std::vector<int> left;
  const auto heard = session->on_renewal_failed([&](int tries) { left.push_back(tries); });
  db.fail_commits(Errc::unavailable, 1000);
  play(330s, players);
  left.erase(std::unique(left.begin(), left.end()), left.end());
  EXPECT_EQ(left, (std::vector{4, 3, 2, 1, 0}));
  db.script().commits.clear();
}

}  // namespace
