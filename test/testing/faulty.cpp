#include <persist/testing/faulty.hpp>

#include <gtest/gtest.h>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include "backend/law_cases.hpp"

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::ManualClock;
using persist::testing::Random;
using persist::testing::Stragglers;
using Line = persist::testing::Faulty<backend::Memory>;

struct Player {
  std::int64_t coins = 0;
};
using Players = Store<std::uint64_t, Player, Line>;

/// A line that loses nothing changes nothing either.
struct QuietLine : Line {
  explicit QuietLine(ManualClock& clock)
      : QuietLine(clock, std::make_shared<Stragglers>(clock, Random(1))) {}

 private:
  QuietLine(ManualClock& clock, std::shared_ptr<Stragglers> made)
      : Line(backend::Memory(clock), *made), stragglers_(std::move(made)) {}
  std::shared_ptr<Stragglers> stragglers_;
};
const int laws = persist_test::register_laws<QuietLine>(
    "LawsOnFaulty", [](ManualClock& clock) { return QuietLine(clock); });

struct FaultyLine : ::testing::Test {
  ManualClock clock;
  Stragglers stragglers{clock, Random(1)};
  backend::Memory database{clock};
  Line line{database, stragglers};
  Line other{database, stragglers};

  StoreOptions options(std::string server) {
    StoreOptions told;
    told.server_id = std::move(server);
    told.clock = &clock;
    told.log.sink = [](LogLevel, std::string_view) {};
    return told;
  }
  Players players{"players", line, options("eu-1")};
  Players elsewhere{"players", other, options("us-1")};

  std::int64_t stored() {
    const auto read = elsewhere.peek(1u);
    return read ? read->data.coins : -1;
  }
};

TEST_F(FaultyLine, HoldsToEveryLawWhereNothingGoesWrong) {
  EXPECT_EQ(static_cast<std::size_t>(laws), persist::testing::backend_laws<QuietLine>().size());
}

TEST_F(FaultyLine, IsADatabaseOfSeveralServers) {
  EXPECT_TRUE(line.same_database(other));
  auto session = *players.load(1u);
  EXPECT_TRUE(elsewhere.try_load(1u).is(Errc::locked));
}

TEST_F(FaultyLine, ThatIsCutLetsNothingThrough) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.cut(true);
  EXPECT_TRUE(session.save().is(Errc::unavailable));
  EXPECT_EQ(stored(), -1);
  EXPECT_TRUE(players.peek(1u).is(Errc::unavailable));
  line.cut(false);
  EXPECT_TRUE(session.save());
  EXPECT_EQ(stored(), 1);
}

TEST_F(FaultyLine, RefusesBeforeAnythingIsDone) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.set_faults({.refused = 1000});
  EXPECT_TRUE(session.save().is(Errc::unavailable));
  EXPECT_EQ(stored(), -1);
}

TEST_F(FaultyLine, LosesAReplyToWhatWasDone) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.set_faults({.no_reply = 1000});
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  EXPECT_EQ(stored(), 1);
}

TEST_F(FaultyLine, LeavesARequestWhoseReplyIsLostAsItWasSent) {
  AcquireRequest take;
  take.store = players.core().store(), take.key = "1", take.lease = 1min;
  take.owner = line.next_owner(ServerId("eu-1"));
  line.acquire(std::span(&take, 1));
  Buffer data(as_bytes("the data"));
  Change change;
  change.store = take.store, change.key = take.key, change.fence = take.record.fence;
  change.fence.write = 1, change.data = &data;
  CommitRequest request{.changes = std::span(&change, 1)};
  line.set_faults({.no_reply = 1000});
  line.commit(std::span(&request, 1));
  EXPECT_EQ(request.error.code(), Errc::unknown_outcome);
  EXPECT_EQ(as_text(data), "the data") << "it may go again";
  EXPECT_EQ(change.version, 0U) << "nobody heard of it";
  EXPECT_EQ(elsewhere.inspect(1u)->version, 1U);
}

TEST_F(FaultyLine, BringsWhatIsLateAsItWasSent) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.set_faults({.late = 1000, .latest = 1min});
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  session.edit()->coins = 2;
  EXPECT_EQ(stored(), -1);
  ASSERT_EQ(stragglers.size(), 1U);
  clock.advance(1min);
  stragglers.arrive();
  EXPECT_EQ(stored(), 1);
}

TEST_F(FaultyLine, BringsSomethingTwiceAndTheFenceKnowsIt) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.set_faults({.twice = 1000});
  ASSERT_TRUE(session.save());
  line.set_faults({});
  session.edit()->coins = 2;
  ASSERT_TRUE(session.save());
  ASSERT_EQ(stragglers.size(), 1U);
  stragglers.arrive_all();
  EXPECT_EQ(stored(), 2);
}

TEST_F(FaultyLine, ToAFullDatabaseRefusesWhatWritesAndLetsTheRestThrough) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.fill(true);
  const auto saved = session.save();
  EXPECT_TRUE(saved.is(Errc::io));
  EXPECT_EQ(saved.error().os_error(), ENOSPC);
  EXPECT_EQ(stored(), -1);
  EXPECT_TRUE(players.load(2u)) << "an acquisition needs no room";
  EXPECT_TRUE(players.erase(1u).is(Errc::io));
  for (int i = 0; i < 180; ++i)
    clock.advance(1s), players.poll();
  EXPECT_EQ(session.state(), State::open) << "nor does a renewal";
  line.fill(false);
  EXPECT_TRUE(session.save());
  EXPECT_EQ(stored(), 1);
}

TEST_F(FaultyLine, ThatIsSlowMovesTheClockAndBringsWhatComesMeanwhile) {
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  line.set_faults({.late = 1000, .latest = 1s});
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  session.edit()->coins = 2;
  const TimePoint begin = clock.now();
  for (int i = 0; i < 20 && stragglers.size() != 0; ++i) {
    line.set_faults({.slow = 1000, .slowest = 30s});
    EXPECT_TRUE(session.save({.force = true}));
  }
  EXPECT_GT(clock.now(), begin);
  EXPECT_EQ(stragglers.size(), 0U);
  EXPECT_EQ(stored(), 2) << "what came late is older than what was saved";
}

TEST_F(FaultyLine, PassesHintsOnUnlessTheyAreLost) {
  static_assert(watched_backend<Line>);
  for (const unsigned unwatched : {0U, 1000U}) {
    Line quiet(database, stragglers, {.unwatched = unwatched});
    Players holder("players", quiet, options("eu-2"));
    const std::uint64_t key = 10 + unwatched;
    auto session = *holder.load(key);
    holder.poll();
    auto asks = players.begin_load(key);
    players.poll();
    EXPECT_EQ(holder.next_deadline() <= clock.now(), unwatched == 0);
  }
}

TEST_F(FaultyLine, AnswersAReadAsItDidBefore) {
  auto session = *elsewhere.load(1u);
  session.edit()->coins = 1;
  ASSERT_TRUE(session.save());
  EXPECT_EQ(players.peek(1u)->data.coins, 1);
  session.edit()->coins = 2;
  ASSERT_TRUE(session.save());
  line.set_faults({.stale = 1000});
  EXPECT_EQ(players.peek(1u)->data.coins, 1);
  EXPECT_EQ(players.inspect(1u)->version, 1U);
  EXPECT_TRUE(players.peek(2u).is(Errc::not_found)) << "what it never read it reads now";
  line.set_faults({});
  EXPECT_EQ(players.peek(1u)->data.coins, 2);
}

TEST_F(FaultyLine, AnswersEachVersionAsItDidThatOne) {
  auto told = options("eu-2");
  told.history = {.keep = 5};
  Players kept("kept", other, told), seen("kept", line, told);
  auto session = *kept.load(1u);
  for (const std::int64_t coins : {1, 2, 3}) {
    session.edit()->coins = coins;
    ASSERT_TRUE(session.save());
  }
  EXPECT_EQ(seen.peek(1u)->data.coins, 3);
  EXPECT_EQ(seen.peek(1u, 1)->data.coins, 1);
  line.set_faults({.stale = 1000});
  EXPECT_EQ(seen.peek(1u, 2)->data.coins, 2) << "what it never read it reads now";
  EXPECT_EQ(seen.versions(1u)->size(), 2U);
  EXPECT_EQ(seen.peek(1u)->data.coins, 3);
  EXPECT_EQ(seen.peek(1u, 1)->data.coins, 1);
}

TEST_F(FaultyLine, ALateAcquisitionTakesARecordThatNobodyWaitsFor) {
  line.set_faults({.late = 1000});
  EXPECT_FALSE(players.try_load(1u));
  line.set_faults({});
  EXPECT_FALSE(elsewhere.inspect(1u)->held);
  stragglers.arrive_all();
  EXPECT_TRUE(elsewhere.try_load(1u).is(Errc::locked));
}

}  // namespace
