#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace persist_test {

/// A server of HTTP on a free port of the loopback that gives the answers it was told, one a
/// request; an empty one hangs up, and with none left it says nothing.
class AnsweringMachine {
 public:
  AnsweringMachine() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    (void)::bind(listener_, reinterpret_cast<const sockaddr*>(&here), size);
    (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size);
    (void)::listen(listener_, 8);
    (void)::pipe(ends_);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(here.sin_port));
    thread_ = std::thread([this] { run(); });
  }
  AnsweringMachine(const AnsweringMachine&) = delete;
  AnsweringMachine& operator=(const AnsweringMachine&) = delete;
  ~AnsweringMachine() {
    (void)::close(ends_[1]);
    thread_.join();
    (void)::close(ends_[0]);
    (void)::close(listener_);
  }

  void then(std::string answer) {
    const std::lock_guard hold(mutex_);
    answers_.push_back(std::move(answer));
  }
  /// For what is JSON.
  void then_json(const std::string& body, const std::string& status = "200 OK") {
    then("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body);
  }
  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] std::vector<std::string> heard() const {
    const std::lock_guard hold(mutex_);
    return heard_;
  }
  [[nodiscard]] int connections() const {
    const std::lock_guard hold(mutex_);
    return connections_;
  }

 private:
  void run() {
    std::vector<std::pair<int, std::string>> lines;
    for (;;) {
      std::vector<pollfd> all{{ends_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& [line, text] : lines)
        all.push_back({line, POLLIN, 0});
      if (::poll(all.data(), all.size(), -1) < 0 || all[0].revents != 0) break;
      for (std::size_t i = lines.size(); i-- > 0;)
        if (all[2 + i].revents != 0 && !listen_to(lines[i].first, lines[i].second)) {
          (void)::close(lines[i].first);
          lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
        }
      if (all[1].revents == 0) continue;
      lines.emplace_back(::accept(listener_, nullptr, nullptr), "");
      const std::lock_guard hold(mutex_);
      ++connections_;
    }
    for (const auto& [line, text] : lines)
      (void)::close(line);
  }
  /// Takes what came, and answers where that is a whole request. False: it hangs up.
  bool listen_to(int line, std::string& text) {
    char bytes[4096];
    const ssize_t got = ::recv(line, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    text.append(bytes, static_cast<std::size_t>(got));
    const std::size_t head = text.find("\r\n\r\n");
    const std::size_t length = text.find("Content-Length: ");
    if (head == std::string::npos || length == std::string::npos) return true;
    if (text.size() < head + 4 + std::stoul(text.substr(length + 16))) return true;
    const std::lock_guard hold(mutex_);
    heard_.push_back(std::exchange(text, ""));
    if (answers_.empty()) return true;
    const std::string answer = std::move(answers_.front());
    answers_.pop_front();
    if (answer.empty()) return false;
    (void)::send(line, answer.data(), answer.size(), MSG_NOSIGNAL);
    const std::size_t body = answer.find("\r\n\r\n") + 4;
    const std::size_t said = answer.find("Content-Length: ");
    return answer.size() - body == std::stoul(answer.substr(said + 16));
  }

  int listener_ = -1;
  int ends_[2] = {-1, -1};
  std::string url_;
  mutable std::mutex mutex_;
  std::deque<std::string> answers_;
  std::vector<std::string> heard_;
  int connections_ = 0;
  std::thread thread_;
};

}  // namespace persist_test
