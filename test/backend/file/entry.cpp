#include <persist/backend/file/entry.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::backend;
using namespace persist::backend::file;

/// A record with some of everything, written as the second entry of a batch at offset 1000.
struct Written {
  Written() {
    record.head.fence = {5, {ServerId("eu-1"), 7, 8}, 9};
    record.head.past[0] = {4, 7, 6, 3};
    record.head.version = 11;
    record.head.load_count = 2;
    record.head.created = WallTime(std::chrono::milliseconds(1000));
    record.head.updated = WallTime(std::chrono::milliseconds(2000));
    auto extra = std::make_shared<Extra>();
    extra->metadata = {2, 500, 10, 77};
    extra->indexed = {2, 600, 14, 79};
    extra->receipts = {{1, 40, 20, 78}, {}};
    extra->history = {{}, {1, 60, 30, 79}, {}};
    extra->receipts_forgotten = 3;
    extra->inbox_messages = 4;
    extra->inbox_bytes = 400;
    extra->last_position = 12;
    record.extra = extra;
    write_entry(bytes, StoreEntry{0, "store", {1, 2}, LockKind::lease});
    begin = bytes.size();
    const FreshPart fresh[] = {{&record.data, as_bytes("data")},
                               {&extra->receipts[1], as_bytes("page")},
                               {&extra->history[0], as_bytes("which there are")},
                               {&extra->history[2], as_bytes("older")}};
    write_record(bytes, 3, 1000, 0, "key", record, fresh);
    for (const FreshPart& part : fresh)
      bytes.append(part.bytes);
  }
  Buffer bytes;
  std::size_t begin = 0;
  Record record;
};

TEST(FileEntry, ARecordIsReadAsItWasWritten) {
  const Written written;
  std::size_t at = written.begin;
  const auto raw = next_entry(written.bytes, at, 3, 1000);
  ASSERT_TRUE(raw);
  EXPECT_EQ(at, written.bytes.size());
  const auto entry = read_record(*raw);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->key, "key");
  const Record& read = entry->record;
  const Record& was = written.record;
  EXPECT_EQ(read.head.fence, was.head.fence);
  EXPECT_EQ(read.head.past[0].write, 3u);
  EXPECT_EQ(read.head.version, 11u);
  EXPECT_EQ(read.head.updated, was.head.updated);
  EXPECT_EQ(read.data, was.data);
  EXPECT_EQ(read.more().metadata, was.more().metadata);
  EXPECT_EQ(read.more().indexed, was.more().indexed);
  EXPECT_EQ(read.more().receipts, was.more().receipts);
  EXPECT_EQ(read.more().history, was.more().history);
  EXPECT_EQ(read.more().receipts_forgotten, 3u);
  EXPECT_EQ(read.more().last_position, 12u);
  EXPECT_EQ(read.entry_size, was.entry_size);
  EXPECT_EQ(read.live_bytes(), was.live_bytes());
}

TEST(FileEntry, AFreshPartLiesWhereItsPlaceSays) {
  const Written written;
  const Place& data = written.record.data;
  EXPECT_EQ(data.segment, 3u);
  EXPECT_EQ(as_text(written.bytes.view().subspan(data.offset - 1000, data.size)), "data");
  EXPECT_EQ(data.crc, persist::detail::crc32c(as_bytes("data")));
}

TEST(FileEntry, ABatchMayLieElsewhereAndMeansTheSame) {
  const Written written;
  std::size_t at = written.begin;
  const auto entry = read_record(*next_entry(written.bytes, at, 9, 5000));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->record.data.segment, 9u);
  EXPECT_EQ(entry->record.data.offset, written.record.data.offset + 4000);
  EXPECT_EQ(entry->record.more().metadata, written.record.more().metadata) << "lies where it lay";
}

TEST(FileEntry, EveryCutIsNoticed) {
  const Written written;
  std::size_t from = written.begin;
  const RawEntry raw = *next_entry(written.bytes, from, 3, 1000);
  for (std::size_t cut = 0; cut < raw.body.size(); ++cut) {
    RawEntry shorter = raw;
    shorter.body = raw.body.first(cut);
    EXPECT_FALSE(read_record(shorter)) << cut << " of " << raw.body.size();
  }
  for (std::size_t cut = 0; cut < written.begin; ++cut) {
    std::size_t at = 0;
    EXPECT_FALSE(next_entry(written.bytes.view().first(cut), at, 3, 0)) << cut;
  }
}

TEST(FileEntry, AllKindsAreReadAsTheyWereWritten) {
  Buffer bytes;
  write_entry(bytes, StoreEntry{2, "players", {3, 4}, LockKind::none});
  write_entry(bytes, ErasedEntry{2, {5, 6}, 7, 8, "key"});
  write_entry(bytes, RunEntry{9, {10, "host", WallTime(std::chrono::milliseconds(11))}});
  write_oldest(bytes, 12);
  std::size_t at = 0;
  const auto store = read_store(next_entry(bytes, at, 1, 0)->body);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->name, "players");
  EXPECT_EQ(store->lock, LockKind::none);
  EXPECT_EQ(store->birth, (Hash128{3, 4}));
  const auto erased = read_erased(next_entry(bytes, at, 1, 0)->body);
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->epoch, 7u);
  EXPECT_EQ(erased->key, "key");
  const auto run = read_run(next_entry(bytes, at, 1, 0)->body);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->run, 9u);
  EXPECT_EQ(run->opened_by.host, "host");
  EXPECT_EQ(read_oldest(next_entry(bytes, at, 1, 0)->body), 12u);
  EXPECT_EQ(at, bytes.size());
}

TEST(FileEntry, AnUnknownKindIsRefused) {
  Buffer bytes;
  write_oldest(bytes, 12);
  for (const int kind : {0, 7, 255}) {
    bytes.data()[0] = static_cast<std::byte>(kind);
    std::size_t at = 0;
    EXPECT_FALSE(next_entry(bytes, at, 1, 0));
  }
}

}  // namespace
