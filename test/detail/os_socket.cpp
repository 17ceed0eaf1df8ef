#include <persist/detail/os_socket.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
namespace os = persist::detail::os;

/// Two ends; what is open is closed at the end.
struct OsSocket : testing::Test {
  int ends[2] = {-1, -1};
  OsSocket() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }
  ~OsSocket() override { close(0), close(1); }
  void close(int which) {
    if (ends[which] >= 0) ::close(ends[which]);
    ends[which] = -1;
  }
  static persist::TimePoint in(persist::Duration time) {
    return persist::SystemClock::instance().now() + time;
  }
};

TEST_F(OsSocket, what_is_sent_comes) {
  EXPECT_EQ(os::send_bytes(ends[0], persist::as_bytes("hello"), in(10s)), 5u);
  std::array<std::byte, 16> got;
  EXPECT_EQ(os::receive_bytes(ends[1], got, in(10s)), 5u);
}

TEST_F(OsSocket, nothing_that_comes_in_time_is_nothing) {
  std::array<std::byte, 16> got;
  EXPECT_EQ(os::receive_bytes(ends[1], got, in(1ms)), std::nullopt);
  EXPECT_EQ(os::receive_bytes(ends[1], got, in(-1s)), std::nullopt);
}

TEST_F(OsSocket, an_end_that_is_gone_is_no_signal) {
  close(1);
  EXPECT_EQ(os::send_bytes(ends[0], persist::as_bytes("hello"), in(10s)), 0u);
  std::array<std::byte, 16> got;
  EXPECT_EQ(os::receive_bytes(ends[0], got, in(10s)), 0u);
}

TEST_F(OsSocket, an_end_that_does_not_read_takes_some_and_then_no_more) {
  const std::string large(std::size_t{4} << 20, 'x');
  const std::size_t sent = os::send_bytes(ends[0], persist::as_bytes(large), in(5ms));
  EXPECT_GT(sent, 0u);
  EXPECT_LT(sent, large.size());
}

TEST_F(OsSocket, a_connection_is_quiet_until_something_comes_or_it_ends) {
  EXPECT_TRUE(os::is_quiet(ends[0]));
  EXPECT_EQ(os::send_bytes(ends[1], persist::as_bytes("x"), in(10s)), 1u);
  EXPECT_FALSE(os::is_quiet(ends[0]));
  EXPECT_TRUE(os::is_quiet(ends[1]));
  close(0);
  EXPECT_FALSE(os::is_quiet(ends[1]));
}

}  // namespace
