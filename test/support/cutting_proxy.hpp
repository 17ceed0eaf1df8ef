#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace persist_test {

/// Stands between a client and a server, both on Unix sockets, and cuts one connection at a chosen
/// moment: before a request reaches the server, or behind it and before the reply reaches the
/// client. What a client sends at once counts as one request, if it is small.
class CuttingProxy {
 public:
  enum class Cut { nothing, before_request, before_reply };

  CuttingProxy(std::string own, std::string server)
      : own_(std::move(own)), server_(std::move(server)) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un at = address(own_);
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    ::listen(listener_, 16);
    thread_ = std::thread([this] { run(); });
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;
  ~CuttingProxy() {
    ends_ = true;
    thread_.join();
    for (const auto& [client, server] : pairs_)
      ::close(client), ::close(server);
    ::close(listener_);
    ::unlink(own_.c_str());
  }

  /// Cuts at the request that comes after `passing` others.
  void cut(Cut how, int passing = 0) { passing_ = passing, how_ = how; }
  [[nodiscard]] int requests() const { return requests_; }
  [[nodiscard]] bool has_cut() const { return how_ == Cut::nothing; }

 private:
  static sockaddr_un address(const std::string& path) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    return at;
  }
  void run() {
    std::vector<pollfd> asked;
    while (!ends_) {
      asked.assign(1, {listener_, POLLIN, 0});
      for (const auto& [client, server] : pairs_)
        asked.push_back({client, POLLIN, 0}), asked.push_back({server, POLLIN, 0});
      if (::poll(asked.data(), asked.size(), 20) <= 0) continue;
      for (std::size_t i = pairs_.size(); i-- > 0;)
        if (!pass(pairs_[i], asked[1 + 2 * i].revents != 0, asked[2 + 2 * i].revents != 0)) {
          ::close(pairs_[i].first), ::close(pairs_[i].second);
          pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
        }
      if (asked[0].revents != 0) accept_one();
    }
  }
  void accept_one() {
    const int client = ::accept(listener_, nullptr, nullptr);
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un at = address(server_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
      pairs_.emplace_back(client, server);
    else
      ::close(client), ::close(server);
  }
  bool pass(const std::pair<int, int>& pair, bool from_client, bool from_server) {
    if (from_server && !copy(pair.second, pair.first)) return false;
    if (!from_client) return true;
    const Cut how = how_;
    const bool is_now = how != Cut::nothing && passing_-- == 0;
    if (is_now) how_ = Cut::nothing;
    ++requests_;
    if (is_now && how == Cut::before_request) return false;
    if (!copy(pair.first, pair.second)) return false;
    if (!is_now) return true;
    char byte = 0;  // the server has answered, so it has done it
    (void)::recv(pair.second, &byte, 1, MSG_PEEK);
    return false;
  }
  static bool copy(int from, int to) {
    std::vector<char> bytes(std::size_t{1} << 18);
    const ssize_t got = ::recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) return false;
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t now =
          ::send(to, bytes.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
      if (now <= 0) return false;
      sent += now;
    }
    return true;
  }

  std::string own_, server_;
  int listener_ = -1;
  std::vector<std::pair<int, int>> pairs_;
  std::atomic<Cut> how_{Cut::nothing};
  std::atomic<int> passing_{0}, requests_{0};
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace persist_test
