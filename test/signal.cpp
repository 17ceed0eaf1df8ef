// builds: single no-exceptions tsan
#include <persist/signal.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using persist::Connection;
using persist::Signal;

static_assert(sizeof(Signal<int>) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<Signal<int>>);  // two signals never share handlers

TEST(Signal, handlers_are_called_in_the_order_they_were_connected) {
  Signal<int> signal;
  std::string heard;
  const Connection a = signal.connect([&](int n) { heard += "a" + std::to_string(n); });
  const Connection b = signal.connect([&](int n) { heard += "b" + std::to_string(n); });
  signal.fire(1);
  signal.fire(2);
  EXPECT_EQ(heard, "a1b1a2b2");
}

TEST(Signal, several_threads_may_connect_the_first_handlers_at_once) {
  for (int round = 0; round < 50; ++round) {
    Signal<> signal;
    std::atomic<int> calls{0};
    std::atomic<int> arrived{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        ++arrived;
        while (arrived != 4)
          std::this_thread::yield();
        signal.connect([&] { ++calls; }).detach();
        signal.fire();
      });
    for (std::thread& thread : threads)
      thread.join();
    calls = 0;
    signal.fire();
    EXPECT_EQ(calls, 4);
  }
}

TEST(Signal, a_connection_disconnects_itself) {
  Signal<> signal;
  int calls = 0;
  {
    const Connection connection = signal.connect([&] { ++calls; });
    EXPECT_TRUE(connection.connected());
    EXPECT_TRUE(signal.has_handlers());
    signal.fire();
  }
  EXPECT_FALSE(signal.has_handlers());
  signal.fire();
  EXPECT_EQ(calls, 1);
}

TEST(Signal, a_detached_handler_stays) {
  Signal<> signal;
  int calls = 0;
  signal.connect([&] { ++calls; }).detach();
  signal.fire();
  EXPECT_EQ(calls, 1);
}

TEST(Signal, a_connection_is_harmless_after_its_signal_is_gone) {
  Connection connection;
  {
    Signal<> signal;
    connection = signal.connect([] {});
  }
  EXPECT_FALSE(connection.connected());
  connection.disconnect();
}

TEST(Signal, a_handler_connected_once_is_called_once) {
  Signal<> signal;
  int calls = 0;
  const Connection connection = signal.connect(persist::once([&] {
    ++calls;
    signal.fire();  // not even by a firing of its own
  }));
  signal.fire();
  signal.fire();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(connection.connected());
}

TEST(Signal, the_connection_of_a_handler_that_was_called_once_disconnects_no_later_one) {
  Signal<> signal;
  int calls = 0;
  std::optional<Connection> first = signal.connect(persist::once([] {}));
  signal.fire();
  std::vector<Connection> later;  // one of them may lie where the first one lay
  for (int i = 0; i < 64; ++i)
    later.push_back(signal.connect([&] { ++calls; }));
  first.reset();
  signal.fire();
  EXPECT_EQ(calls, 64);
}

TEST(Signal, connecting_while_it_fires_takes_effect_at_the_next_firing) {
  Signal<> signal;
  int calls = 0;
  std::vector<Connection> kept;
  kept.push_back(signal.connect([&] { kept.push_back(signal.connect([&] { ++calls; })); }));
  signal.fire();
  EXPECT_EQ(calls, 0);
  signal.fire();
  EXPECT_EQ(calls, 1);
}

TEST(Signal, a_handler_whose_connection_was_dropped_is_not_called_by_the_firing_under_way) {
  Signal<> signal;
  int calls = 0;
  Connection second;
  const Connection first = signal.connect([&] { second.disconnect(); });
  second = signal.connect([&] { ++calls; });
  signal.fire();
  EXPECT_EQ(calls, 0);
}

TEST(Signal, a_handler_may_drop_its_own_connection) {
  Signal<> signal;
  int calls = 0;
  Connection self;
  self = signal.connect([&, kept = std::make_shared<int>(7)] {
    self.disconnect();
    calls += *kept;
  });
  signal.fire();
  signal.fire();
  EXPECT_EQ(calls, 7);
}

TEST(Signal, what_a_handler_held_may_disconnect_from_the_same_signal_as_it_goes) {
  Signal<> signal;
  struct Listener {
    Connection other;
  };
  int calls = 0;
  auto listener = std::make_shared<Listener>();
  listener->other = signal.connect([&] { ++calls; });
  Connection outer = signal.connect([listener] {});
  listener.reset();
  outer.disconnect();  // the handler goes, and with it the listener and its connection
  signal.fire();
  EXPECT_EQ(calls, 0);
}

TEST(Signal, a_handler_may_destroy_the_signal) {
  auto signal = std::make_unique<Signal<>>();
  int calls = 0;
  signal->connect([&] { signal.reset(); }).detach();
  signal->connect([&] { ++calls; }).detach();
  signal->fire();
  EXPECT_EQ(signal, nullptr);
  EXPECT_EQ(calls, 1);
}

}  // namespace
