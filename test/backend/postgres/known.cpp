#include <persist/backend/postgres/known.hpp>

#include <gtest/gtest.h>

namespace {

using persist::StoreId;
using persist::backend::postgres::Known;
using persist::backend::rows::Record;

Record record_of(std::uint64_t nonce, std::uint64_t revision) {
  Record record{.store = {1}, .key = "k", .id = 7};
  record.head.fence.owner.nonce = nonce;
  record.revision = revision;
  return record;
}

TEST(PostgresKnown, OnlyWhatIsHeldHereAndWasCommittedIsKept) {
  Known known;
  known.begin();
  known.read(record_of(5, 1), {});
  ASSERT_NE(known.find({1}, "k"), nullptr);
  EXPECT_EQ(known.find({2}, "k"), nullptr) << "of another store";
  known.roll_back();
  EXPECT_EQ(known.kept({1}, "k"), nullptr);

  known.begin();
  known.read(record_of(6, 1), {});
  known.commit(5);
  EXPECT_EQ(known.kept({1}, "k"), nullptr) << "somebody else's";

  known.begin();
  known.read(record_of(5, 1), {});
  known.remember(record_of(5, 1));
  EXPECT_EQ(known.find({1}, "k")->revision, 2u) << "a write raises it";
  EXPECT_EQ(known.find({1}, "k")->beside, nullptr) << "what was read along is old";
  known.commit(5);
  ASSERT_NE(known.kept({1}, "k"), nullptr);
  EXPECT_EQ(known.kept({1}, "k")->revision, 2u);
}

TEST(PostgresKnown, ATransactionThatFailedLeavesNothingKept) {
  Known known;
  known.begin();
  known.read(record_of(5, 1), {});
  known.commit(5);
  known.begin();
  known.trust(*known.kept({1}, "k"));
  known.remember(record_of(5, 1));
  known.roll_back();
  EXPECT_EQ(known.kept({1}, "k"), nullptr) << "nobody knows which revision it has";
}

TEST(PostgresKnown, WhatWasErasedIsKnownToBeAbsent) {
  Known known;
  known.begin();
  known.read(record_of(5, 1), {});
  known.forget(record_of(5, 1));
  ASSERT_NE(known.find({1}, "k"), nullptr);
  EXPECT_FALSE(known.find({1}, "k")->exists());
  known.commit(5);
  EXPECT_EQ(known.kept({1}, "k"), nullptr);
}

}  // namespace
