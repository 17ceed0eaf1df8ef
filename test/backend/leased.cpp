#include <persist/backend/leased.hpp>

#include <gtest/gtest.h>
#include <support/flaky_backend.hpp>

#include <persist/backend/memory.hpp>
#include <persist/testing/manual_clock.hpp>

#include "backend/law_cases.hpp"

// Data here, leases there: together what every backend is.

namespace {

using namespace persist;
using namespace std::chrono_literals;
using backend::Memory;
using persist::testing::ManualClock;
using persist::testing::Report;
using Both = backend::Leased<Memory, Memory>;
namespace laws = persist::testing::laws;

static_assert(transactional_backend<Both> && watched_backend<Both> && holds_schemas<Both> &&
              queries_indexes<Both> && versioned_backend<Both>);

const int count = persist_test::register_laws<Both>(
    "LawsOnLeased", [](ManualClock& clock) { return Both(Memory(clock), Memory(clock)); });

TEST(Leased, every_law_is_run) {
  EXPECT_EQ(static_cast<std::size_t>(count), persist::testing::backend_laws<Both>().size());
}

struct LeasedTest : ::testing::Test {
  ManualClock clock;
  Memory data{clock};
  Report report;

  ~LeasedTest() override { EXPECT_TRUE(report.passed()) << report.text(); }
};

TEST_F(LeasedTest, leases_that_were_forgotten_begin_above_what_the_data_knows) {
  Both before(data, Memory(clock));
  laws::Driver<Both> d(before, clock, report, "players", LockKind::external);
  laws::Holding old = d.take("k");
  for (int i = 0; i < 5; ++i) {
    d.report.that(d.commit(d.next(old).data("x").release()) == laws::Outcome::applied, "saved");
    old = d.take("k");
  }
  d.save(old, "before");
  Both after(data, Memory(clock));  // the backend of the leases is new, and knows nothing
  laws::Driver<Both> e(after, clock, report, "players", LockKind::external);
  laws::Holding fresh = e.take("k");
  EXPECT_GT(fresh.fence.epoch, old.fence.epoch);
  e.save(fresh, "after");
  EXPECT_EQ(d.commit(d.next(old).data("late")), laws::Outcome::fenced);
  EXPECT_TRUE(e.holds_text("k", "after"));
}

TEST_F(LeasedTest, a_late_claim_of_an_older_lease_takes_nothing) {
  Memory leases(clock);
  Both both(data, leases);
  laws::Driver<Both> d(both, clock, report, "players", LockKind::external);
  laws::Driver<Memory> direct(data, clock, report, "players", LockKind::external);
  const laws::Holding slow = d.take("k");
  clock.advance(2min);
  laws::Holding fast = d.take("k");
  d.save(fast, "x");
  AcquireRequest late{direct.store, "k", slow.fence.owner, Duration::zero()};
  late.claim_epoch = slow.fence.epoch;
  data.acquire({&late, 1});
  EXPECT_EQ(late.outcome, AcquireRequest::Outcome::held);
  d.save(fast, "y");
}

TEST_F(LeasedTest, somebody_elses_lease_is_seen_as_a_request_to_let_go) {
  Memory leases(clock);
  Both both(data, leases);
  laws::Driver<Both> d(both, clock, report, "players", LockKind::external);
  laws::Driver<Memory> in_leases(leases, clock, report, "players#leases", LockKind::external);
  laws::Holding mine = d.take("k");
  clock.advance(2min);
  (void)in_leases.take("k");  // acquired, and not claimed yet
  laws::Draft save = d.next(mine).data("x").renew();
  EXPECT_EQ(d.commit(save), laws::Outcome::applied) << "the claim is the fence";
  EXPECT_TRUE(save.change().release_requested);
}

TEST_F(LeasedTest, what_is_written_and_cannot_be_said_to_be_can_be_sent_again) {
  using Unsure = test::FlakyBackend<Memory>;
  Unsure leases{Memory(clock)};
  persist::backend::Leased<Memory, Unsure> both(data, leases);
  laws::Driver<decltype(both)> d(both, clock, report, "players", LockKind::external);
  laws::Holding mine = d.take("k");
  leases.fail_commits(persist::Errc::unavailable);
  auto draft = d.next(mine).data("hello").renew();
  EXPECT_EQ(d.commit(draft), laws::Outcome::failed);
  EXPECT_TRUE(d.holds_text("k", "hello"));
  EXPECT_EQ(persist::as_text(*draft.change().data), "hello") << "the same bytes go again";
}

}  // namespace
