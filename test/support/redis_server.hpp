#pragma once

#include <persist/backend/redis/connection.hpp>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace persist_test {

/// A redis-server of the test's own: a folder, a Unix socket in it, no port. It is gone with it.
class RedisServer {
 public:
  using Settings = std::vector<std::string>;

  explicit RedisServer(Settings settings = {}) : settings_(std::move(settings)) {
    std::string name = "/tmp/prs-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) folder_ = name;
    start();
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer() {
    stop(SIGKILL);
    std::filesystem::remove_all(folder_);
  }

  /// Why there is none; empty where there is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::string socket() const { return folder_ + "/s"; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] persist::backend::RedisOptions options(persist::Clock* clock = nullptr) const {
    persist::backend::RedisOptions all;
    all.socket = socket();
    all.retry_after = persist::Duration::zero();
    all.clock = clock;
    return all;
  }

  /// Starts it, again where it was stopped, and returns once it answers.
  void start() {
    pid_ = ::fork();
    if (pid_ == 0) run();
    for (int tries = 0; tries < 2000; ++tries) {
      persist::backend::redis::Connection line;
      const auto in_time =
          persist::SystemClock::instance().now() + persist::Duration(std::chrono::seconds(10));
      if (line.open(options(), in_time)) {
        const auto reply = line.call({"PING"});
        if (reply || reply.error() == persist::Errc::refused) return;
      }
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        problem_ = "redis-server did not start: install the package redis-server";
        return;
      }
      ::usleep(5000);
    }
    problem_ = "redis-server did not answer";
  }
  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGCONT);
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void send(int signal) const { ::kill(pid_, signal); }

  /// A command in words; what it answers, with the parts of a list joined by spaces.
  std::string operator()(const std::vector<std::string>& words) const {
    persist::backend::redis::Connection line;
    const auto in_time =
        persist::SystemClock::instance().now() + persist::Duration(std::chrono::seconds(10));
    if (const auto opened = line.open(options(), in_time); !opened) return opened.error().message();
    const auto reply = line.call(persist::backend::redis::Arguments(words.begin(), words.end()));
    return reply ? text_of(persist::backend::redis::Answer(reply->get())) : reply.error().message();
  }

 private:
  static std::string text_of(persist::backend::redis::Answer answer) {
    if (answer.is(REDIS_REPLY_INTEGER)) return std::to_string(answer.integer());
    if (answer.is_text()) return std::string(answer.text());
    std::string all;
    for (std::size_t i = 0; i < answer.size(); ++i)
      all += (i != 0 ? " " : "") + text_of(answer[i]);
    return all;
  }
  [[noreturn]] void run() const {
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it ends with its program, however that ends
#endif
    const int nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(nowhere, 0), ::dup2(nowhere, 1), ::dup2(nowhere, 2);
    if (::chdir(folder_.c_str()) != 0) ::_exit(1);
    std::vector<std::string> words = {"redis-server", "--port",      "0", "--unixsocket",
                                      socket(),       "--save",      "",  "--daemonize",
                                      "no",           "--databases", "4"};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> all;
    for (std::string& word : words)
      all.push_back(word.data());
    all.push_back(nullptr);
    ::execvp("redis-server", all.data());
    ::_exit(127);
  }

  Settings settings_;
  std::string folder_;
  std::string problem_;
  pid_t pid_ = -1;
};

/// The one that tests share which do not stop it; emptied by who asks.
inline RedisServer& shared_redis() {
  static RedisServer server;
  return server;
}

}  // namespace persist_test
