#include <persist/detail/os_signal.hpp>

#include <csignal>

#include <gtest/gtest.h>

namespace {

std::atomic<int> noted{0};
std::atomic<int> earlier{0};
void note() noexcept {
  ++noted;
}

TEST(OsSignal, a_handler_that_was_there_before_is_called_as_well_and_once) {
  std::signal(SIGTERM, [](int) { ++earlier; });
  ASSERT_TRUE(persist::detail::os::on_stop_signals(&note));
  ASSERT_TRUE(persist::detail::os::on_stop_signals(&note)) << "a second call changes nothing";
  errno = 7;
  std::raise(SIGTERM);
  EXPECT_EQ(noted, 1);
  EXPECT_EQ(earlier, 1);
  EXPECT_EQ(errno, 7);
  std::raise(SIGINT);
  EXPECT_EQ(noted, 2) << "where nobody handled it the program goes on";
  EXPECT_EQ(earlier, 1);

  auto& before = persist::detail::os::stop_handlers().before[0];
  before = {};
  before.sa_handler = SIG_IGN;
  before.sa_flags = SA_SIGINFO;  // which says nothing where there is no handler
  std::raise(SIGINT);
  EXPECT_EQ(noted, 3);
}

}  // namespace
