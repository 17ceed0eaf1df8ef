#include <persist/backend/file/query.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace {

using namespace persist_test;

TEST(FileQuery, ARecordThatIsMovedWhileItIsReadIsFoundAgain) {
  Bench bench({}, {.segment_bytes = 4096});
  ASSERT_TRUE(bench.saved("cold", "still here"));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done)
      EXPECT_EQ(bench.text("cold"), "still here");
  });
  for (int i = 0; i < 200; ++i)
    EXPECT_TRUE(bench.saved("hot", std::string(1500, 'h')));
  done = true;
  reader.join();
  EXPECT_GT(bench.file->stats().compactions, 20u);
}

TEST(FileQuery, AReadDoesNotWaitForASync) {
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "old"));
  Holding mine = bench.driver->take("k", {});
  bool looked = false;
  bench.disk.state().on_sync = [&] {
    looked = true;
    EXPECT_EQ(bench.text("k"), "old") << "what is not durable yet is not read";
  };
  EXPECT_EQ(bench.driver->commit(bench.driver->next(mine).data("new")), Outcome::applied);
  bench.disk.state().on_sync = nullptr;
  EXPECT_TRUE(looked);
  EXPECT_EQ(bench.text("k"), "new");
}

TEST(FileQuery, ASnapshotReadsWhileTheLogIsWrittenAndCompacted) {
  Bench bench({}, {.segment_bytes = 4096});
  ASSERT_TRUE(bench.saved("cold", "still here"));
  int taken = 0;
  for (int i = 0; i < 120; ++i) {
    ASSERT_TRUE(bench.saved("hot", "value" + std::to_string(i) + std::string(900, ' ')));
    // Also in the middle of a write, where the last batch has no end yet.
    bench.disk.state().on_sync = [&, i] {
      auto snapshot = DiskFile::open_snapshot("save", bench.disk);
      ASSERT_TRUE(snapshot) << snapshot.error();
      persist::ReadRequest cold{{0}, "cold"}, hot{{0}, "hot"};
      snapshot->read({&cold, 1});
      snapshot->read({&hot, 1});
      EXPECT_EQ(persist::as_text(cold.record.data), "still here");
      EXPECT_TRUE(persist::as_text(hot.record.data).starts_with("value" + std::to_string(i)) ||
                  persist::as_text(hot.record.data).starts_with("next"));
      ++taken;
    };
    ASSERT_TRUE(bench.saved("hot", "next" + std::string(900, ' ')));
    bench.disk.state().on_sync = nullptr;
  }
  EXPECT_GE(taken, 120);
}

/// The board "coins" as a text.
std::string board(Bench& bench) {
  persist::IndexRequest request{.store = bench.driver->store, .index = "coins", .most = 1000};
  bench.file->query({&request, 1});
  std::string all = persist::failed(request.error) ? request.error.message() : std::string();
  for (const persist::IndexRow& row : request.rows)
    all += row.key + "=" + std::to_string(row.value) + " ";
  return all;
}

TEST(FileQuery, ABoardIsThereAgainWhenTheFolderIsOpened) {
  Bench bench({}, {.segment_bytes = 4096});
  for (int i = 0; i < 60; ++i) {  // the segments of the first are long emptied
    Holding mine = bench.driver->take("k" + std::to_string(i % 3), {});
    auto draft = bench.driver->next(mine);
    draft.data(std::string(700, 'x'));
    if (i < 30) draft.in("coins", i).users({static_cast<std::uint64_t>(i)});
    ASSERT_EQ(bench.driver->commit(draft), Outcome::applied);
  }
  ASSERT_GT(bench.file->stats().compactions, 5U);
  const std::string before = "k0=27 k1=28 k2=29 ";
  EXPECT_EQ(board(bench), before);
  bench.reopen();
  EXPECT_EQ(board(bench), before);
  bench.kill_and_open();
  EXPECT_EQ(board(bench), before);
  bench.cut_power_and_open();
  EXPECT_EQ(board(bench), before);
  persist::IndexRequest users{.store = bench.driver->store, .most = 9};
  bench.file->query({&users, 1});
  EXPECT_EQ(users.size, 3U) << "user ids are read from the parts that records always had";
  auto snapshot = DiskFile::open_snapshot("save", bench.disk);
  ASSERT_TRUE(snapshot);
  snapshot->query({&users, 1});
  EXPECT_EQ(users.size, 3U);
}

TEST(FileQuery, AnEntryThatIsDamagedIsKnownToBeMissingUntilItReadsAgain) {
  Bench bench({}, {.segment_bytes = 4096});
  Holding mine = bench.driver->take("bad", {});
  auto draft = bench.driver->next(mine);
  ASSERT_EQ(bench.driver->commit(draft.data("data").in("coins", 77).users({7})), Outcome::applied);
  persist::Buffer part;
  persist::append_index_entry(part, "coins", 77);
  const auto flip = [&] {
    for (const std::string& file : bench.disk.files()) {
      auto& bytes = bench.disk.bytes(file);
      const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      const auto at = (std::min)(all.find(persist::as_text(part)), all.find("\5coinX"));
      if (at < all.size()) bytes[at + 5] ^= std::byte{'s' ^ 'X'};
    }
  };
  flip();
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(bench.saved("hot", std::string(1000, 'h')));
  ASSERT_EQ(bench.file->stats().damaged_segments, 1U);
  EXPECT_EQ(board(bench), "bad=77 ") << "it is remembered as long as the folder is open";
  const auto damaged = [&](std::string_view index) {
    persist::IndexRequest request{.store = bench.driver->store, .index = index};
    bench.file->query({&request, 1});
    return request.damaged;
  };
  bench.reopen();
  ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
  EXPECT_EQ(bench.text("bad"), "data") << "what is whole of it";
  EXPECT_EQ(board(bench), "");
  EXPECT_EQ(damaged("coins"), std::vector<std::string>{"bad"});
  EXPECT_TRUE(damaged("").empty()) << "its users are whole";
  bench.close();
  flip();
  bench.open();
  EXPECT_EQ(board(bench), "bad=77 ");
  EXPECT_TRUE(damaged("coins").empty());
}

TEST(FileQuery, ABoardShowsNothingThatIsNotDurable) {
  Bench bench;
  Holding mine = bench.driver->take("k", {});
  bool looked = false;
  bench.disk.state().on_sync = [&] {
    looked = true;
    EXPECT_EQ(board(bench), "");
  };
  EXPECT_EQ(bench.driver->commit(bench.driver->next(mine).data("new").in("coins", 1)),
            Outcome::applied);
  bench.disk.state().on_sync = nullptr;
  EXPECT_TRUE(looked);
  EXPECT_EQ(board(bench), "k=1 ");
  bench.disk.state().room = 0;
  EXPECT_EQ(bench.driver->commit(bench.driver->next(mine).data("none").in("coins", 2)),
            Outcome::failed);
  EXPECT_EQ(board(bench), "k=1 ") << "nor what was not written";
}

TEST(FileQuery, AReadOfAStoreThatIsNotThereIsInvalid) {
  Bench bench;
  persist::ReadRequest read{{9}, "k"};
  persist::ScanRequest scan{{9}};
  persist::RelayRequest relay{{9}};
  persist::IndexRequest index{{9}};
  bench.file->query({&index, 1});
  bench.file->read({&read, 1});
  bench.file->scan({&scan, 1});
  bench.file->relay({&relay, 1});
  for (const auto* error : {&read.error, &scan.error, &relay.error, &index.error})
    EXPECT_EQ(*error, Errc::invalid);
}

}  // namespace
