#include <persist/detail/os_poll.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>

namespace {

namespace os = persist::detail::os;

struct OsPoll : testing::Test {
  int ends[2] = {-1, -1};
  OsPoll() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }
  ~OsPoll() override { ::close(ends[0]), ::close(ends[1]); }
};

TEST_F(OsPoll, ASocketIsReadyWhenItCanBeReadOrWrittenOrIsBroken) {
  EXPECT_EQ(os::wait_for_socket(ends[0], false, 0), os::Woke::nothing);
  EXPECT_EQ(os::wait_for_socket(ends[0], true, 0), os::Woke::socket);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_EQ(os::wait_for_socket(ends[0], false, 1'000'000), os::Woke::socket);
  char one = 0;
  ASSERT_EQ(::read(ends[0], &one, 1), 1);
  ::shutdown(ends[1], SHUT_RDWR);
  EXPECT_EQ(os::wait_for_socket(ends[0], false, 1'000'000), os::Woke::socket);
}

TEST_F(OsPoll, AnAlarmEndsEveryWaitOnceItHasRung) {
  const os::Alarm alarm;
  EXPECT_EQ(os::wait_for_socket(ends[0], false, 0, &alarm), os::Woke::nothing);
  alarm.ring();
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(os::wait_for_socket(ends[0], false, 1'000'000, &alarm), os::Woke::alarm);
}

}  // namespace
