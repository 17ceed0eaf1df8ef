#include <persist/backend/file/parts.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::backend::file;

Inbox some_inbox() {
  Inbox inbox;
  const WallTime now{std::chrono::hours(24 * 365 * 50)};
  const RecordLimits limits;
  receive(inbox, {{1, 2}, 3, 4, {}}, {"Gift", 7, 2, now, as_bytes("one")}, limits, now);
  receive(inbox, {{5, 6}, 0, 0, now}, {"Mail", 8, 0, {}, as_bytes("")}, limits, now);
  receive(inbox, {{1, 2}, 3, 5, {}}, {"Gift", 7, 2, now, as_bytes("three")}, limits, now);
  const std::uint64_t out[] = {1};
  acknowledge(inbox, out);
  inbox.forgotten = now - std::chrono::hours(1);
  return inbox;
}

TEST(FileParts, AnInboxIsReadAsItWasWritten) {
  const Inbox was = some_inbox();
  Inbox read;
  ASSERT_TRUE(decode_inbox(encode_inbox(was), read));
  EXPECT_EQ(read.last_position, 3u);
  EXPECT_EQ(read.forgotten, was.forgotten);
  EXPECT_EQ(read.bytes, was.bytes) << "what counts against the limit is counted anew";
  ASSERT_EQ(read.messages.size(), 2u);
  EXPECT_EQ(read.messages[1].type, "Gift");
  EXPECT_EQ(as_text(read.messages[1].payload), "three");
  EXPECT_EQ(read.messages[1].origin, was.messages[1].origin);
  EXPECT_EQ(read.messages[1].expires, was.messages[1].expires);
  EXPECT_EQ(read.messages[0].posted, was.messages[0].posted);
  ASSERT_EQ(read.senders.size(), 1u);
  EXPECT_EQ(read.senders[0].number, 5u);
  ASSERT_EQ(read.known.size(), 1u);
  EXPECT_EQ(read.known[0].position, 2u);
}

TEST(FileParts, AnOutboxIsReadAsItWasWritten) {
  Outbox was;
  was.messages.push_back(
      {{3}, "key", 1, 2, "Gift", 4, 5, WallTime(std::chrono::hours(6)), Buffer(as_bytes("x"))});
  was.messages.push_back({{0}, std::string(255, 'k'), 1, 3, "", 0, 0, {}, {}});
  Outbox read;
  ASSERT_TRUE(decode_outbox(encode_outbox(was), read));
  ASSERT_EQ(read.messages.size(), 2u);
  EXPECT_EQ(read.messages[0].store, StoreId{3});
  EXPECT_EQ(read.messages[0].number, 2u);
  EXPECT_EQ(as_text(read.messages[0].payload), "x");
  EXPECT_EQ(read.messages[1].key.size(), 255u);
}

TEST(FileParts, ReceiptsAndUserIdsAreReadAsTheyWereWritten) {
  const std::vector<Receipt> receipts{{{1, 2}, 3}, {{4, 5}, 6}};
  std::vector<Receipt> read{{{9, 9}, 9}};
  ASSERT_TRUE(decode_receipts(encode_receipts(receipts), read));
  EXPECT_EQ(read.size(), 3u) << "a page is appended";
  EXPECT_EQ(read[2], receipts[1]);
  std::vector<std::uint64_t> ids{7};
  ASSERT_TRUE(decode_user_ids(encode_user_ids({1, ~std::uint64_t{0}}), ids));
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, ~std::uint64_t{0}}));
}

TEST(FileParts, EveryCutIsRefusedAndNothingCrashes) {
  const Buffer inbox = encode_inbox(some_inbox());
  for (std::size_t cut = 0; cut < inbox.size(); ++cut) {
    Inbox read;
    EXPECT_FALSE(decode_inbox(inbox.view().first(cut), read)) << cut;
  }
  for (std::size_t i = 0; i < inbox.size(); ++i) {
    Buffer changed = inbox;
    changed.data()[i] = std::byte{0xff};
    Inbox read;
    (void)decode_inbox(changed, read);
    EXPECT_LE(read.messages.size(), inbox.size() / 64);
  }
  std::vector<Receipt> receipts;
  EXPECT_FALSE(decode_receipts(inbox.view().first(21), receipts));
}

}  // namespace
