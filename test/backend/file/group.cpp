// builds: single no-exceptions tsan
#include <persist/backend/file/group.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace {

using namespace persist_test;

/// Blocks a sync until told, so that a test decides who waits for whom.
class Gate {
 public:
  void pass() {
    std::unique_lock hold(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(hold, [&] { return open_; });
  }
  void wait_for_arrival() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return arrived_ != 0; });
  }
  void open() {
    const std::lock_guard hold(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

TEST(GroupCommit, EveryJobIsPerformedOnceByOneLeaderAtATime) {
  persist::backend::file::GroupCommit<int> group;
  std::atomic<int> inside = 0, performed = 0, most = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        int job = 0;
        group.run(job, [&](const std::vector<int*>& jobs) {
          EXPECT_EQ(++inside, 1);
          most = (std::max)(most.load(), static_cast<int>(jobs.size()));
          for (int* one : jobs)
            ++*one, ++performed;
          --inside;
        });
        EXPECT_EQ(job, 1);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(performed, 8 * 500);
}

TEST(GroupCommit, WhatIsHandedInDuringASyncSharesTheNextOne) {
  Bench bench;
  constexpr int others = 7;
  std::vector<Holding> holdings;
  for (int i = 0; i <= others; ++i)
    holdings.push_back(bench.driver->take("k" + std::to_string(i)));
  const auto before = bench.file->stats();
  Gate gate;
  bench.disk.state().on_sync = [&] { gate.pass(); };
  std::vector<std::thread> threads;
  const auto save = [&](int i) {
    persist::backend::BasicFile<Disk> handle = *bench.file;
    auto draft = bench.driver->next(holdings[static_cast<std::size_t>(i)]);
    persist::CommitRequest request{{&draft.data("saved").bind(), 1}};
    handle.commit({&request, 1});
    EXPECT_EQ(request.outcome, Outcome::applied);
  };
  threads.emplace_back(save, 0);
  gate.wait_for_arrival();
  EXPECT_EQ(bench.text("k0"), "nothing") << "nothing is visible before it is durable";
  for (int i = 1; i <= others; ++i)
    threads.emplace_back(save, i);
  while (bench.file->waiting() != others)
    std::this_thread::yield();
  gate.open();
  for (std::thread& thread : threads)
    thread.join();
  const auto after = bench.file->stats();
  EXPECT_EQ(after.commits - before.commits, 8u);
  EXPECT_EQ(after.syncs - before.syncs, 2u);
  EXPECT_EQ(after.batches - before.batches, 2u);
  bench.disk.state().on_sync = nullptr;
  bench.cut_power_and_open();
  for (int i = 0; i <= others; ++i)
    EXPECT_EQ(bench.text("k" + std::to_string(i)), "saved");
}

TEST(GroupCommit, AnAcquireIsNotRefusedBecauseASaveBesideItDidNotFit) {
  Bench bench;
  ASSERT_TRUE(bench.saved("other", "x"));
  Holding first = bench.driver->take("first"), second = bench.driver->take("second");
  Gate gate;
  bench.disk.state().on_sync = [&] { gate.pass(); };
  const auto save = [&](Holding& holding, std::size_t size, Outcome expected) {
    auto draft = bench.driver->next(holding);
    persist::CommitRequest request{{&draft.data(std::string(size, 'x')).bind(), 1}};
    bench.file->commit({&request, 1});
    EXPECT_EQ(request.outcome, expected);
  };
  std::thread leads([&] { save(first, 10, Outcome::applied); });
  gate.wait_for_arrival();
  bench.disk.state().room = 100;
  std::thread fails([&] { save(second, 5000, Outcome::failed); });
  std::thread loads([&] {
    EXPECT_EQ(bench.driver->acquire("other", bench.driver->somebody()).outcome, Taken::taken);
  });
  while (bench.file->waiting() != 2)
    std::this_thread::yield();
  gate.open();
  for (std::thread* thread : {&leads, &fails, &loads})
    thread->join();
  EXPECT_TRUE(bench.driver->read("other").held);
  EXPECT_EQ(bench.text("second"), "nothing");
}

TEST(GroupCommit, ManyThreadsOnManyRecordsLoseNothing) {
  Bench bench({}, {.segment_bytes = 16384});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      persist::testing::Report report;
      DiskFile handle = *bench.file;
      persist::testing::laws::Driver<DiskFile> driver(handle, bench.clock, report);
      Holding mine = driver.take("mine" + std::to_string(t));
      for (int i = 0; i < 60; ++i) {
        driver.save(mine, std::to_string(t) + " " + std::to_string(i));
        driver.post("shared", static_cast<std::uint64_t>(t * 1000 + i + 1), "hello");
        driver.report.that(driver.holds_text(mine.key, std::to_string(t) + " " + std::to_string(i)),
                           "what was acknowledged is read");
        if (i % 20 == 0) (void)driver.acquire("shared", driver.somebody());
      }
      EXPECT_TRUE(report.passed()) << report.text();
    });
  for (std::thread& thread : threads)
    thread.join();
  const auto stats = bench.file->stats();
  EXPECT_EQ(stats.commits, 480u);
  bench.cut_power_and_open();
  for (int t = 0; t < 8; ++t)
    EXPECT_EQ(bench.text("mine" + std::to_string(t)), std::to_string(t) + " 59");
  EXPECT_EQ(bench.driver->read("shared").inbox_messages, 480u);
}

TEST(GroupCommit, ABatchOfManySavesIsOneSync) {
  Bench bench;
  std::vector<Holding> holdings;
  for (int i = 0; i < 500; ++i)
    holdings.push_back(bench.driver->take("k" + std::to_string(i)));
  const auto before = bench.file->stats();
  std::deque<persist::testing::laws::Draft> drafts;
  std::vector<persist::CommitRequest> batch;
  for (Holding& holding : holdings) {
    drafts.push_back(bench.driver->next(holding).data(std::string(2000, 'x')));
    batch.push_back({{&drafts.back().bind(), 1}});
  }
  bench.file->commit(batch);
  EXPECT_EQ(bench.file->stats().syncs, before.syncs + 1);
  EXPECT_EQ(bench.file->stats().commits, before.commits + 500);
}

TEST(GroupCommit, ABatchThatOnlyRenewsWritesNothing) {
  Bench bench;
  Holding mine = bench.driver->take("k");
  bench.driver->save(mine, "x");
  const auto before = bench.file->stats();
  EXPECT_EQ(bench.driver->commit(bench.driver->next(mine).renew()), Outcome::applied);
  EXPECT_EQ(bench.file->stats().bytes, before.bytes);
  EXPECT_EQ(bench.file->stats().syncs, before.syncs);
  EXPECT_EQ(bench.file->stats().commits, before.commits + 1);
}

TEST(GroupCommit, AFlushSyncsWhoeverLeadsItsBatch) {
  for (int round = 0; round < 20; ++round) {
    Bench bench({}, {.durability = persist::backend::Durability::relaxed});
    Holding first = bench.driver->take("first"), second = bench.driver->take("second");
    bench.driver->save(first, "unsynced");
    Gate gate;
    bench.disk.state().on_sync = [&] { gate.pass(); };
    std::vector<std::thread> threads;
    const auto flush = [&] { EXPECT_TRUE(bench.file->flush()); };
    threads.emplace_back(flush);
    gate.wait_for_arrival();
    threads.emplace_back([&] {
      auto draft = bench.driver->next(second);
      persist::CommitRequest request{{&draft.data("flushed").bind(), 1}};
      bench.file->commit({&request, 1});
      EXPECT_EQ(request.outcome, Outcome::applied);
    });
    while (bench.file->waiting() != 1)
      std::this_thread::yield();
    threads.emplace_back(flush);  // behind the save, which leads or is led
    while (bench.file->waiting() != 2)
      std::this_thread::yield();
    gate.open();
    for (std::thread& thread : threads)
      thread.join();
    bench.disk.state().on_sync = nullptr;
    bench.cut_power_and_open();
    ASSERT_EQ(bench.text("second"), "flushed") << round;
  }
}

}  // namespace
