#include <persist/host/asio.hpp>

#include <support/hosted.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

namespace {

using namespace test;
using persist::async;

struct AsioCase : HostedWorld {
  using Loaded = persist::Result<Players::Session>;
  asio::io_context io;
};

TEST_F(AsioCase, a_handler_runs_on_its_own_executor_which_waits_for_it) {
  bool called = false;
  async(host.load(players, 1u), asio::bind_executor(io, [&](const Loaded& session) {
          called = session && session->view()->coins == 100;
        }));
  EXPECT_EQ(io.poll(), 0U);
  EXPECT_FALSE(io.stopped()) << "it had nothing to wait for";
  settle();
  EXPECT_FALSE(called) << "it ran in the poll";
  io.run();
  EXPECT_TRUE(called);
}

TEST_F(AsioCase, a_plain_function_is_called_in_the_poll_and_a_future_is_filled) {
  bool called = false;
  async(host.load(players, 1u), [&](const Loaded& session) { called = bool(session); });
  auto future = async(host.load(players, 2u), asio::use_future);
  settle();
  EXPECT_TRUE(called);
  EXPECT_TRUE(future.get());
}

TEST_F(AsioCase, what_is_cancelled_ends_with_cancelled) {
  auto holder = tool.load(1u);
  asio::cancellation_signal off;
  persist::Errc code{};
  async(host.load(players, 1u),
        asio::bind_cancellation_slot(
            off.slot(), [&](const Loaded& session) { code = session.error().code(); }));
  settle();
  EXPECT_EQ(code, persist::Errc{});
  off.emit(asio::cancellation_type::terminal);
  settle();
  EXPECT_EQ(code, Errc::cancelled);
  EXPECT_FALSE(tool.inspect(1u)->release_requested);
}

TEST_F(AsioCase, its_cancellation_is_touched_where_its_handler_runs_and_nowhere_else) {
  asio::cancellation_signal off;
  bool called = false;
  async(host.load(players, 1u),
        asio::bind_cancellation_slot(
            off.slot(), asio::bind_executor(io, [&](const Loaded&) { called = true; })));
  settle();
  EXPECT_TRUE(off.slot().has_handler()) << "it was cleared in the poll, on another thread";
  io.run();
  EXPECT_TRUE(called);
  EXPECT_FALSE(off.slot().has_handler());
}

}  // namespace
