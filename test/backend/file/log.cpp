#include <persist/backend/file/log.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace {

using namespace persist_test;

TEST(FileLog, WhatWasAcknowledgedSurvivesAPowerCut) {
  Bench bench;
  for (int i = 0; i < 20; ++i) {
    const std::string value = "value" + std::to_string(i);
    ASSERT_TRUE(bench.saved("k", value));
    bench.cut_power_and_open();
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
    ASSERT_EQ(bench.text("k"), value) << "take the fdatasync out and this is lost";
  }
}

TEST(FileLog, ADiskThatLiesAboutSyncsLosesSaves) {
  // Shows that the test above can fail: the same, on a disk that does not sync.
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "kept"));
  bench.disk.state().sync_lies = true;
  ASSERT_TRUE(bench.saved("k", "lost"));
  bench.cut_power_and_open();
  EXPECT_EQ(bench.text("k"), "kept");
}

TEST(FileLog, AFullDiskLosesNothingAndTakesSavesAgainWhenThereIsRoom) {
  for (const std::uint64_t room : {0u, 1u, 20u, 300u, 700u}) {
    Bench bench;
    ASSERT_TRUE(bench.saved("k", "before"));
    const auto size = bench.disk.bytes(newest_segment(bench.disk)).size();
    bench.disk.state().room = room;
    const auto refused = bench.save("k", std::string(1000, 'x'));
    EXPECT_EQ(refused.outcome, Outcome::failed);
    EXPECT_EQ(refused.error, Errc::io);
    EXPECT_EQ(refused.error.os_error(), ENOSPC);
    EXPECT_NE(refused.error.message().find("No space left"), std::string::npos);
    EXPECT_EQ(bench.disk.bytes(newest_segment(bench.disk)).size(), size) << "cut back";
    EXPECT_EQ(bench.text("k"), "before") << "what was there stays readable";
    EXPECT_EQ(bench.driver->acquire("k", bench.driver->somebody()).outcome, Taken::taken);
    EXPECT_TRUE(bench.file->status());
    bench.clock.advance(std::chrono::minutes(2));
    bench.disk.state().room = 100'000;
    EXPECT_TRUE(bench.saved("k", "after"));
    bench.cut_power_and_open();
    EXPECT_EQ(bench.text("k"), "after");
  }
}

TEST(FileLog, AFailedSyncAnswersUnknownOutcomeAndPoisonsTheHandle) {
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "before"));
  bench.disk.state().fail_syncs = 1;
  EXPECT_EQ(bench.save("k", "unknown").error, Errc::unknown_outcome);
  const auto next = bench.save("k", "next");
  EXPECT_EQ(next.error, Errc::io) << "never retried on the same handle";
  EXPECT_TRUE(bench.file->status().is(Errc::io));
  EXPECT_TRUE(bench.file->flush().is(Errc::io));
  EXPECT_EQ(bench.text("k"), "before") << "reads go on, from what is durable";
  bench.reopen();
  ASSERT_TRUE(bench.file->status());
  EXPECT_EQ(bench.text("k"), "unknown");
  EXPECT_TRUE(bench.saved("k", "goes on"));
}

TEST(FileLog, AWriteThatCannotBeCutBackPoisonsTheHandleToo) {
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "before"));
  bench.disk.state().room = 100;
  bench.disk.state().cut_fails = true;
  EXPECT_EQ(bench.save("k", std::string(1000, 'x')).error, Errc::io);
  bench.disk.state().room = 100'000;
  EXPECT_EQ(bench.save("k", "x").error, Errc::io);
  bench.disk.state().cut_fails = false;
  bench.kill_and_open();
  EXPECT_EQ(bench.text("k"), "before");
  EXPECT_FALSE(bench.file->report().torn_tail.empty());
}

TEST(FileLog, DamagedBytesOfOneRecordAreItsOwnTrouble) {
  Bench bench;
  ASSERT_TRUE(bench.saved("bad", std::string(100, 'b')));
  ASSERT_TRUE(bench.saved("good", "fine"));
  auto& bytes = bench.disk.bytes(newest_segment(bench.disk));
  const std::string needle(100, 'b');
  const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  bytes[all.find(needle) + 50] ^= std::byte{1};
  EXPECT_EQ(bench.text("bad"), "error: corrupt");
  const auto got = bench.driver->acquire("bad", bench.driver->somebody());
  EXPECT_EQ(got.outcome, Taken::failed);
  EXPECT_EQ(got.error, Errc::corrupt);
  EXPECT_EQ(got.error.key(), "bad");
  EXPECT_FALSE(bench.driver->read("bad").held) << "nobody got it";
  EXPECT_EQ(bench.text("good"), "fine");
  EXPECT_TRUE(bench.saved("good", "still"));
}

TEST(FileLog, RelaxedSavesSurviveTheProcessAndLoseOnlyTheNewestToAPowerCut) {
  Bench bench({}, {.durability = persist::backend::Durability::relaxed});
  const auto syncs = [&] { return bench.file->stats().syncs; };
  ASSERT_TRUE(bench.saved("k", "0"));
  const auto before = syncs();
  for (int i = 1; i < 10; ++i)
    ASSERT_TRUE(bench.saved("k" + std::to_string(i % 3), std::to_string(i)));
  EXPECT_EQ(syncs(), before) << "no sync of its own for each";
  bench.kill_and_open();
  EXPECT_EQ(bench.text("k0"), "9");
  EXPECT_EQ(bench.text("k1"), "7");
  bench.cut_power_and_open();
  EXPECT_EQ(bench.text("k0"), "9") << "what was served after an open is durable";
  EXPECT_EQ(bench.text("k"), "0");

  ASSERT_TRUE(bench.saved("k", "synced by flush"));
  ASSERT_TRUE(bench.file->flush());
  ASSERT_TRUE(bench.saved("k", "a"));
  bench.clock.advance(std::chrono::seconds(2));
  ASSERT_TRUE(bench.saved("m", "b"));
  ASSERT_TRUE(bench.saved("k", "lost"));
  bench.cut_power_and_open();
  ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
  EXPECT_EQ(bench.text("k"), "a") << "a later batch synced what came before";
  EXPECT_EQ(bench.text("m"), "b");
}

TEST(FileLog, RelaxedBatchesAfterATornOneAreDroppedWithIt) {
  for (std::uint64_t broken = 0; broken < 3; ++broken) {
    Bench bench({}, {.durability = persist::backend::Durability::relaxed});
    ASSERT_TRUE(bench.saved("k", "old"));
    ASSERT_TRUE(bench.file->flush());
    std::vector<std::size_t> ends;
    for (int i = 0; i < 3; ++i) {
      ends.push_back(bench.disk.bytes(newest_segment(bench.disk)).size());
      ASSERT_TRUE(bench.saved("k", "new" + std::to_string(i)));
    }
    bench.disk.kill();
    bench.disk.bytes(newest_segment(bench.disk))[ends[broken] + 50] ^= std::byte{1};
    bench.open();
    ASSERT_TRUE(bench.file->status()) << "no damage: nothing says that it was synced";
    EXPECT_EQ(bench.text("k"), broken == 0 ? "old" : "new" + std::to_string(broken - 1));
    EXPECT_FALSE(bench.file->report().torn_tail.empty());
  }
}

TEST(FileLog, ClosingSyncsWhatRelaxedSavesLeft) {
  Bench bench({}, {.durability = persist::backend::Durability::relaxed});
  ASSERT_TRUE(bench.saved("k", "x"));
  bench.close();
  bench.cut_power_and_open();
  EXPECT_EQ(bench.text("k"), "x");
}

TEST(FileLog, AFailedWriteDoesNotPutOffTheSyncOfRelaxedSaves) {
  Bench bench({}, {.durability = persist::backend::Durability::relaxed});
  ASSERT_TRUE(bench.saved("k", "old"));
  ASSERT_TRUE(bench.file->flush());
  ASSERT_TRUE(bench.saved("k", "acknowledged"));
  bench.clock.advance(std::chrono::seconds(2));
  bench.disk.state().room = 100;
  EXPECT_FALSE(bench.saved("m", std::string(1000, 'x')));  // it would have synced
  bench.disk.state().room = 100'000;
  ASSERT_TRUE(bench.saved("m", "fits"));
  bench.cut_power_and_open();
  EXPECT_EQ(bench.text("k"), "acknowledged") << "it was two seconds old";
}

TEST(FileLog, TheSyncOfRelaxedSavesIsCountedFromTheFirstThatIsNotSynced) {
  Bench bench({}, {.durability = persist::backend::Durability::relaxed});
  ASSERT_TRUE(bench.saved("k", "0"));
  bench.clock.advance(std::chrono::milliseconds(900));
  ASSERT_TRUE(bench.file->flush());
  ASSERT_TRUE(bench.saved("k", "1"));
  const auto before = bench.file->stats().syncs;
  bench.clock.advance(std::chrono::milliseconds(900));
  ASSERT_TRUE(bench.saved("k", "2"));
  EXPECT_EQ(bench.file->stats().syncs, before);
  bench.clock.advance(std::chrono::milliseconds(200));
  ASSERT_TRUE(bench.saved("k", "3"));
  EXPECT_EQ(bench.file->stats().syncs, before + 1);
}

TEST(FileLog, ANewFolderHasItsNameOnDiskBeforeItsFirstSaveIs) {
  for (const char* path : {"save", "save/", "save//"}) {
    Disk disk;
    ManualClock clock;
    Report report;
    {
      DiskFile file(path, {.clock = &clock}, disk);
      persist::testing::laws::Driver<DiskFile> driver(file, clock, report);
      Holding mine = driver.take("k");
      driver.save(mine, "there");
    }
    disk.cut_power();
    DiskFile file(path, {.clock = &clock}, disk);
    persist::testing::laws::Driver<DiskFile> driver(file, clock, report);
    EXPECT_TRUE(driver.holds_text("k", "there")) << path;
    EXPECT_TRUE(report.passed()) << report.text();
  }
}

/// A disk that takes any write and keeps nothing of it.
struct Sink : Disk {
  using Disk::write_at;
  Result<void> write_at(const Handle&, std::uint64_t, std::span<const ByteView>) const {
    return success;
  }
};

TEST(FileLog, ABatchWhoseLengthFitsNoHeaderIsRefusedAndNotWritten) {
  const Sink disk;
  ASSERT_TRUE(disk.make_folder("save"));
  persist::backend::file::Log<Sink> log(disk, "save");
  log.resume(7, 1, 0);
  ASSERT_TRUE(log.begin_segment(1, [](std::uint32_t, persist::Buffer&) {}));
  persist::Buffer much;
  std::memset(much.grow(std::size_t{64} << 20), 'x', std::size_t{64} << 20);
  persist::backend::file::Batch batch;
  for (int i = 0; i < 64; ++i)
    batch.add(much);
  ASSERT_GT(batch.size(), std::uint64_t{1} << 32);
  EXPECT_TRUE(log.append(batch, true).is(Errc::too_large));
  EXPECT_TRUE(log.nothing_in_newest());
  EXPECT_FALSE(log.poisoned());
}

}  // namespace
