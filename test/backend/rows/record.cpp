#include <persist/backend/rows/record.hpp>

#include <gtest/gtest.h>

#include <persist/backend/sqlite/schema.hpp>
#include <persist/backend/sqlite/tables.hpp>

#include "backend/sqlite/support.hpp"

namespace {

namespace sqlite = persist::backend::sqlite;
using persist::Head;
using persist::PastWrite;

TEST(SqliteRecord, ThePastIsReadAsItWasWritten) {
  std::array<PastWrite, 4> past{}, again{};
  EXPECT_TRUE(persist::backend::rows::encode_past(past).empty());
  past[0] = {9, ~std::uint64_t{0}, 3, 4};
  past[1] = {8, 2, 1, 0};
  const persist::Buffer bytes = persist::backend::rows::encode_past(past);
  EXPECT_EQ(bytes.size(), 64u);
  ASSERT_TRUE(persist::backend::rows::decode_past(bytes, again));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(again[i].epoch, past[i].epoch);
    EXPECT_EQ(again[i].nonce, past[i].nonce);
    EXPECT_EQ(again[i].session, past[i].session);
    EXPECT_EQ(again[i].write, past[i].write);
  }
}

TEST(SqliteRecord, APastOfAnotherLengthIsRefused) {
  std::array<PastWrite, 4> past{};
  const persist::Buffer bytes = [] {
    persist::Buffer all;
    (void)all.grow(160);
    return all;
  }();
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{31}, std::size_t{33}, std::size_t{160}})
    EXPECT_FALSE(persist::backend::rows::decode_past(bytes.view().first(size), past)) << size;
  EXPECT_TRUE(persist::backend::rows::decode_past({}, past));
}

TEST(SqliteRecord, EveryFieldOfARowComesBack) {
  const persist_test::SqliteFolder folder;
  ASSERT_TRUE(persist_test::Sqlite(folder.db()).status());
  sqlite::Connection connection;
  connection.open(folder.db());
  persist::backend::rows::Records<sqlite::Sql> records(connection);
  persist::backend::rows::Record record = records.find({7}, "k");
  EXPECT_FALSE(record.exists());
  records.insert(record);
  using std::chrono::milliseconds;
  record.head.fence = {1, {persist::ServerId("eu-1"), ~std::uint64_t{1}, 2}, 3};
  record.head.past[0] = {4, 5, 6, 7};
  record.head.version = 8;
  record.head.load_count = 9;
  record.head.renewals = 10;
  record.head.lease = persist::Duration(11);
  record.head.renewed = persist::TimePoint(persist::Duration(-12));
  record.head.created = persist::WallTime(milliseconds(-13));
  record.head.updated = persist::WallTime(milliseconds(14));
  record.head.asker = {persist::ServerId("us-1"), 15, 16};
  record.has_data = true;
  record.data_bytes = 17;
  record.receipts = 18;
  record.receipts_forgotten = 19;
  record.inbox_messages = 20;
  record.inbox_bytes = 21;
  record.last_position = 22;
  record.ids_forgotten = persist::WallTime(milliseconds(23));
  record.outbox_messages = 24;
  records.write(record);
  ASSERT_TRUE(connection.good()) << connection.error();
  const persist::backend::rows::Record again = records.find({7}, "k");
  const Head &a = again.head, &b = record.head;
  EXPECT_EQ(again.id, record.id);
  EXPECT_TRUE(a.fence == b.fence && a.asker == b.asker && a.past[0].write == 7);
  EXPECT_TRUE(a.version == 8 && a.load_count == 9 && a.renewals == 10);
  EXPECT_TRUE(a.lease == b.lease && a.renewed == b.renewed);
  EXPECT_TRUE(a.created == b.created && a.updated == b.updated);
  EXPECT_TRUE(again.has_data && again.data_bytes == 17 && again.receipts == 18);
  EXPECT_TRUE(again.receipts_forgotten == 19 && again.inbox_messages == 20);
  EXPECT_TRUE(again.inbox_bytes == 21 && again.last_position == 22);
  EXPECT_TRUE(again.ids_forgotten == record.ids_forgotten && again.outbox_messages == 24);
  EXPECT_FALSE(records.find({8}, "k").exists()) << "of another store";
  record.has_data = false;
  records.write(record);
  EXPECT_FALSE(records.find({7}, "k").has_data);
}

}  // namespace
