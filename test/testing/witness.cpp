#include <persist/testing/witness.hpp>

#include <gtest/gtest.h>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include "backend/law_cases.hpp"

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::ManualClock;
using persist::testing::Witness;
using Watched = Witness<backend::Memory>;

const int laws = persist_test::register_laws<Watched>(
    "LawsOnWitness", [](ManualClock& clock) { return Watched(backend::Memory(clock)); });

/// A database that applies whatever it is sent, and gives out one epoch to all.
struct Careless : backend::Memory {
  using Memory::Memory;
  void acquire(std::span<AcquireRequest> batch) {
    for (AcquireRequest& request : batch) {
      request.outcome = AcquireRequest::Outcome::taken;
      request.record.fence = {1, request.owner, 0};
    }
  }
  void commit(std::span<CommitRequest> batch) {
    for (CommitRequest& request : batch)
      request.outcome = refuses ? CommitRequest::Outcome::fenced : CommitRequest::Outcome::applied;
  }
  bool refuses = false;
};

struct WitnessCase : ::testing::Test {
  ManualClock clock;
  Careless careless{clock};
  StoreId store;

  AcquireRequest take(Witness<Careless>& watched, std::uint64_t session) {
    AcquireRequest request;
    request.store = store, request.key = "a player", request.lease = 1min;
    request.owner = {ServerId("eu"), 1, session};
    watched.acquire(std::span(&request, 1));
    return request;
  }
  void commit(Witness<Careless>& watched, const AcquireRequest& taken, std::uint64_t write,
              LeaseChange lease = LeaseChange::keep) {
    Change change;
    change.store = store, change.key = taken.key, change.fence = taken.record.fence;
    change.fence.write = write, change.lease = lease;
    CommitRequest request{.changes = std::span(&change, 1)};
    watched.commit(std::span(&request, 1));
  }
};

TEST_F(WitnessCase, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(laws), persist::testing::backend_laws<Watched>().size());
}

TEST_F(WitnessCase, SaysThatAnEpochWasGivenOutTwice) {
  Witness watched(careless);
  (void)take(watched, 1);
  (void)take(watched, 1);
  EXPECT_TRUE(watched.violations().empty()) << "the same owner again";
  (void)take(watched, 2);
  ASSERT_EQ(watched.violations().size(), 1U);
  EXPECT_EQ(watched.violations()[0],
            "a player was given out under epoch 1 of session 2, write 0, after epoch 1 of session "
            "1, write 0");
}

TEST_F(WitnessCase, SaysThatAnOldFenceWasAccepted) {
  Witness watched(careless);
  const AcquireRequest first = take(watched, 1), second = take(watched, 2);
  watched.violations().clear();
  commit(watched, second, 1);
  commit(watched, second, 3);
  EXPECT_TRUE(watched.violations().empty());
  commit(watched, first, 1);
  EXPECT_EQ(watched.violations().size(), 1U) << "by its owner";
  commit(watched, second, 2);
  commit(watched, second, 1);
  EXPECT_EQ(watched.violations().size(), 2U) << "by its number";
}

TEST_F(WitnessCase, SaysThatARecordWasWrittenBehindItsRelease) {
  Witness watched(careless);
  const AcquireRequest taken = take(watched, 1);
  commit(watched, taken, 1, LeaseChange::release);
  EXPECT_TRUE(watched.violations().empty());
  commit(watched, taken, 2);
  EXPECT_EQ(watched.violations().size(), 1U);
}

TEST_F(WitnessCase, SaysThatARecordWasClaimedThatWasNotAsItWasSeen) {
  Witness watched(careless);
  const AcquireRequest taken = take(watched, 1);
  Change change;
  change.store = store, change.key = taken.key, change.claims = Claims::anyway;
  change.fence = {1, {ServerId("us"), 1, 2}, 1}, change.epoch = 2;
  CommitRequest request{.changes = std::span(&change, 1)};
  watched.commit(std::span(&request, 1));
  EXPECT_TRUE(watched.violations().empty());
  change.fence.owner.session = 3;
  watched.commit(std::span(&request, 1));
  EXPECT_EQ(watched.violations().size(), 1U) << "somebody had claimed it since";
}

TEST_F(WitnessCase, SaysThatItsHolderWasRefused) {
  careless.refuses = true;
  Witness watched(careless);
  const AcquireRequest taken = take(watched, 1);
  commit(watched, taken, 1);
  EXPECT_EQ(watched.violations().size(), 1U);
}

TEST_F(WitnessCase, FollowsADatabaseThatIsPutBack) {
  Watched watched{backend::Memory(clock)};
  Store<int, int, Watched> players("players", watched, {.clock = &clock});
  ASSERT_TRUE(players.load(1)->release());
  const auto backup = watched.backup();
  auto forgotten = *players.load(1);
  std::vector<std::string> erased;
  watched.on_erase([&](std::string_view key) -> std::function<void()> {
    return [&erased, name = std::string(key)] { erased.push_back(name); };
  });
  watched.restore(backup);
  Store<int, int, Watched> elsewhere("players", watched, {.clock = &clock});
  auto newest = *elsewhere.load(1);
  EXPECT_EQ(newest.epoch(), forgotten.epoch());
  EXPECT_TRUE(newest.save({.force = true}));
  EXPECT_FALSE(forgotten.save({.force = true}));
  EXPECT_TRUE(elsewhere.erase(1));
  EXPECT_EQ(erased, std::vector<std::string>{"1"});
  EXPECT_TRUE(watched.violations().empty());
}

TEST_F(WitnessCase, SeesACommitThatIsAppliedTwice) {
  Witness<Careless> watched(careless);
  const auto taken = take(watched, 1);
  commit(watched, taken, 1);
  EXPECT_TRUE(watched.violations().empty());
  commit(watched, taken, 1);
  EXPECT_EQ(watched.violations().size(), 1U);
}

TEST_F(WitnessCase, KnowsWhatLandedAndWhoTookTheRecordSince) {
  Witness<backend::Memory> watched{backend::Memory(clock)};
  std::vector<Fence> taken;
  watched.on_take([&](std::string_view key, const Fence& fence) {
    EXPECT_EQ(key, "7");
    taken.push_back(fence);
  });
  Store<std::uint64_t, int, Witness<backend::Memory>> players("players", watched,
                                                              {.clock = &clock});
  const StoreId at = players.core().store();
  Fence first;
  {
    auto session = *players.load(7u);
    ASSERT_EQ(taken.size(), 1U);
    first = taken[0], first.write = 1;
    EXPECT_TRUE(watched.is_newest(at, "7", first));
    EXPECT_FALSE(watched.has_landed(at, "7", first));
    *session.edit() = 5;
    ASSERT_TRUE(session.release());
  }
  EXPECT_TRUE(watched.has_landed(at, "7", first));
  EXPECT_TRUE(watched.is_newest(at, "7", first)) << "it was given back, and nobody took it";
  first.write = 2;
  EXPECT_FALSE(watched.has_landed(at, "7", first)) << "that one was never sent";
  ASSERT_TRUE(players.load(7u));
  EXPECT_FALSE(watched.is_newest(at, "7", first));
  EXPECT_EQ(taken.size(), 2U);
  EXPECT_FALSE(watched.was_erased(at, "7", first));
  ASSERT_TRUE(players.erase(7u));
  EXPECT_TRUE(watched.was_erased(at, "7", first));
  EXPECT_FALSE(watched.is_newest(at, "8", first)) << "nobody ever had it";
}

}  // namespace
