#include <persist/host/group.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

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
