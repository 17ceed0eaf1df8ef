#pragma once

#include <persist/backend/etcd/map.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace persist_test {

/// An etcd of the test's own, a cluster of one: a folder, two free ports of this machine's
/// loopback. It is gone with it.
class EtcdServer {
 public:
  explicit EtcdServer(std::vector<std::string> settings = {}) : settings_(std::move(settings)) {
    std::string name = "/tmp/persist-etcd-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) folder_ = name;
    for (int tries = 0; tries < 5 && !start(); ++tries)  // somebody may have taken a port meanwhile
      ports_.clear();
  }
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;
  ~EtcdServer() {
    stop(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// Why there is none; empty where there is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(ports_[0]); }
  [[nodiscard]] persist::backend::EtcdOptions options() const {
    persist::backend::EtcdOptions all;
    all.endpoints = {"http://" + endpoint()};
    return all;
  }

  /// Starts it, again where it was stopped, and returns once it answers.
  bool start() {
    problem_.clear();
    if (ports_.empty()) ports_ = {free_port(), free_port()};
    pid_ = ::fork();
    if (pid_ == 0) run();
    persist::backend::etcd::Map map(options());
    for (int tries = 0; tries < 3000; ++tries) {
      if (map.get("x")) return true;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        problem_ = "etcd did not start: install the package etcd-server";
        return false;
      }
      ::usleep(5000);
    }
    problem_ = "etcd did not answer";
    return false;
  }
  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGCONT);
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void send(int signal) const { ::kill(pid_, signal); }

 private:
  [[nodiscard]] static int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    (void)::bind(socket, reinterpret_cast<const sockaddr*>(&here), size);
    (void)::getsockname(socket, reinterpret_cast<sockaddr*>(&here), &size);
    ::close(socket);
    return ntohs(here.sin_port);
  }
  [[noreturn]] void run() const {
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it ends with its program, however that ends
#endif
    const int nowhere = ::open("/dev/null", O_RDWR);
    const int log = ::open((folder_ + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(nowhere, 0), ::dup2(log, 1), ::dup2(log, 2);
    const std::string client = "http://127.0.0.1:" + std::to_string(ports_[0]);
    const std::string peer = "http://127.0.0.1:" + std::to_string(ports_[1]);
    std::vector<std::string> words = {"etcd",
                                      "--name=one",
                                      "--data-dir=" + folder_ + "/data",
                                      "--listen-client-urls=" + client,
                                      "--advertise-client-urls=" + client,
                                      "--listen-peer-urls=" + peer,
                                      "--initial-advertise-peer-urls=" + peer,
                                      "--initial-cluster=one=" + peer,
                                      "--heartbeat-interval=10",
                                      "--election-timeout=100",
                                      "--unsafe-no-fsync"};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> all;
    for (std::string& word : words)
      all.push_back(word.data());
    all.push_back(nullptr);
    ::execvp("etcd", all.data());
    ::_exit(127);
  }

  std::vector<std::string> settings_;
  std::string folder_;
  std::string problem_;
  std::vector<int> ports_;
  pid_t pid_ = -1;
};

/// The one that tests share which do not stop it; each takes a prefix of its own.
inline EtcdServer& shared_etcd() {
  static EtcdServer server;
  return server;
}
inline persist::backend::EtcdOptions fresh_etcd() {
  static int names = 0;
  persist::backend::EtcdOptions options = shared_etcd().options();
  options.prefix = "t" + std::to_string(++names) + "/";
  return options;
}

}  // namespace persist_test
