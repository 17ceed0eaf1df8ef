#include <persist/backend/file/engine.hpp>

#include "backend/file/support.hpp"

#include <persist/backend/memory.hpp>
#include <persist/testing/laws/backend/batch.hpp>

#include <gtest/gtest.h>

namespace persist_test {
/// A disk on which run numbers are used up quickly.
struct ShortRuns : Disk {};
}  // namespace persist_test

template <>
inline constexpr std::uint64_t persist::backend::file::epochs_per_run<persist_test::ShortRuns> = 5;

namespace {

using namespace persist_test;
using persist::backend::Memory;

/// Random batches on File and the same, one by one, on Memory; the folder is opened again now and
/// then, after a close, a kill or a power cut.
void compare_with_memory(FileOptions options, std::uint64_t first_seed) {
  Bench bench({}, options);
  Memory memory(bench.clock);
  persist::testing::laws::Driver<Memory> model(memory, bench.clock, bench.report);
  persist::testing::laws::RandomBatches<DiskFile, Memory> batches(*bench.driver, model);
  for (std::uint64_t i = 0; i < 1500; ++i) {
    batches.run(first_seed + i);
    if (i % 16 == 0) bench.clock.advance(std::chrono::seconds(20));
    if (i % 40 == 39) {
      batches.settle();
      if (i % 3 == 1) bench.disk.kill();
      if (i % 3 == 2 && options.durability == persist::backend::Durability::full)
        bench.disk.cut_power();
      // In its own place, where the driver looks for it.
      bench.file.reset();
      options.clock = &bench.clock;
      bench.file.emplace("save", options, bench.disk);
      ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
      batches.compare_records("opened again after " + std::to_string(i));
    }
    ASSERT_TRUE(bench.report.failures().empty()) << bench.report.text();
  }
}

TEST(FileEngine, IsEqualToMemoryOverRandomBatchesAndReopens) {
  compare_with_memory({}, 0);
}
TEST(FileEngine, IsEqualToMemoryWhileItCompacts) {
  compare_with_memory({.segment_bytes = 4096}, 100'000);
}
TEST(FileEngine, IsEqualToMemoryWhenRelaxed) {
  compare_with_memory({.durability = persist::backend::Durability::relaxed, .segment_bytes = 8192},
                      200'000);
}

TEST(FileEngine, TakesTheNextRunNumberWhenOneIsUsedUp) {
  ShortRuns disk;
  ManualClock clock;
  Report report;
  std::uint64_t last = 0;
  for (int opened = 0; opened < 3; ++opened) {
    persist::backend::BasicFile<ShortRuns> file("save", {.clock = &clock}, disk);
    ASSERT_TRUE(file.status());
    persist::testing::laws::Driver<persist::backend::BasicFile<ShortRuns>> driver(file, clock,
                                                                                  report);
    for (int i = 0; i < 23; ++i) {
      const auto got =
          driver.acquire("k" + std::to_string(i % 2), driver.somebody(), persist::Intent::wait, {});
      ASSERT_EQ(got.outcome, Taken::taken);
      EXPECT_GT(got.record.fence.epoch, last) << "also over runs and opens";
      last = got.record.fence.epoch;
    }
    if (opened == 1) disk.kill();
  }
  EXPECT_GT(last >> 24, 10u);
}

/// A folder that was opened so often that the next run is this one.
template <class Files>
void make_old_folder(const Files& disk, std::uint64_t next_run) {
  namespace file = persist::backend::file;
  ASSERT_TRUE(disk.make_folder("save"));
  file::Log<Files> log(disk, "save");
  log.resume(7, 1, 0);
  ASSERT_TRUE(log.begin_segment(1, [&](std::uint32_t, persist::Buffer& bytes) {
    const std::size_t begin = bytes.size();
    (void)bytes.grow(file::batch_header_size);
    write_entry(bytes, file::RunEntry{next_run - 1, {}});
    log.seal_in(bytes, begin);
  }));
}

TEST(FileEngine, TheLastRunGivesOutNoEpochThatNobodyCouldReadAgain) {
  ShortRuns disk;
  ManualClock clock;
  Report report;
  make_old_folder(disk, (persist::epoch_limit >> 24) - 1);
  using ShortFile = persist::backend::BasicFile<ShortRuns>;
  {
    ShortFile file("save", {.clock = &clock}, disk);
    ASSERT_TRUE(file.status()) << file.status().error();
    persist::testing::laws::Driver<ShortFile> driver(file, clock, report);
    Holding first = driver.take("first");
    for (int i = 0; i < 9; ++i) {
      const auto got = driver.acquire("k", driver.somebody(), persist::Intent::wait, {});
      ASSERT_EQ(got.outcome, i < 3 ? Taken::taken : Taken::failed) << i;
      if (i < 3) continue;
      EXPECT_EQ(got.error, Errc::unsupported);
      EXPECT_EQ(driver.erase("k").error, Errc::unsupported);
    }
    driver.save(first, "all the same");
  }
  ShortFile file("save", {.clock = &clock}, disk);
  EXPECT_EQ(file.status().error(), Errc::unsupported) << file.status().error();
  EXPECT_TRUE(report.passed()) << report.text();
}

TEST(FileEngine, ARunNumberAtTheEndOfItsTypeDoesNotBeginAnew) {
  Disk disk;
  make_old_folder(disk, 0);  // the last one was the highest there is
  const DiskFile file("save", {}, disk);
  EXPECT_EQ(file.status().error(), Errc::unsupported);
}

TEST(FileEngine, AnAcquisitionWritesNothing) {
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "x"));
  const auto before = bench.file->stats();
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(bench.driver->acquire("k" + std::to_string(i), bench.driver->somebody()).outcome,
              Taken::taken);
  EXPECT_EQ(bench.file->stats().batches, before.batches);
  EXPECT_EQ(bench.file->stats().bytes, before.bytes);
}

TEST(FileEngine, KeysThatFitNoLogAreInvalidBeforeAnyWrite) {
  Bench bench;
  const auto before = bench.file->stats().bytes;
  for (const std::string& key : {std::string(), std::string(256, 'x'), std::string(10'000, 'x')}) {
    EXPECT_EQ(bench.driver->acquire(key, bench.driver->somebody()).error, Errc::invalid);
    EXPECT_EQ(bench.driver->post(key, 1, "x").error, Errc::invalid);
    EXPECT_EQ(bench.driver->erase(key).error, Errc::invalid);
    persist::testing::laws::Draft draft(bench.driver->store, key, {1, {{}, 1, 1}, 1});
    persist::CommitRequest request{{&draft.data("x").bind(), 1}};
    bench.file->commit({&request, 1});
    EXPECT_EQ(request.outcome, Outcome::failed);
    EXPECT_EQ(request.error, Errc::invalid);
  }
  persist::ReadRequest nowhere{persist::StoreId{7}, "k"};
  bench.file->read({&nowhere, 1});
  EXPECT_EQ(nowhere.error, Errc::invalid) << "a store that was never opened";
  EXPECT_EQ(bench.file->stats().bytes, before);
}

TEST(FileEngine, AStoreNeverBecomesAnotherWhenOpenedAgain) {
  Bench bench;
  persist::testing::laws::Driver<DiskFile> other(*bench.file, bench.clock, bench.report, "other",
                                                 persist::LockKind::none);
  const auto birth = bench.driver->birth;
  bench.kill_and_open();
  EXPECT_EQ(bench.driver->birth, birth);
  persist::OpenStoreRequest wrong{"other", persist::LockKind::lease, {}};
  bench.file->open_store({&wrong, 1});
  EXPECT_EQ(wrong.error, Errc::invalid);
  ASSERT_EQ(bench.file->stores().size(), 2u);
  EXPECT_EQ(bench.file->stores()[1].name, "other");
  EXPECT_TRUE(bench.report.passed()) << bench.report.text();
}

TEST(FileEngine, AMessageThatFitsNoLogIsRefusedBeforeAnythingChanges) {
  Bench bench;
  Holding mine = bench.driver->take("k");
  bench.driver->save(mine, "before");
  const std::string type(70'000, 't');
  auto draft = bench.driver->next(mine).data("after").send("other", 1, "x");
  persist::Change& change = draft.bind();
  change.sends[0].message.type = type;
  persist::CommitRequest request{{&change, 1}};
  bench.file->commit({&request, 1});
  EXPECT_EQ(request.outcome, Outcome::failed);
  EXPECT_EQ(request.error, Errc::too_large);
  bench.kill_and_open();
  EXPECT_EQ(bench.driver->acquire("k", bench.driver->somebody()).outcome, Taken::taken)
      << "its outbox can be read";
  EXPECT_EQ(bench.text("k"), "before");
}

}  // namespace
