// builds: tsan
#include <persist/backend/metered.hpp>

#include "backend/law_cases.hpp"

#include <persist/backend/memory.hpp>

#include <thread>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using backend::LatencyHistogram;
using backend::Operation;
using persist::testing::ManualClock;

/// Takes so long.
struct Slow : backend::Memory {
  Slow(ManualClock& time, Duration how) : Memory(time), clock(&time), takes(how) {}
  void commit(std::span<CommitRequest> batch) {
    clock->advance(takes);
    Memory::commit(batch);
  }
  ManualClock* clock;
  Duration takes;
};
using Metered = backend::Metered<Slow>;

const int laws_on_metered = persist_test::register_laws<Metered>(
    "LawsOnMetered", [](ManualClock& clock) { return Metered(Slow(clock, 0s), clock); });

TEST(Metered, holds_to_every_law) {
  EXPECT_EQ(static_cast<std::size_t>(laws_on_metered),
            persist::testing::backend_laws<Metered>().size());
}

TEST(Metered, counts_what_was_asked_and_how_long_it_took) {
  ManualClock clock;
  persist::testing::Report report;
  Metered metered(Slow(clock, 3ms), clock);
  Metered copy = metered;
  persist::testing::laws::Driver<Metered> d(copy, clock, report);
  auto mine = d.take("k");
  d.save(mine, "x");
  d.save(mine, "y");
  (void)d.read("k");
  std::vector<PostRequest> batch(3);
  static constexpr RecordLimits none{.inbox_messages = 0};
  for (PostRequest& each : batch)
    each.store = d.store, each.key = "k", each.limits = &none;
  batch[0].limits = nullptr;
  batch[0].origin.first_tried = batch[1].origin.first_tried = clock.wall();
  batch[1].origin.source = batch[2].origin.source = {7, 7};
  copy.post(batch);
  const backend::BackendMetrics counted = metered.metrics();
  EXPECT_EQ(counted[Operation::open_store].batches, 1U);
  EXPECT_EQ(counted[Operation::commit].batches, 2U);
  EXPECT_EQ(counted[Operation::commit].requests, 2U);
  EXPECT_EQ(counted[Operation::commit].failed, 0U);
  EXPECT_EQ(counted[Operation::commit].latency.total, 6ms);
  EXPECT_EQ(counted[Operation::commit].latency.quantile(0.5), 4096us);
  EXPECT_EQ(counted[Operation::read].latency.quantile(0.99), 1us);
  EXPECT_EQ(counted[Operation::post].batches, 1U);
  EXPECT_EQ(counted[Operation::post].requests, 3U);
  EXPECT_EQ(counted[Operation::post].failed, 2U);
  EXPECT_EQ(counted[Operation::erase].latency.quantile(0.5), 0us);
}

TEST(Metered, has_classes_that_each_reach_twice_as_far) {
  EXPECT_EQ(LatencyHistogram::class_of(0ns), 0U);
  EXPECT_EQ(LatencyHistogram::class_of(Duration(-5)), 0U) << "a clock that goes back";
  EXPECT_EQ(LatencyHistogram::class_of(1us), 0U);
  EXPECT_EQ(LatencyHistogram::class_of(1001ns), 1U);
  for (std::size_t i = 0; i + 1 < LatencyHistogram::classes; ++i) {
    EXPECT_EQ(LatencyHistogram::class_of(LatencyHistogram::limit(i)), i);
    EXPECT_EQ(LatencyHistogram::class_of(LatencyHistogram::limit(i) + Duration(1)), i + 1);
  }
  EXPECT_EQ(LatencyHistogram::class_of((Duration::max)() - 1h), LatencyHistogram::classes - 1);
}

TEST(Metered, loses_no_count_among_threads) {
  ManualClock clock;
  persist::testing::Report report;
  Metered metered(Slow(clock, 0s), clock);
  persist::testing::laws::Driver<Metered> d(metered, clock, report);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([copy = metered, store = d.store]() mutable {
      for (int i = 0; i < 1000; ++i) {
        ReadRequest read{store, "k"};
        copy.read({&read, 1});
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(metered.metrics()[Operation::read].requests, 4000U);
  EXPECT_EQ(metered.metrics()[Operation::read].latency.count(), 4000U);
}

}  // namespace
