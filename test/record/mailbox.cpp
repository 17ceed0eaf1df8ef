#include <persist/record/mailbox.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using Got = Reception::Outcome;

constexpr WallTime now{std::chrono::hours(24 * 365 * 50)};
constexpr RecordLimits limits;
MessageOrigin id(std::uint64_t number, WallTime tried = now) {
  return {{number, 0}, 0, 0, tried};
}
MessageOrigin numbered(std::uint64_t epoch, std::uint64_t number) {
  return {{77, 0}, epoch, number, {}};
}
Reception put(Inbox& inbox, const MessageOrigin& origin, const RecordLimits& within = limits,
              WallTime at = now) {
  return receive(inbox, origin, {"Gift", 1, 0, {}, as_bytes("payload")}, within, at);
}

TEST(Inbox, PositionsRiseAndAreNeverGivenTwice) {
  Inbox inbox;
  EXPECT_EQ(put(inbox, id(1)).position, 1u);
  EXPECT_EQ(put(inbox, id(2)).position, 2u);
  const std::uint64_t out[] = {1, 2, 9};
  acknowledge(inbox, out);
  EXPECT_TRUE(inbox.messages.empty());
  EXPECT_EQ(inbox.bytes, 0u);
  EXPECT_EQ(put(inbox, id(3)).position, 3u);
}

TEST(Inbox, ARepeatIsKnownBeforeThereIsAQuestionOfRoom) {
  Inbox inbox;
  RecordLimits one;
  one.inbox_messages = 1;
  EXPECT_EQ(put(inbox, id(1), one).outcome, Got::accepted);
  EXPECT_EQ(put(inbox, id(2), one).outcome, Got::full);
  EXPECT_EQ(put(inbox, id(1), one).outcome, Got::repeated);
  EXPECT_EQ(put(inbox, id(1), one).position, 1u) << "answered as the first was";
}

constexpr WallTime later = now + limits.repeats_known;
/// An inbox that has forgotten the id 1 at `later`.
Inbox forgetful() {
  Inbox inbox;
  for (std::uint64_t each = 1; each <= ids_kept; ++each)
    put(inbox, id(each));
  put(inbox, id(ids_kept + 1, later), limits, later);
  return inbox;
}

TEST(Inbox, AnIdIsForgottenOnlyWhenItWouldBeRefused) {
  Inbox inbox = forgetful();
  EXPECT_EQ(inbox.known.size(), ids_kept) << "the oldest is forgotten";
  EXPECT_EQ(put(inbox, id(1), limits, later).outcome, Got::too_late);
  EXPECT_EQ(put(inbox, id(2), limits, later).outcome, Got::repeated);
  EXPECT_EQ(inbox.messages.size(), ids_kept + 1);
}

TEST(Inbox, AnIdOfWhichNobodySaysWhenItWasTriedFirstIsKnownWhileThereAreFew) {
  Inbox inbox;
  put(inbox, id(1));
  for (std::uint64_t each = 2; each <= ids_kept; ++each)
    put(inbox, id(each, later), limits, later);
  EXPECT_EQ(put(inbox, id(1, later), limits, later).outcome, Got::repeated);
}

TEST(Inbox, HowManyIdsThereAreNoneIsForgottenBeforeItsTime) {
  Inbox inbox;
  for (std::uint64_t each = 1; each <= 3 * ids_kept; ++each)
    put(inbox, id(each));
  EXPECT_EQ(put(inbox, id(1)).outcome, Got::repeated);
}

TEST(Inbox, AnIdThatWasForgottenIsNotTakenWhenTheCalendarIsPutBack) {
  Inbox inbox = forgetful();
  EXPECT_EQ(put(inbox, id(1), limits, now).outcome, Got::too_late);
  EXPECT_EQ(put(inbox, id(999), limits, now).outcome, Got::too_late) << "nobody can tell";
  const WallTime next = now + std::chrono::hours(1);
  EXPECT_EQ(put(inbox, id(1000, next), limits, next).outcome, Got::accepted);
}

TEST(Inbox, ANumberNeverGoesBack) {
  Inbox inbox;
  EXPECT_EQ(put(inbox, numbered(5, 2)).outcome, Got::accepted);
  EXPECT_EQ(put(inbox, numbered(5, 2)).outcome, Got::repeated);
  EXPECT_EQ(put(inbox, numbered(5, 1)).outcome, Got::repeated);
  EXPECT_EQ(put(inbox, numbered(4, 9)).outcome, Got::repeated);
  EXPECT_EQ(put(inbox, numbered(5, 3)).outcome, Got::accepted);
  EXPECT_EQ(put(inbox, numbered(6, 1)).outcome, Got::accepted);
  EXPECT_EQ(inbox.senders.size(), 1u);
}

TEST(Inbox, NewerThanIsWhatASessionHasNotSeen) {
  Inbox inbox;
  for (std::uint64_t i = 1; i <= 3; ++i)
    put(inbox, id(i));
  EXPECT_EQ(newer_than(inbox, 0).size(), 3u);
  EXPECT_EQ(newer_than(inbox, 2).size(), 1u);
  EXPECT_EQ(newer_than(inbox, 9).size(), 0u);
}

TEST(Outbox, KnowsForWhomSomethingWaits) {
  Outbox outbox;
  outbox.messages.push_back({{1}, "a", 5, 1, "Gift", 1, 0, {}, {}});
  outbox.messages.push_back({{1}, "b", 5, 2, "Gift", 1, 0, {}, {}});
  EXPECT_TRUE(outbox.waits_for({1}, "a"));
  EXPECT_FALSE(outbox.waits_for({2}, "a")) << "a record of another store";
  EXPECT_TRUE(outbox.holds(5, 2));
  EXPECT_FALSE(outbox.holds(6, 2));
  const OutgoingMessage taken[] = {outbox.messages[0]};
  outbox.take_out(taken);
  EXPECT_EQ(outbox.numbers(), std::vector<std::uint64_t>{2});
}

TEST(Inbox, AMessageIsAdmittedByWhatItsOwnOriginLeft) {
  Inbox whole, part;
  for (std::uint64_t n = 1; n <= 3; ++n)
    receive(whole, {{n, 0}, 1, n, {}}, {"Gift", 1, 0, {}, {}}, limits, now);
  part.last_position = whole.last_position;
  part.bytes = whole.bytes;
  part.senders.push_back(*find_sender(whole.senders, {2, 0}));
  const MessageView message{"Gift", 1, 0, {}, as_bytes("x")};
  EXPECT_EQ(admit(part, 3, {{2, 0}, 1, 2, {}}, message, limits, now).outcome, Got::repeated);
  RecordLimits three;
  three.inbox_messages = 3;
  EXPECT_EQ(admit(part, 3, {{2, 0}, 1, 3, {}}, message, three, now).outcome, Got::full);
  const Reception got = admit(part, 3, {{2, 0}, 1, 3, {}}, message, limits, now);
  EXPECT_TRUE(got.outcome == Got::accepted && got.position == 4);
  EXPECT_EQ(part.senders[0].number, 3u);
  EXPECT_EQ(part.bytes, whole.bytes + inbox_cost(message));
  EXPECT_TRUE(part.messages.empty()) << "which the caller keeps";
}

}  // namespace
