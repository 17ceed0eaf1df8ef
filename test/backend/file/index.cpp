#include <persist/backend/file/index.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::backend::file;

/// Replays all entries of a payload, as opening a log does.
bool replayed(Index& index, ByteView payload) {
  std::size_t at = 0;
  while (at < payload.size()) {
    const auto entry = next_entry(payload, at, 1, 0);
    if (!entry || !index.replay(*entry)) return false;
  }
  return true;
}
const ByteView names = as_bytes("names and kinds");

Buffer store_and(const SchemaEntry& schema) {
  Buffer payload;
  write_entry(payload, StoreEntry{0, "Players", {1, 2}, LockKind::lease});
  write_entry(payload, schema);
  return payload;
}

TEST(FileIndex, ASchemaIsKeptUnderItsName) {
  Index index;
  ASSERT_TRUE(replayed(index, store_and({0, schema_id(names), names})));
  EXPECT_EQ(as_text(index.stores[0].schemas.at(schema_id(names))), "names and kinds");
  EXPECT_TRUE(replayed(index, store_and({0, schema_id(names), names}))) << "each segment says it";
}

TEST(FileIndex, ASchemaUnderAnothersNameOrOfNoStoreMakesNoSense) {
  Index index;
  EXPECT_FALSE(replayed(index, store_and({0, {7, 7}, names})));
  EXPECT_FALSE(replayed(index, store_and({1, schema_id(names), names})));
  EXPECT_TRUE(index.stores[0].schemas.empty());
}

TEST(FileIndex, WhatASegmentBeginsWithIsAllThatIsNeededOfOlderOnes) {
  Index index;
  ASSERT_TRUE(replayed(index, store_and({0, schema_id(names), names})));
  Buffer begin;
  index.write_stores(begin);
  Index next;
  ASSERT_TRUE(replayed(next, begin));
  EXPECT_EQ(next.stores[0].name, "Players");
  EXPECT_EQ(next.stores[0].schemas, index.stores[0].schemas);
}

/// A record with an entry in a board, as the batch of a segment.
struct Listed {
  explicit Listed(std::int64_t value, bool beside = true) {
    append_index_entry(part, "coins", value);
    write_entry(payload, StoreEntry{0, "Players", {1, 2}, LockKind::lease});
    auto extra = std::make_shared<Extra>();
    record.extra = extra;
    const FreshPart fresh[] = {{&extra->indexed, part}};
    if (!beside) extra->indexed = {7, 100, static_cast<std::uint32_t>(part.size()), 1};
    write_record(payload, 1, 0, 0, "key", record, std::span(fresh, beside ? 1 : 0));
    if (beside) payload.append(part);
  }
  Buffer part;
  Buffer payload;
  Record record;
};
std::string board_of(const Index& index) {
  IndexRequest request{.index = "coins", .most = 9};
  index.stores[0].indexes.query(request);
  std::string all;
  for (const IndexRow& row : request.rows)
    all += row.key + "=" + std::to_string(row.value) + " ";
  return all + "damaged " + std::to_string(request.damaged.size());
}

TEST(FileIndex, AnEntryThatLiesBesideItsRecordIsTakenInWithIt) {
  Index index;
  ASSERT_TRUE(replayed(index, Listed(5).payload));
  EXPECT_EQ(board_of(index), "key=5 damaged 0");
  ASSERT_TRUE(replayed(index, Listed(6).payload));
  EXPECT_EQ(board_of(index), "key=6 damaged 0");
  index.read_unlisted(1000, [](const Place&) -> Result<Buffer> {
    ADD_FAILURE() << "nothing is left to read";
    return Errc::corrupt;
  });
}

TEST(FileIndex, AnEntryThatLiesElsewhereIsReadWhenAllIsKnown) {
  const Listed listed(5, false);
  for (const std::uint64_t most : {listed.part.size(), listed.part.size() - 1}) {
    Index index;
    ASSERT_TRUE(replayed(index, listed.payload));
    EXPECT_EQ(board_of(index), "damaged 0");
    index.read_unlisted(most, [&](const Place& place) -> Result<Buffer> {
      EXPECT_EQ(place.segment, 7U);
      return Buffer(listed.part.view());
    });
    EXPECT_EQ(board_of(index), most == listed.part.size() ? "key=5 damaged 0" : "damaged 1")
        << "all parts together are no more than the log";
  }
}

TEST(FileIndex, AnEntryThatIsDamagedIsMissingAndKnownToBe) {
  for (const std::string_view bytes : {"", "nonsense"}) {
    Index index;
    ASSERT_TRUE(replayed(index, Listed(5, false).payload));
    index.read_unlisted(1000, [&](const Place&) {
      return bytes.empty() ? Result<Buffer>(Errc::corrupt)
                           : Result<Buffer>(Buffer(as_bytes(bytes)));
    });
    EXPECT_EQ(board_of(index), "damaged 1");
    ASSERT_TRUE(replayed(index, Listed(6).payload));
    EXPECT_EQ(board_of(index), "key=6 damaged 0") << "the next save mends it";
  }
}

TEST(FileIndex, ARecordThatIsErasedIsInNoBoard) {
  Index index;
  ASSERT_TRUE(replayed(index, Listed(5).payload));
  index.erase(0, "key");
  EXPECT_EQ(board_of(index), "damaged 0");
}

}  // namespace
