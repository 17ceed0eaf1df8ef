#include <persist/testing/parcel.hpp>

#include <gtest/gtest.h>

#include <persist/backend/memory.hpp>
#include <persist/testing/manual_clock.hpp>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::Parcel;

struct ParcelCase : ::testing::Test {
  persist::testing::ManualClock clock;
  backend::Memory database{clock};
  StoreId store = opened();

  StoreId opened() {
    OpenStoreRequest open;
    open.name = "players";
    database.open_store(std::span(&open, 1));
    return open.store;
  }
  ReadRequest read(std::string_view key) {
    ReadRequest request;
    request.store = store, request.key = key;
    database.read(std::span(&request, 1));
    return request;
  }
};

TEST_F(ParcelCase, OfACommitHoldsAllThatItBrings) {
  AcquireRequest take;
  take.store = store, take.key = "sender", take.owner = database.next_owner(ServerId("eu"));
  take.lease = 1min;
  database.acquire(std::span(&take, 1));

  std::optional<Parcel<CommitRequest>> parcel;
  {
    std::string key = "sender", to = "receiver", type = "Gift";
    Buffer data(as_bytes("the data")), metadata(as_bytes("beside")), payload(as_bytes("coins")),
        entries;
    append_index_entry(entries, "coins", 5);
    std::vector<std::uint64_t> users{7, 8};
    std::vector<Receipt> receipts{{{1, 2}, 3}};
    RecordLimits limits;
    std::vector<Send> sends(1);
    sends[0].store = store, sends[0].key = to, sends[0].number = 1;
    sends[0].message = {type, 1, 0, clock.wall() + 1h, payload};
    Change change;
    change.store = store, change.key = key, change.fence = take.record.fence;
    change.fence.write = 1;
    change.data = &data, change.metadata = &metadata, change.user_ids = &users;
    change.indexed = &entries;
    change.receipts = receipts, change.sends = sends, change.limits = &limits;
    const CommitRequest request{.changes = std::span(&change, 1)};
    parcel.emplace(request);
    // Whatever it pointed to is something else now.
    key = to = type = "XXXXXXXX";
    data.data()[0] = metadata.data()[0] = payload.data()[0] = std::byte{'X'};
    entries.data()[1] = std::byte{'X'};
    users.assign({0, 0}), receipts[0] = {}, limits = {0, 0, 0, 0};
  }
  parcel->arrive(database);

  const ReadRequest sender = read("sender");
  EXPECT_EQ(as_text(sender.record.data), "the data");
  EXPECT_EQ(as_text(sender.record.metadata), "beside");
  EXPECT_EQ(sender.record.user_ids, (std::vector<std::uint64_t>{7, 8}));
  IndexRequest board{.store = store, .index = "coins"};
  database.query(std::span(&board, 1));
  EXPECT_EQ(board.size, 1U);
  take.owner = database.next_owner(ServerId("us"));
  take.key = "receiver";
  database.acquire(std::span(&take, 1));
  ASSERT_EQ(take.record.inbox.size(), 1U);
  EXPECT_EQ(take.record.inbox[0].type, "Gift");
  EXPECT_EQ(as_text(take.record.inbox[0].payload), "coins");
}

TEST_F(ParcelCase, OfACommitHoldsTheRuleOfItsHistory) {
  AcquireRequest take;
  take.store = store, take.key = "k", take.owner = database.next_owner(ServerId("eu"));
  database.acquire(std::span(&take, 1));
  for (std::uint64_t write = 1; write <= 3; ++write) {
    Buffer data(as_bytes("the data"));
    HistoryRule rule{.keep = 1};
    Change change;
    change.store = store, change.key = "k", change.fence = take.record.fence;
    change.fence.write = write;
    change.data = &data, change.history = &rule;
    Parcel<CommitRequest> parcel(CommitRequest{.changes = std::span(&change, 1)});
    rule = {.keep = 9};
    parcel.arrive(database);
  }
  ReadRequest request{.store = store, .key = "k", .wants_versions = true};
  database.read(std::span(&request, 1));
  EXPECT_EQ(request.versions.size(), 1U);
}

TEST_F(ParcelCase, OfAPostHoldsItsMessage) {
  std::optional<Parcel<PostRequest>> parcel;
  {
    std::string key = "somebody", type = "Gift";
    Buffer payload(as_bytes("coins"));
    RecordLimits limits;
    PostRequest request;
    request.store = store, request.key = key, request.limits = &limits;
    request.origin.source = {1, 2}, request.origin.first_tried = clock.wall();
    request.message = {type, 1, 0, clock.wall() + 1h, payload};
    parcel.emplace(request);
    key = type = "XXXXXXXX", payload.data()[0] = std::byte{'X'}, limits = {0, 0, 0, 0};
  }
  parcel->arrive(database);
  EXPECT_EQ(read("somebody").inbox_messages, 1U);
}

TEST_F(ParcelCase, OfAnAcquisitionOrAnErasureHoldsItsKey) {
  std::optional<Parcel<AcquireRequest>> taking;
  std::optional<Parcel<EraseRequest>> erasing;
  {
    std::string key = "somebody";
    AcquireRequest take;
    take.store = store, take.key = key, take.owner = database.next_owner(ServerId("eu"));
    take.lease = 1min;
    taking.emplace(take);
    EraseRequest erase;
    erase.store = store, erase.key = key;
    erasing.emplace(erase);
    key = "XXXXXXXX";
  }
  taking->arrive(database);
  EXPECT_TRUE(read("somebody").held);
  erasing->arrive(database);
  EXPECT_FALSE(read("somebody").held);
}

}  // namespace
