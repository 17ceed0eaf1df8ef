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

}  // namespace
