#pragma once

#include <persist/bytes.hpp>
#include <persist/detail/os_file.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

#include <csignal>
#include <sys/socket.h>
#include <sys/un.h>

// How processes of one machine wake each other: calls to the operating system, like detail/os.hpp.

namespace persist::inline PERSIST_ABI::detail::os {

/// A name that other processes of this machine can send short messages to. It leaves nothing behind
/// however the process ends. Whoever knows the name can send: what comes is to be doubted.
///
/// Where the system has no names without files (all but Linux) opening is `unsupported`.
class Bell {
 public:
  static constexpr std::size_t longest_name = 64;

  Bell() noexcept = default;
  /// Without a name it can ring others and is rung by none.
  [[nodiscard]] static Result<Bell> open([[maybe_unused]] std::string_view name = {}) {
#if defined(__linux__)
    Bell made;
    made.socket_ = FileHandle(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), std::string(name));
    const auto [address, size] = address_of(name);
    if (made.socket_.descriptor() < 0 ||
        (!name.empty() &&
         ::bind(made.socket_.descriptor(), reinterpret_cast<const sockaddr*>(&address), size) != 0))
      return io_error("listen as", name, errno);
    return made;
#else
    return Error(Errc::unsupported, "no process can wake another here: " + std::string(name));
#endif
  }
  /// Sends without waiting; false where nobody listens or has no room. Any thread may call.
  bool ring([[maybe_unused]] std::string_view name, [[maybe_unused]] ByteView message) const {
#if defined(__linux__)
    const auto [address, size] = address_of(name);
    return socket_.descriptor() >= 0 &&
           ::sendto(socket_.descriptor(), message.data(), message.size(),
                    MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                    size) >= 0;
#else
    return false;
#endif
  }
  /// Waits for a message and cuts it to what there is room for; how long it is. 0 for one without
  /// bytes, or when it was stopped; nothing where it cannot hear any more.
  [[nodiscard]] std::optional<std::size_t> wait(std::span<std::byte> to) const {
    for (;;) {
      const ssize_t got = ::recv(socket_.descriptor(), to.data(), to.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return std::nullopt;
    }
  }
  /// Ends what waits now and all that will wait. Any thread may call.
  void stop() const { (void)::shutdown(socket_.descriptor(), SHUT_RDWR); }

 private:
#if defined(__linux__)
  static std::pair<sockaddr_un, socklen_t> address_of(std::string_view name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;  // behind a first byte of zero it is a name and no path
    const std::string_view fits = name.substr(0, longest_name);
    std::copy(fits.begin(), fits.end(), address.sun_path + 1);
    return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + fits.size())};
  }
#endif
  FileHandle socket_;
};

/// A thread on which no signal handler of the program runs.
template <class F>
[[nodiscard]] std::thread quiet_thread(F body) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread made(std::move(body));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return made;
}

}  // namespace persist::inline PERSIST_ABI::detail::os
