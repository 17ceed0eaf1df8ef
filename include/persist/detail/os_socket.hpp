#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

#include <poll.h>
#include <sys/socket.h>

// Bytes over a connected socket, with a deadline and without SIGPIPE: calls to the operating
// system, like detail/os.hpp. Needed by adapters to servers alone.

namespace persist::inline PERSIST_ABI::detail::os {

/// Waits until one of `events` is there; false where `deadline` came first. A socket that broke is
/// ready for all of them.
[[nodiscard]] inline bool wait_for_socket(int socket, short events, TimePoint deadline) {
  using Milliseconds = std::chrono::milliseconds;
  for (;;) {
    const TimePoint now = SystemClock::instance().now();
    if (deadline <= now) return false;
    const auto left = std::chrono::ceil<Milliseconds>(deadline - now).count();
    const auto most = (std::min<decltype(left)>)(left, (std::numeric_limits<int>::max)());
    pollfd asked{socket, events, 0};
    const int got = ::poll(&asked, 1, static_cast<int>(most));
    if (got > 0) return true;
    if (got < 0 && errno != EINTR) return false;
  }
}

/// How many bytes went out before the deadline, or before the connection broke.
[[nodiscard]] inline std::size_t send_bytes(int socket, ByteView bytes, TimePoint deadline) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t got =
        ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (got > 0)
      sent += static_cast<std::size_t>(got);
    else if (got < 0 && errno == EINTR)
      continue;
    else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) ||
             !wait_for_socket(socket, POLLOUT, deadline))
      break;
  }
  return sent;
}

/// How many bytes came; 0 where the other side is gone, nothing where the deadline came first.
[[nodiscard]] inline std::optional<std::size_t> receive_bytes(int socket, std::span<std::byte> to,
                                                              TimePoint deadline) {
  for (;;) {
    const ssize_t got = ::recv(socket, to.data(), to.size(), MSG_DONTWAIT);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return 0;
    if (!wait_for_socket(socket, POLLIN, deadline)) return std::nullopt;
  }
}

/// Whether a connection on which nothing is awaited can be used: nobody closed it, and nothing
/// came.
[[nodiscard]] inline bool is_quiet(int socket) {
  std::byte one{};
  const ssize_t got = ::recv(socket, &one, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace persist::inline PERSIST_ABI::detail::os
