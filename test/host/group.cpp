#include <persist/host/group.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#ifdef __cpp_impl_coroutine
#include <coroutine>
#endif

// builds: tsan

// Stores that all threads may use: lanes are their threads.

namespace {

using namespace test;

using SharedPlayers = persist::Store<std::uint64_t, Save, persist::backend::Memory,
                                     persist::access::Shared<persist::lock::Lease<>>>;

struct SharedWorld : HostedWorld {
  persist::backend::Memory memory{clock};
  SharedPlayers shared{"shared", memory, options()};

  SharedWorld() { EXPECT_TRUE(host.attach(shared)); }
  /// Lanes and the timer do what there is to do; nobody polls.
  void run() {
    host.run_timer();
    while (host.run_lane())
      host.run_timer();
  }
};

TEST_F(SharedWorld, answers_come_on_a_lane_without_any_poll) {
  auto loaded = host.load(shared, 1u);
  run();
  ASSERT_TRUE(loaded.ready());
  auto session = loaded.get();
  session->edit([](Player& player) { player.coins = 5; });
  bool on_lane = false;
  host.save(*session).then([&](auto saved) { on_lane = saved && persist::Lanes::is_here(); });
  run();
  EXPECT_TRUE(on_lane);
  EXPECT_EQ(shared.peek(1u)->data.coins, 5) << "and whoever likes to wait may";
}

TEST_F(SharedWorld, what_is_due_is_saved_when_the_timer_says_so) {
  auto loaded = host.load(shared, 1u);
  run();
  auto session = loaded.get();
  session->edit([](Player& player) { player.coins = 5; });
  for (int second = 0; second < 40; ++second) {
    clock.advance(1s);
    run();
  }
  EXPECT_FALSE(session->is_dirty());
  EXPECT_TRUE(shared.inspect(1u)->held);
}

TEST_F(SharedWorld, a_lane_that_finds_another_at_the_stores_has_that_one_look_again) {
  persist::Future<persist::Result<SharedPlayers::Session>> second;
  host.load(shared, 1u).then([&](auto) {
    second = host.load(shared, 2u);
    std::thread([&] { host.run_lane(); }).join();
  });
  run();
  ASSERT_TRUE(second.ready()) << "a call was forgotten";
  EXPECT_TRUE(second.get());
}

TEST_F(SharedWorld, a_shutdown_saves_stores_of_both_kinds) {
  auto loaded = host.load(shared, 1u);
  run();
  auto session = loaded.get();
  session->edit([](Player& player) { player.coins = 6; });
  auto confined = load(2);
  confined.edit()->coins = 7;
  const auto report = host.shutdown(10s);
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.sessions, 2U);
  EXPECT_EQ(shared.peek(1u)->data.coins, 6);
  EXPECT_EQ(durable(2), 7);
}

#ifdef __cpp_impl_coroutine
/// As small as a coroutine gets.
struct Script {
  struct promise_type {
    Script get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

template <class Store>
Script a_day(persist::Host& host, Store& store, std::vector<std::string>& told) {
  auto session = co_await host.load(store, 1u);
  told.emplace_back("loaded");
  session->edit([](Player& player) { player.coins = 9; });
  auto saved = co_await host.save(*session);
  told.emplace_back(saved->written ? "saved" : "not saved");
  auto released = co_await host.release(*session);
  told.emplace_back(released ? "released" : "not released");
}

TEST_F(SharedWorld, a_coroutine_goes_on_where_answers_come) {
  std::vector<std::string> told;
  a_day(host, players, told);
  EXPECT_TRUE(told.empty());
  settle();
  EXPECT_EQ(told, (std::vector<std::string>{"loaded", "saved", "released"}));
  told.clear();
  a_day(host, shared, told);
  run();
  EXPECT_EQ(told, (std::vector<std::string>{"loaded", "saved", "released"}));
}

#endif

TEST(HostOfShared, many_threads_load_edit_save_and_release_while_lanes_do_the_work) {
  SharedPlayers store("shared", persist::backend::Memory());
  persist::Host host{persist::HostOptions{.lanes = 2}};
  ASSERT_TRUE(host.attach(store));
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (std::uint64_t thread = 0; thread < 3; ++thread)
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 20; ++i) {
        auto session = host.load(store, thread * 100 + i).get();
        if (!session) continue;
        session->edit([](Player& player) { player.coins += 1; });
        if (!host.save(*session).get()) continue;
        session->edit([](Player& player) { player.coins += 1; });
        if (host.release(*session).get()) ++good;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(good, 60);
  EXPECT_EQ(store.peek(101u)->data.coins, 102);
  EXPECT_TRUE(host.shutdown(10s).complete());
}

/// Lets a test in where this thread lets go of a store's lock, until the test has what it wants.
struct SeenMutex : std::recursive_mutex {
  static inline thread_local std::function<bool()> behind_unlock;
  void unlock() {
    std::recursive_mutex::unlock();
    if (auto now = std::exchange(behind_unlock, nullptr); now && !now()) behind_unlock = now;
  }
};
struct SeenLease : persist::lock::Lease<> {
  struct access : persist::access::Synchronised {
    using Mutex = SeenMutex;
    using Lock = std::unique_lock<Mutex>;
  };
};

TEST_F(SharedWorld, a_save_is_answered_that_another_thread_made_as_soon_as_it_was_asked_for) {
  persist::Store<std::uint64_t, Save, persist::backend::Memory, SeenLease> seen("seen", memory,
                                                                                options());
  ASSERT_TRUE(host.attach(seen));
  auto session = *seen.load(1u);
  session.edit([](Player& player) { player.coins = 7; });
  auto saved = host.save(session);
  bool was_saved = false;
  SeenMutex::behind_unlock = [&] {
    if (!session.node().save_wanted) return false;
    std::thread([&] {
      if (!seen.core().mutex().try_lock()) return;
      seen.core().mutex().unlock();
      (void)seen.poll();
      was_saved = true;
    }).join();
    return was_saved;
  };
  run();
  SeenMutex::behind_unlock = nullptr;
  EXPECT_TRUE(was_saved);
  ASSERT_TRUE(saved.ready());
  EXPECT_TRUE(saved.get());
}

TEST(HostOfShared, walks_and_calls_go_on_while_other_threads_tell_listeners) {
  SharedPlayers store("shared", persist::backend::Memory());
  for (std::uint64_t key = 1; key <= 30; ++key)
    ASSERT_TRUE(store.update(key, [](Player&) {}, {.create = true}));
  persist::Host host{persist::HostOptions{.lanes = 2}};
  ASSERT_TRUE(host.attach(store));
  std::atomic<bool> is_over{false};
  std::vector<std::thread> saves;
  for (std::uint64_t key : {1001U, 1002U})
    saves.emplace_back([&, session = *store.load(key)]() mutable {
      while (!is_over) {  // and tells whoever waits, of whatever session
        session.edit([](Player& player) { ++player.coins; });
        (void)session.save();
      }
    });
  const auto adds = [](Player& player) { ++player.coins; };
  for (int i = 0; i < 20; ++i) {
    auto walk = host.for_each(store, adds, {.page = 7});
    auto update = host.update(store, 2000u, adds, {.create = true});
    const auto report = walk.get();
    EXPECT_TRUE(report && report->done);
    EXPECT_TRUE(update.get());
  }
  is_over = true;
  for (std::thread& each : saves)
    each.join();
  EXPECT_GT(store.peek(1u)->data.coins, 100);
}

TEST(HostOfShared, a_store_is_destroyed_while_lanes_work_for_it) {
  persist::Host host{persist::HostOptions{.lanes = 2}};
  persist::backend::Memory memory;
  for (int i = 0; i < 20; ++i) {
    SharedPlayers store("shared", memory);
    ASSERT_TRUE(host.attach(store));
    for (std::uint64_t key = 0; key < 10; ++key)
      (void)host.load(store, key);
  }
  SharedPlayers store("shared", memory);
  EXPECT_FALSE(store.inspect(1u) && store.inspect(1u)->held);
}

#if PERSIST_HAS_CHECKS
using SharedWorldDeathTest = SharedWorld;
TEST_F(SharedWorldDeathTest, waiting_for_a_future_inside_a_completion_ends_the_program) {
  EXPECT_DEATH(
      {
        host.load(shared, 1u).then([&](auto) { (void)host.load(shared, 2u).get(); });
        run();
      },
      "waits for a Future");
}
#endif

}  // namespace
