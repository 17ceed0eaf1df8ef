#include <persist/record/head.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

const Owner me{ServerId("eu-1"), 7, 1};
const Owner other{ServerId("us-1"), 8, 1};
constexpr TimePoint now{std::chrono::hours(5)};
constexpr Duration minute = std::chrono::minutes(1);

Head held(std::uint64_t epoch = 5, std::uint64_t write = 3) {
  Head head;
  head.fence = {epoch, me, write};
  head.lease = minute;
  head.renewed = now;
  return head;
}
Verdict judged(const Head& head, std::uint64_t epoch, const Owner& owner, std::uint64_t write,
               std::uint64_t forgotten_below = 0) {
  return judge(head, {epoch, owner, write}, forgotten_below);
}

TEST(Judge, AppliesOnlyAHigherNumberOfTheNewestEpochAndItsOwner) {
  EXPECT_EQ(judged(held(), 5, me, 4), Verdict::apply);
  EXPECT_EQ(judged(held(), 5, me, 9), Verdict::apply);
  EXPECT_EQ(judged(held(), 5, me, 3), Verdict::repeated);
  EXPECT_EQ(judged(held(), 5, me, 2), Verdict::superseded);
  EXPECT_EQ(judged(held(), 4, me, 4), Verdict::fenced);
  EXPECT_EQ(judged(held(), 6, me, 4), Verdict::fenced);
  EXPECT_EQ(judged(held(), 5, other, 4), Verdict::fenced);
}

TEST(Judge, KnowsTheLastWriteOfAnEpochThatWasReleased) {
  Head head = held();
  end_epoch(head);
  EXPECT_EQ(judged(head, 5, me, 3), Verdict::repeated);
  EXPECT_EQ(judged(head, 5, me, 2), Verdict::superseded);
  EXPECT_EQ(judged(head, 5, me, 4), Verdict::fenced);
  EXPECT_EQ(judged(head, 5, Owner{}, 4), Verdict::fenced) << "nobody is not the owner of nobody's";
}

TEST(Judge, AForgottenAcquisitionThatIsHigherIsTheNewest) {
  EXPECT_EQ(judged(held(), 9, other, 1, 10), Verdict::apply);
  EXPECT_EQ(judged(held(), 9, other, 1, 9), Verdict::fenced) << "of this run: it would be known";
  EXPECT_EQ(judged(held(), 4, other, 1, 10), Verdict::fenced);
  EXPECT_EQ(judged(held(), 9, Owner{}, 1, 10), Verdict::fenced);
}

TEST(Judge, AChangeThatClaimsNeedsTheRecordAsItWasSeen) {
  Change change;
  change.claims = Claims::anyway;
  change.fence = {5, other, 1}, change.seen_version = 3;
  const auto judged = [&](const Head& head) { return judge(head, change, now, 0); };
  Head head = held();
  head.version = 3;
  EXPECT_EQ(judged(head), Verdict::apply) << "from whoever holds it";
  change.claims = Claims::unleased;
  EXPECT_EQ(judged(head), Verdict::fenced);
  end_epoch(head);
  EXPECT_EQ(judged(head), Verdict::apply);
  head.version = 4;
  EXPECT_EQ(judged(head), Verdict::fenced) << "somebody saved it";
  head.version = 3, head.fence.epoch = 6;
  EXPECT_EQ(judged(head), Verdict::fenced) << "somebody acquired it";
}

TEST(Landed, IsKnownForFourEpochs) {
  Head head;
  for (std::uint64_t epoch = 1; epoch <= 6; ++epoch) {
    AcquireRequest request;
    request.owner = {ServerId("eu-1"), 7, epoch};
    take(head, request.owner, request.lease, epoch, now);
    head.fence.write = 10 * epoch;
  }
  const auto known = [&](std::uint64_t epoch, std::uint64_t write) {
    return landed(head, {epoch, {ServerId("eu-1"), 7, epoch}, write});
  };
  EXPECT_TRUE(known(6, 60));
  EXPECT_FALSE(known(6, 61));
  EXPECT_TRUE(known(3, 30));
  EXPECT_FALSE(known(3, 31));
  EXPECT_FALSE(known(1, 10)) << "no longer known";
  end_epoch(head);
  EXPECT_TRUE(known(3, 30)) << "four when it is free, too";
}

TEST(Claim, ALeaseHoldsUntilItsEnd) {
  AcquireRequest request;
  request.owner = other;
  EXPECT_EQ(claim(held(), request, now + minute - Duration(1)), Claim::held);
  EXPECT_EQ(claim(held(), request, now + minute), Claim::fresh);
  request.owner = me;
  EXPECT_EQ(claim(held(), request, now + 5 * minute), Claim::again);
}

TEST(Claim, AStealNeedsWhatWasSeen) {
  AcquireRequest request;
  request.owner = other;
  request.intent = Intent::steal;
  request.seen_epoch = 5;
  EXPECT_EQ(claim(held(), request, now), Claim::fresh);
  Head renewed = held();
  ++renewed.renewals;
  EXPECT_EQ(claim(renewed, request, now), Claim::held);
  EXPECT_EQ(claim(held(6), request, now), Claim::held);
}

TEST(Claim, AReclaimTakesWhatAnEarlierRunOfTheSameServerHolds) {
  AcquireRequest request;
  request.owner = {ServerId("eu-1"), 9, 2}, request.reclaims = true;
  EXPECT_EQ(claim(held(), request, now), Claim::fresh);
  request.owner.nonce = me.nonce;
  EXPECT_EQ(claim(held(), request, now), Claim::held) << "of this very run";
  request.owner = {ServerId("eu-2"), 9, 2};
  EXPECT_EQ(claim(held(), request, now), Claim::held);
}

TEST(Claim, AnEpochOfAnotherBackendMustBeHigherThanTheRecords) {
  AcquireRequest request;
  request.owner = other, request.claim_epoch = 6;
  EXPECT_EQ(claim(held(5), request, now), Claim::fresh) << "no lease is looked at";
  EXPECT_EQ(claim(held(6), request, now), Claim::held);
  EXPECT_EQ(claim(held(7), request, now), Claim::held);
  request.owner = me;
  EXPECT_EQ(claim(held(6), request, now), Claim::again);
}

TEST(Advance, ARequestKeepsASaveFromRenewing) {
  Head head = held();
  head.asker = other;
  Change change;
  change.fence = {5, me, 4};
  change.lease = LeaseChange::renew;
  change.lease_length = minute;
  advance(head, change, true, now + minute / 2, WallTime(std::chrono::hours(1)));
  EXPECT_EQ(head.renewed, now);
  EXPECT_EQ(head.version, 1u);
  EXPECT_EQ(head.fence.write, 4u);
  head.asker = Owner{};
  change.fence.write = 5;
  advance(head, change, false, now + minute / 2, {});
  EXPECT_EQ(head.renewed, now + minute / 2);
  EXPECT_EQ(head.version, 1u) << "a renewal is no version";
}

TEST(Claim, ARetryTakesNothingWhereANewerRequestStandsAndAnyOtherAskerWhatIsFree) {
  Head head = held();
  const TimePoint later = now + 2 * minute;
  AcquireRequest request;
  request.owner = other;
  request.intent = Intent::keep_request;
  EXPECT_EQ(claim(head, request, later), Claim::fresh) << "nobody else asks";
  head.asker = other;
  EXPECT_EQ(claim(head, request, later), Claim::fresh) << "its own stands";
  head.asker = Owner{ServerId("ap-1"), 9, 1};
  EXPECT_EQ(claim(head, request, later), Claim::held);
  for (const Intent intent : {Intent::wait, Intent::request}) {
    request.intent = intent;  // whose asker may be dead
    EXPECT_EQ(claim(head, request, later), Claim::fresh);
  }
  request.intent = Intent::keep_request;
  end_epoch(head);
  EXPECT_EQ(claim(head, request, later), Claim::fresh) << "a release clears requests";
}

TEST(Ask, ARequestIsReplacedByANewerAndWithdrawnByItsOwnOnly) {
  Head head = held();
  AcquireRequest request;
  request.owner = other;
  request.intent = Intent::request;
  EXPECT_TRUE(ask(head, request));
  const Owner newer{ServerId("ap-1"), 9, 1};
  request.owner = newer;
  EXPECT_TRUE(ask(head, request));
  request.intent = Intent::withdraw;
  request.owner = other;
  EXPECT_FALSE(ask(head, request));
  EXPECT_EQ(head.asker, newer);
  request.owner = newer;
  ask(head, request);
  EXPECT_FALSE(head.asked());
}

}  // namespace
