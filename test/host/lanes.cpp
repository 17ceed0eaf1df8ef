#include <persist/host/lanes.hpp>

#include <persist/host.hpp>

#include <support/made_disk.hpp>
#include <support/world.hpp>

#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include <unistd.h>

// builds: tsan

// Lanes that are threads, under the machine's clock. What is asserted holds in every interleaving.

namespace {

using namespace test;
using persist::Host;
using persist::HostOptions;
using persist::Lanes;
using persist::LaneTask;
using persist::Priority;

struct Step final : LaneTask {
  Step(std::vector<int>& into, int number) : done(into), self(number) {}
  void perform() override { done.push_back(self); }
  void complete() override {}
  void hand_back(std::unique_ptr<LaneTask>) override {}
  std::vector<int>& done;
  int self;
};

TEST(Lanes, what_has_the_higher_priority_goes_first_and_within_one_what_came_first) {
  std::vector<int> done;
  Lanes lanes(0);
  EXPECT_TRUE(lanes.by_hand());
  lanes.push(std::make_unique<Step>(done, 1), Priority::bulk);
  lanes.push(std::make_unique<Step>(done, 2), Priority::save);
  lanes.push(std::make_unique<Step>(done, 3), Priority::renewal);
  lanes.push(std::make_unique<Step>(done, 4), Priority::save);
  while (lanes.run_one()) {
  }
  EXPECT_EQ(done, (std::vector{3, 2, 4, 1}));
}

/// What a test wants of a lane.
struct Job final : LaneTask {
  explicit Job(std::function<void()> fn) : job(std::move(fn)) {}
  void perform() override { job(); }
  void complete() override {}
  void hand_back(std::unique_ptr<LaneTask>) override {}
  std::function<void()> job;
};

TEST(Lanes, one_that_has_to_wait_does_the_work_that_it_keeps_waiting) {
  Lanes lanes(1);
  bool was_done = false;
  std::promise<bool> is_lane;
  lanes.push(std::make_unique<Job>([&] {
               lanes.push(std::make_unique<Job>([&] { was_done = true; }), Priority::save);
               EXPECT_TRUE(lanes.run_one());
               EXPECT_TRUE(was_done);
               is_lane.set_value(Lanes::is_here());
             }),
             Priority::save);
  EXPECT_TRUE(is_lane.get_future().get());
  EXPECT_FALSE(lanes.run_one()) << "this thread has better to do";
}

/// A program without a tick.
template <class F>
void run_until(Host& host, F is_done) {
  for (auto next = host.poll(); !is_done(); next = host.poll())
    host.wait(next);
}

/// Many players come, play, are saved and leave, all at once.
template <class Store>
void play_a_while(Store& store, std::uint64_t players) {
  Host host{HostOptions{.lanes = 2}};
  ASSERT_TRUE(host.attach(store));
  std::uint64_t left = 0;
  std::vector<typename Store::Session> open;
  for (std::uint64_t key = 0; key < players; ++key)
    host.load(store, key).then([&](auto session) { open.push_back(*std::move(session)); });
  run_until(host, [&] { return open.size() == players; });
  for (auto& session : open) {
    session.edit()->coins += 1;
    (void)host.save(session);
    session.edit()->coins += 1;
    host.release(session).then([&](auto saved) { left += saved ? 1 : 0; });
  }
  run_until(host, [&] { return left == players; });
  EXPECT_TRUE(host.shutdown(10s).complete());
}

TEST(HostOnLanes, everybody_is_saved_on_memory) {
  persist::Store<std::uint64_t, Save, persist::backend::Memory> store("players",
                                                                      persist::backend::Memory());
  play_a_while(store, 200);
  EXPECT_EQ(store.peek(7u)->data.coins, 102);
}

TEST(HostOnLanes, everybody_is_saved_on_file) {
  auto folder = (std::filesystem::temp_directory_path() / "persist-host-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    persist::Store<std::uint64_t, Save> store("players", persist::backend::File(folder));
    play_a_while(store, 50);
    EXPECT_EQ(store.peek(7u)->data.coins, 102);
  }
  std::filesystem::remove_all(folder);
}

TEST(HostOnLanes, calls_come_from_many_threads_and_another_thread_waits_for_an_answer) {
  persist::Store<std::uint64_t, Save, persist::backend::Memory> store("players",
                                                                      persist::backend::Memory());
  Host host;
  ASSERT_TRUE(host.attach(store));
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 3; ++thread)
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 20; ++i) {
        auto loaded = host.load(store, thread * 100 + i, {.conflict = {}});
        i % 5 == 0 ? loaded.cancel() : void();
        loaded.then([&](auto) { ++answered; });
      }
    });
  run_until(host, [&] { return answered == 60; });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_TRUE(host.shutdown(10s).complete());
}

/// A database that answers when the test lets it.
struct Gate {
  std::mutex closed;
};
struct GatedMemory : persist::backend::Memory {
  explicit GatedMemory(Gate& gate) : way(&gate) {}
  void acquire(std::span<persist::AcquireRequest> batch) {
    const std::lock_guard through(way->closed);
    persist::backend::Memory::acquire(batch);
  }
  Gate* way;
};

TEST(HostOnLanes, a_shutdown_does_not_wait_longer_than_it_was_told_for_a_database_that_hangs) {
  Gate gate;
  persist::Store<std::uint64_t, Save, GatedMemory> store("players", GatedMemory(gate));
  Host host{HostOptions{.lanes = 1}};
  ASSERT_TRUE(host.attach(store));
  persist::ShutdownReport report;
  {
    const std::lock_guard hangs(gate.closed);
    (void)host.load(store, 1u);
    host.poll();
    report = host.shutdown(1ms);
  }
  EXPECT_EQ(report.out, 1U);
  ASSERT_EQ(report.left.size(), 1U);
  EXPECT_EQ(report.left[0].key, "1");
}

}  // namespace
