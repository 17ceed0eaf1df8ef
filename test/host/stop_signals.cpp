#include <persist/host/stop_signals.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <csignal>

namespace {

using namespace test;

using StopSignals = HostedWorld;

TEST_F(StopSignals, a_signal_during_a_load_is_noted_and_the_shutdown_gives_the_record_back) {
  ASSERT_TRUE(host.stop_on_signals());
  auto session = load(1);
  session.edit()->coins = 4;
  EXPECT_FALSE(host.stop_requested());
  auto loading = host.load(players, 2u);
  host.poll();
  std::raise(SIGTERM);
  EXPECT_TRUE(host.stop_requested());
  EXPECT_EQ(session.state(), State::open) << "the signal did more than to set a flag";
  EXPECT_TRUE(host.shutdown(10s).complete());
  EXPECT_EQ(durable(1), 4);
  EXPECT_TRUE(loading.get().is(Errc::cancelled));
  EXPECT_FALSE(tool.inspect(2u)->held);
  persist::StopSignals::forget();
  EXPECT_FALSE(host.stop_requested());
  persist::StopSignals::request();
  EXPECT_TRUE(host.stop_requested());
}

}  // namespace
