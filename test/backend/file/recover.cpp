#include <persist/backend/file/recover.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace {

using namespace persist_test;

/// A bench with one saved record, and its disk as it was before and after the second save.
struct TwoSaves {
  TwoSaves() {
    EXPECT_TRUE(bench.saved("k", "first"));
    EXPECT_TRUE(bench.saved("other", "stays"));
    bench.disk.kill();
    before = bench.disk.bytes(newest_segment(bench.disk)).size();
    bench.open();
    before = bench.disk.bytes(newest_segment(bench.disk)).size();
    EXPECT_TRUE(bench.saved("k", std::string(1300, 's')));
  }
  Bench bench;
  std::size_t before = 0;
};

TEST(FileRecovery, KeepsAllThatWasSavedOverAnOpenAndAClose) {
  Bench bench;
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(bench.saved("k" + std::to_string(i % 7), "value" + std::to_string(i)));
  for (int round = 0; round < 3; ++round) {
    bench.reopen();
    for (int i = 43; i < 50; ++i)
      EXPECT_EQ(bench.text("k" + std::to_string(i % 7)), "value" + std::to_string(i));
  }
  EXPECT_EQ(bench.file->report().run, 4u);
  EXPECT_EQ(bench.file->report().batches_rewritten, 0u);
}

TEST(FileRecovery, CountsRunsWhetherItWasClosedOrKilled) {
  Bench bench;
  for (std::uint64_t run = 2; run < 12; ++run) {
    run % 2 == 0 ? bench.reopen() : bench.kill_and_open();
    ASSERT_TRUE(bench.file->status());
    EXPECT_EQ(bench.file->report().run, run) << "no epoch may be given twice";
  }
}

TEST(FileRecovery, ARunIsDurableBeforeItGivesOutAnEpoch) {
  Bench bench;
  std::uint64_t last = 0;
  for (int round = 0; round < 6; ++round) {
    const Holding holding = bench.driver->take("k");
    EXPECT_GT(holding.fence.epoch, last)
        << "an acquisition writes nothing, so its run must be there";
    bench.cut_power_and_open();
    last = bench.driver->take("k").fence.epoch;
    EXPECT_GT(last, holding.fence.epoch) << "nor may the next one give it out again";
    bench.clock.advance(std::chrono::minutes(2));
    ASSERT_TRUE(bench.saved("k", "x"));
    bench.reopen();
    if (round % 2 == 0) bench.reopen();
  }
}

TEST(FileRecovery, EveryCutOfTheLastBatchLeavesWhatWasThereBefore) {
  TwoSaves two;
  const auto whole = two.bench.disk.bytes(newest_segment(two.bench.disk));
  for (std::size_t cut = two.before; cut <= whole.size(); ++cut) {
    Bench again(two.bench.disk.copy());
    again.close();
    Disk disk = two.bench.disk.copy();
    disk.bytes(newest_segment(disk)).resize(cut);
    Bench bench(disk);
    ASSERT_TRUE(bench.file->status()) << cut << ": " << bench.file->status().error();
    EXPECT_EQ(bench.text("k"), cut == whole.size() ? std::string(1300, 's') : "first") << cut;
    EXPECT_EQ(bench.text("other"), "stays");
    EXPECT_EQ(bench.file->report().torn_bytes, cut == whole.size() ? 0 : cut - two.before);
    EXPECT_TRUE(bench.saved("k", "third")) << "and saving goes on";
    bench.kill_and_open();
    EXPECT_EQ(bench.text("k"), "third");
  }
}

TEST(FileRecovery, ATornTailIsMovedToASideFileAndReported) {
  TwoSaves two;
  Disk disk = two.bench.disk.copy();
  const std::string segment = newest_segment(disk);
  disk.bytes(segment).resize(two.before + 100);
  const auto torn = std::vector(disk.bytes(segment).begin() + static_cast<long>(two.before),
                                disk.bytes(segment).end());
  Bench bench(disk);
  const auto report = bench.file->report();
  ASSERT_FALSE(report.torn_tail.empty());
  EXPECT_EQ(disk.bytes(report.torn_tail), torn);
  EXPECT_EQ(disk.bytes(segment).size(), two.before) << "moved, not copied";
  bench.reopen();
  EXPECT_TRUE(bench.file->report().torn_tail.empty()) << "reported once";
}

TEST(FileRecovery, EachFlippedByteIsFoundOrHarmless) {
  Bench made;
  for (const char* text : {"one", "two", "three"})
    ASSERT_TRUE(made.saved("k", text));
  made.close();
  const std::string segment = newest_segment(made.disk);
  const auto whole = made.disk.bytes(segment);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Disk disk = made.disk.copy();
    disk.bytes(segment)[i] ^= std::byte{0x41};
    const auto damaged = disk.bytes(segment);
    Bench bench(disk);
    if (const auto opened = bench.file->status(); !opened) {
      ++refused;
      EXPECT_TRUE(opened.is(Errc::corrupt) || opened.is(Errc::too_new)) << i << opened.error();
      EXPECT_NE(opened.error().detail().find(segment), std::string::npos) << "it says where";
      EXPECT_EQ(disk.bytes(segment), damaged) << "and touches nothing";
      EXPECT_EQ(newest_segment(disk), segment);
    } else {
      EXPECT_EQ(bench.text("k"), "three") << i << ": only the empty batch at the end may go";
    }
  }
  EXPECT_GT(refused, whole.size() - 100);
}

TEST(FileRecovery, DamageBeforeABatchThatKnewItSyncedIsNoTornTail) {
  TwoSaves two;
  Disk disk = two.bench.disk.copy();
  disk.bytes(newest_segment(disk))[two.before - 20] ^= std::byte{1};
  Bench bench(disk);
  EXPECT_TRUE(bench.file->status().is(Errc::corrupt));
  EXPECT_TRUE(bench.file->report().torn_tail.empty());
}

TEST(FileRecovery, AllEightWaysToLoseSectorsOfAnUnsyncedBatchAreATornTail) {
  for (std::uint64_t kept = 0; kept < 8; ++kept) {
    TwoSaves two;
    // The third batch, of three sectors, is written and never synced.
    two.bench.disk.state().on_sync = [&] {
      two.bench.disk.state().on_sync = nullptr;
      two.bench.disk.state().stopped = true;
    };
    const std::string third(1100, 't');
    EXPECT_FALSE(two.bench.saved("k", third));
    two.bench.cut_power_and_open(kept);
    ASSERT_TRUE(two.bench.file->status()) << kept << two.bench.file->status().error();
    const std::string now = two.bench.text("k");
    EXPECT_TRUE(now == std::string(1300, 's') || now == third) << kept;
    EXPECT_EQ(two.bench.text("other"), "stays");
    EXPECT_TRUE(two.bench.saved("k", "goes on"));
    two.bench.cut_power_and_open();
    EXPECT_EQ(two.bench.text("k"), "goes on");
  }
}

TEST(FileRecovery, WhatMayNotBeOnDiskIsWrittenAgainBeforeItIsServed) {
  TwoSaves two;
  two.bench.disk.state().fail_syncs = 1;
  const auto request = two.bench.save("k", "unknown");
  EXPECT_EQ(request.error, Errc::unknown_outcome);
  two.bench.kill_and_open();  // the bytes are in the system's memory, and only there
  ASSERT_TRUE(two.bench.file->status());
  EXPECT_EQ(two.bench.file->report().batches_rewritten, 1u);
  EXPECT_EQ(two.bench.text("k"), "unknown") << "it is served";
  two.bench.cut_power_and_open();
  ASSERT_TRUE(two.bench.file->status()) << two.bench.file->status().error();
  EXPECT_EQ(two.bench.text("k"), "unknown") << "so it must survive";
  EXPECT_EQ(two.bench.text("other"), "stays");
}

TEST(FileRecovery, AMissingSegmentIsNoticed) {
  Bench made({}, {.segment_bytes = 4096});
  for (int i = 0; i < 12; ++i)
    ASSERT_TRUE(made.saved("k" + std::to_string(i), std::string(2000, 'x')));
  made.close();
  std::size_t segments = 0;
  for (const std::string& name : made.disk.files()) {
    if (!name.ends_with(".log")) continue;
    ++segments;
    if (name == newest_segment(made.disk)) continue;  // a log that ends early cannot be told
    Disk disk = made.disk.copy();
    (void)disk.remove(name);
    Bench bench(disk);
    EXPECT_TRUE(bench.file->status().is(Errc::corrupt)) << name;
  }
  EXPECT_GE(segments, 4u);
}

TEST(FileRecovery, ANewerFormatIsRefusedAsSuch) {
  Bench made;
  made.close();
  const std::string segment = newest_segment(made.disk);
  made.disk.bytes(segment)[8] = std::byte{2};
  made.open();
  EXPECT_TRUE(made.file->status().is(Errc::too_new));
}

/// The bytes of the example in doc/format.md: the pairs of hex digits at the beginning of its
/// lines.
std::vector<std::byte> example_of_the_format_page() {
  std::ifstream page(PERSIST_SOURCE_DIR "/doc/format.md");
  std::vector<std::byte> bytes;
  bool there = false;
  for (std::string line; std::getline(page, line);) {
    there = (there && !line.starts_with("#")) || line == "<!-- A test reads these bytes. -->";
    if (!there || !line.starts_with("    ")) continue;
    line = line.substr(4);
    std::istringstream words(line.substr(0, line.find("  ")));  // up to the comment
    for (std::string word; words >> word;)
      bytes.push_back(static_cast<std::byte>(std::stoi(word, nullptr, 16)));
  }
  return bytes;
}

TEST(FileRecovery, ReadsTheExampleOfTheFormatPage) {
  const auto example = example_of_the_format_page();
  ASSERT_EQ(example.size(), 349u);
  Disk disk;
  (void)disk.make_folder("save");
  (void)disk.open("save/00000001.log", Access::create);
  disk.bytes("save/00000001.log") = example;
  auto snapshot = DiskFile::open_snapshot("save", disk);
  ASSERT_TRUE(snapshot) << snapshot.error();
  ASSERT_EQ(snapshot->stores().size(), 1u);
  EXPECT_EQ(snapshot->stores()[0].name, "S");
  EXPECT_EQ(snapshot->opened_by().process, 4711u);
  persist::ReadRequest k{{0}, "k"};
  snapshot->read({&k, 1});
  EXPECT_EQ(persist::as_text(k.record.data), "hello");
  EXPECT_EQ(k.record.fence.owner.server.view(), "eu-1");
  EXPECT_EQ(k.record.fence.epoch, (1u << 24) + 1);
  EXPECT_EQ(disk.bytes("save/00000001.log"), example) << "a snapshot changes nothing";
}

TEST(FileRecovery, AnOpenThatStopsAnywhereCanBeRepeated) {
  Bench made;
  ASSERT_TRUE(made.saved("k", "kept"));
  ASSERT_TRUE(made.saved("k", "last"));
  made.disk.kill();
  auto& bytes = made.disk.bytes(newest_segment(made.disk));
  bytes.insert(bytes.end(), 700, std::byte{7});  // a torn tail, and a batch to write again
  std::uint64_t stop = 1;
  for (bool opened = false; !opened; ++stop) {
    Disk disk = made.disk.copy();
    disk.state().stop_at = stop;
    {
      Bench first(disk);
      opened = !disk.state().stopped;
    }
    disk.cut_power(stop);
    Bench again(disk);
    ASSERT_TRUE(again.file->status()) << stop << again.file->status().error();
    EXPECT_EQ(again.text("k"), "last") << stop;
    ASSERT_TRUE(again.saved("k", "goes on")) << stop;
  }
  EXPECT_GT(stop, 10u);
}

TEST(FileRecovery, AtOpenEveryLeaseCountsAsExpiredButIsNotCleared) {
  Bench bench;
  Holding mine = bench.driver->take("k");
  bench.driver->save(mine, "x");
  bench.kill_and_open();
  const auto now = bench.driver->read("k");
  EXPECT_FALSE(now.held);
  EXPECT_EQ(now.holder.owner, mine.fence.owner);
  EXPECT_EQ(bench.driver->commit(bench.driver->next(mine).data("y")), Outcome::applied)
      << "a session that is still the newest goes on";
  EXPECT_TRUE(bench.report.passed()) << bench.report.text();
}

TEST(FileRecovery, AnAcquisitionThatACrashForgotIsStillTheNewest) {
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "old"));
  Holding spilled = bench.driver->take("k");
  Holding later = bench.driver->take("fresh");
  bench.kill_and_open();
  EXPECT_EQ(bench.driver->commit(bench.driver->next(spilled).data("spilled")), Outcome::applied);
  EXPECT_EQ(bench.text("k"), "spilled");
  EXPECT_EQ(bench.driver->commit(bench.driver->next(later).data("made")), Outcome::applied);
  EXPECT_EQ(bench.text("fresh"), "made");
  Holding late = spilled;
  late.fence.epoch -= 1;
  EXPECT_EQ(bench.driver->commit(bench.driver->next(late).data("x")), Outcome::fenced)
      << "an older one is not";
}

TEST(FileRecovery, ACommitOfAForgottenAcquisitionIsRefusedWhenSomebodyAcquiredSince) {
  Bench bench;
  ASSERT_TRUE(bench.saved("k", "old"));
  Holding spilled = bench.driver->take("k");
  bench.kill_and_open();
  Holding now = bench.driver->take("k");
  EXPECT_EQ(bench.driver->commit(bench.driver->next(spilled).data("x")), Outcome::fenced);
  bench.driver->save(now, "new");
  Holding gone = bench.driver->take("gone");
  bench.driver->save(gone, "x");
  bench.kill_and_open();
  bench.driver->erase("gone");
  bench.kill_and_open();
  EXPECT_EQ(bench.driver->commit(bench.driver->next(gone).data("x")), Outcome::fenced)
      << "nor when it was erased";
  bench.driver->post("gone", 1, "mail");
  EXPECT_EQ(bench.driver->commit(bench.driver->next(gone).data("x")), Outcome::fenced)
      << "nor when a message has made it anew";
  EXPECT_EQ(bench.text("gone"), "nothing");
}

TEST(FileRecovery, APowerCutWhileAClosedFolderIsOpenedIsNoDamage) {
  for (const bool served : {false, true}) {
    Bench bench;
    ASSERT_TRUE(bench.saved("k", "kept"));
    bench.close();  // ends the log with an empty batch that nobody synced
    bench.disk.state().on_sync = [&] { bench.disk.state().stopped = true; };
    bench.open();
    bench.disk.state().on_sync = nullptr;
    if (served) {
      bench.disk.kill();
      bench.open();
      ASSERT_TRUE(bench.saved("k", "kept"));
    }
    bench.cut_power_and_open(~std::uint64_t{0});  // of two writes the second one stays
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
    EXPECT_EQ(bench.text("k"), "kept");
  }
}

TEST(FileRecovery, KillsWithoutASaveLeaveNoFileEach) {
  Bench bench;
  const auto count = [&] { return bench.disk.files().size(); };
  for (int i = 0; i < 30; ++i)
    bench.kill_and_open();
  EXPECT_LE(count(), 3u) << "nothing was ever saved";
  ASSERT_TRUE(bench.saved("k", "kept"));
  const auto before = count();
  for (int i = 0; i < 30; ++i) {
    i % 2 == 0 ? bench.kill_and_open() : bench.cut_power_and_open();
    ASSERT_EQ(bench.text("k"), "kept") << i;
  }
  EXPECT_LE(count(), before + 1);
}

TEST(FileRecovery, ASegmentThatCouldNotBeRemovedInTimeIsNoGap) {
  Bench bench({}, {.segment_bytes = 4096});
  bench.disk.state().stays = "save/00000001.log";
  ASSERT_TRUE(bench.saved("cold", "kept"));
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(bench.saved("hot", std::string(1000, 'x')));
  ASSERT_GT(bench.file->stats().compactions, 2u);
  ASSERT_EQ(bench.disk.files()[0], "save/00000001.log");
  ASSERT_NE(bench.disk.files()[1], "save/00000002.log");
  bench.disk.state().stays.clear();
  bench.kill_and_open();
  ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
  EXPECT_EQ(bench.text("cold"), "kept");
  EXPECT_NE(bench.disk.files()[0], "save/00000001.log") << "removed now";
}

TEST(FileRecovery, ASegmentOfAnotherLogBeforeAGapIsLeftAlone) {
  Bench other;
  ASSERT_TRUE(other.saved("k", "somebody else's"));
  Bench bench({}, {.segment_bytes = 4096});
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(bench.saved("k", std::string(1000, 'x')));
  bench.close();
  const std::string name = "save/00000001.log";
  ASSERT_FALSE(bench.disk.state().names.contains(name));
  const auto foreign = other.disk.bytes(name);
  const auto file = bench.disk.open(name, Access::create);
  ASSERT_TRUE(bench.disk.write_at(*file, 0, persist::ByteView(foreign)));
  for (int i = 0; i < 2; ++i) {
    bench.reopen();
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
    EXPECT_EQ(bench.text("k"), std::string(1000, 'x'));
    ASSERT_TRUE(bench.disk.state().names.contains(name)) << "it was restored here by hand";
    EXPECT_EQ(bench.disk.bytes(name), foreign);
  }
}

TEST(FileRecovery, TheFormatPagesExampleIsWhatIsWritten) {
  namespace file = persist::backend::file;
  using persist::Buffer;
  Buffer log;
  file::SegmentHeader{1, 0x1122334455667788, 1, 1}.write(log);
  const auto batch = [&](std::uint64_t sequence, auto write) {
    Buffer one;
    (void)one.grow(file::batch_header_size);
    write(one);
    file::seal(one, {0x1122334455667788, sequence, sequence - 1, 0, 0});
    log.append(one);
  };
  batch(1, [](Buffer& to) {
    file::write_entry(
        to, file::RunEntry{
                1, {4711, "host", persist::WallTime(std::chrono::milliseconds(1700000000000))}});
  });
  batch(2, [](Buffer& to) {
    file::write_entry(
        to, file::StoreEntry{
                0, "S", {0x0101010101010101, 0x0202020202020202}, persist::LockKind::lease});
  });
  batch(3, [&](Buffer& to) {
    file::Record record;
    record.head.fence = {(1u << 24) + 1, {persist::ServerId("eu-1"), 0xabcdef, 1}, 1};
    record.head.version = record.head.load_count = 1;
    record.head.created = record.head.updated =
        persist::WallTime(std::chrono::milliseconds(1700000001000));
    const std::string hello = "hello";
    const file::FreshPart part{&record.data, persist::as_bytes(hello)};
    file::write_record(to, 1, log.size(), 0, "k", record, {&part, 1});
    to.append(part.bytes);
  });
  const auto example = example_of_the_format_page();
  EXPECT_EQ(std::vector(log.data(), log.data() + log.size()), example);
}

}  // namespace
