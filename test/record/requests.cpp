#include <persist/record/requests.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(Requests, BeginWithoutAnError) {
  EXPECT_FALSE(failed(AcquireRequest{}.error));
  EXPECT_FALSE(failed(CommitRequest{}.error));
  EXPECT_FALSE(failed(ReadRequest{}.error));
  EXPECT_FALSE(failed(PostRequest{}.error));
  EXPECT_TRUE(failed(Error(Errc::io)));
  EXPECT_EQ(AcquireRequest{}.outcome, AcquireRequest::Outcome::pending);
  EXPECT_EQ(CommitRequest{}.outcome, CommitRequest::Outcome::pending);
}

TEST(Change, ARenewalAndAReleaseWriteNothingByThemselves) {
  Change change;
  EXPECT_FALSE(change.writes());
  change.lease = LeaseChange::renew;
  EXPECT_FALSE(change.writes());
  change.lease = LeaseChange::release;
  EXPECT_FALSE(change.writes());
}

TEST(Change, EverythingElseIsAWrite) {
  Buffer bytes;
  const std::vector<std::uint64_t> ids;
  const std::uint64_t position = 1;
  Send send;
  const Receipt receipt;
  const auto writes = [](auto set) {
    Change change;
    set(change);
    return change.writes();
  };
  EXPECT_TRUE(writes([&](Change& c) { c.data = &bytes; }));
  EXPECT_TRUE(writes([&](Change& c) { c.removes_data = true; }));
  EXPECT_TRUE(writes([&](Change& c) { c.user_ids = &ids; }));
  EXPECT_TRUE(writes([&](Change& c) { c.metadata = &bytes; }));
  EXPECT_TRUE(writes([&](Change& c) { c.acknowledged = {&position, 1}; }));
  EXPECT_TRUE(writes([&](Change& c) { c.sends = {&send, 1}; }));
  EXPECT_TRUE(writes([&](Change& c) { c.receipts = {&receipt, 1}; }));
  EXPECT_TRUE(writes([&](Change& c) { c.forget_receipts = 1; }));
  EXPECT_TRUE(writes([&](Change& c) { c.created = WallTime{}; }));
  EXPECT_TRUE(writes([&](Change& c) { c.load_count = 0; }));
}

}  // namespace
