#pragma once

#include <persist/detail/os_file.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

// Waiting for a socket that a client library has opened: calls to the operating system, like
// detail/os.hpp.

namespace persist::inline PERSIST_ABI::detail::os {

/// Ends a wait for a socket early, once and for all. Any thread may ring.
class Alarm {
 public:
  Alarm() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
    heard_ = FileHandle(ends[0], "alarm");
    rings_ = FileHandle(ends[1], "alarm");
  }
  void ring() const {
    const char once = 0;
    [[maybe_unused]] const ssize_t done = ::write(rings_.descriptor(), &once, 1);
  }
  /// -1 where the system gave none.
  [[nodiscard]] int descriptor() const noexcept { return heard_.descriptor(); }

 private:
  FileHandle heard_, rings_;
};

enum class Woke : std::uint8_t { socket, alarm, nothing };

/// Waits until the socket can be read, or written where that is wanted too; for so long at most; or
/// until the alarm rings. A socket that is broken counts as ready: who uses it next hears why.
[[nodiscard]] inline Woke wait_for_socket(int socket, bool writes, std::int64_t milliseconds,
                                          const Alarm* alarm = nullptr) {
  std::array<::pollfd, 2> on{
      ::pollfd{socket, static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0},
      ::pollfd{alarm != nullptr ? alarm->descriptor() : -1, POLLIN, 0}};
  constexpr std::int64_t longest = 1 << 30;
  const int timeout = static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, longest));
  const int done = ::poll(on.data(), on.size(), timeout);
  if (done > 0 && on[1].revents != 0) return Woke::alarm;
  return done == 0 || (done < 0 && errno == EINTR) ? Woke::nothing : Woke::socket;
}

}  // namespace persist::inline PERSIST_ABI::detail::os
