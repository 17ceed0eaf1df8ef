#include <persist/host.hpp>

#include <support/hosted.hpp>

namespace {

using namespace test;
using persist::TimePoint;

struct HostBudget : World {
  Players tool{"players", db, options("tool")};
  Players players{"players", db, options()};
  persist::Host host{[this] {
    persist::HostOptions told;
    told.lanes = 0;
    told.clock = &clock;
    told.budget = 10;
    return told;
  }()};
  std::vector<Players::Session> all;

  HostBudget() {
    for (std::uint64_t key = 0; key < 30; ++key)
      all.push_back(*players.load(key));
    EXPECT_TRUE(host.attach(players));
  }
  TimePoint settle() {
    do {
      host.poll();
    } while (host.run_lane() || host.poll() <= clock.now());
    return host.poll();
  }
};

TEST_F(HostBudget, what_is_over_the_budget_waits_for_the_next_second) {
  for (auto& session : all)
    session.edit()->coins = 1, (void)host.save(session);
  db.script() = {};
  settle();
  EXPECT_EQ(db.script().commit_requests, 10U);
  EXPECT_GT(host.poll(), clock.now()) << "it asked to be polled again at once, for nothing";
  clock.advance(1s);
  settle();
  EXPECT_EQ(db.script().commit_requests, 20U);
}

TEST_F(HostBudget, what_is_more_urgent_goes_first) {
  std::vector<std::string> order;
  const auto listen = players.on_saved([&](Players::Session& session, const auto& saved) {
    if (saved) order.emplace_back(session.id());
  });
  const auto done = players.on_released(
      [&](Players::Session& session, Reason, bool) { order.emplace_back(session.id()); });
  for (std::size_t i = 0; i < 8; ++i)
    all[i].edit()->coins = 1, (void)host.save(all[i]);
  auto bought = host.grant_once(players, 8u, "receipt", [](Player& p) { p.coins = 5; });
  for (std::size_t i = 20; i < 29; ++i)
    (void)host.release(all[i]);
  db.script() = {};
  settle();
  EXPECT_EQ(db.script().commit_requests, 10U);
  EXPECT_TRUE(bought.ready()) << "who has paid waits for others' saves";
  for (std::size_t i = 20; i < 29; ++i)
    EXPECT_EQ(all[i].state(), State::released);
  EXPECT_TRUE(all[0].is_dirty());
}

TEST_F(HostBudget, renewals_go_in_any_case) {
  for (int i = 0; i < 10; ++i)
    (void)host.peek(players, 0u);
  settle();
  db.script() = {};
  clock.advance(20s);
  settle();
  EXPECT_EQ(db.script().commit_requests, 30U);
}

TEST_F(HostBudget,
       calls_that_go_to_storage_by_themselves_are_of_the_budget_too_and_bulk_comes_last) {
  std::vector<persist::Future<persist::Result<persist::Inspection>>> bulk;
  for (int i = 0; i < 5; ++i)
    bulk.push_back(host.inspect(players, 0u));
  std::vector<persist::Future<persist::Result<persist::Peeked<Player>>>> reads;
  for (int i = 0; i < 10; ++i)
    reads.push_back(host.peek(players, 0u));
  settle();
  const auto count = [](auto& futures) {
    return std::count_if(futures.begin(), futures.end(), [](auto& each) { return each.ready(); });
  };
  EXPECT_EQ(count(bulk) + count(reads), 10);
  clock.advance(1s);
  settle();
  EXPECT_EQ(count(bulk) + count(reads), 15);
}

TEST_F(HostBudget, a_store_that_is_taken_back_does_not_wait_for_its_budget) {
  for (int i = 0; i < 25; ++i)
    (void)host.peek(players, 0u);
  host.poll();
  host.detach(players);
  EXPECT_TRUE(all[0].save());
}

struct HostOfLittle : HostedWorld {
  persist::Host little{[this] {
    auto told = host_options();
    told.budget = 1;
    return told;
  }()};
  Players others{"others", db, options()};

  HostOfLittle() { EXPECT_TRUE(little.attach(others)); }
};

TEST_F(HostOfLittle, a_call_that_its_caller_gave_up_before_a_lane_had_it_does_not_happen) {
  auto first = little.post(others, 1u, Gift{1});
  auto second = little.post(others, 2u, Gift{1}, {}, {.deadline = 500ms});
  auto third = little.post(others, 3u, Gift{1});
  little.poll();
  third.cancel();
  little.poll();
  EXPECT_TRUE(third.get().is(Errc::cancelled));
  for (int i = 0; i < 5; ++i, clock.advance(1s)) {
    little.poll();
    while (little.run_lane()) {
    }
  }
  little.poll();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get().is(Errc::timeout));
  EXPECT_EQ(db.script().posts, 1U);
}

TEST_F(HostOfLittle, a_shutdown_waits_for_calls_that_wait_for_their_budget) {
  auto first = little.post(others, 1u, Gift{1});
  auto second = little.post(others, 1u, Gift{1});
  auto third = little.post(others, 2u, Gift{1});
  little.poll();
  EXPECT_TRUE(little.shutdown(10s).complete());
  EXPECT_TRUE(first.ready() && second.ready() && third.ready());
  EXPECT_EQ(db.script().posts, 3U);
}

}  // namespace
