#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

namespace persist_test {

/// A PostgreSQL server of this test program alone: in a folder of its own, reached through a socket
/// there and nothing else, gone with the program. Each test takes a schema of its own in it.
class PostgresServer {
 public:
  /// The one of this program, started when it is first asked for.
  static PostgresServer& instance() {
    static PostgresServer server;
    if (!server.is_running()) server.start();
    return server;
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer() {
    stop(SIGQUIT);
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] std::string uri(std::string_view database = "postgres") const {
    return "host=" + folder_ + " port=5432 user=persist dbname=" + std::string(database);
  }
  /// A name that no other test of this program has.
  [[nodiscard]] std::string fresh_name() { return "t" + std::to_string(++names_); }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] bool is_running() const { return server_ > 0; }

  void start() {
    if (folder_.empty() && !make()) return;
    const std::string log = folder_ + "/log";
    server_ = run({bin_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-c",
                   "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50", "-c",
                   "shared_buffers=16MB", "-c", "autovacuum=off", "-c", "log_min_messages=error"},
                  log);
    for (int tries = 0; tries < 6000; ++tries) {
      if (PQping(uri().c_str()) == PQPING_OK) return;
      if (::waitpid(server_, nullptr, WNOHANG) != 0) break;
      ::usleep(10'000);
    }
    std::ifstream words(log);
    ADD_FAILURE() << "the server did not start: "
                  << std::string(std::istreambuf_iterator<char>(words), {});
    server_ = -1;
  }
  /// All of its processes at once, as a crash would, or as a clean end is.
  void stop(int how) {
    if (server_ <= 0) return;
    const std::vector<pid_t> children =
        how == SIGKILL ? children_of(server_) : std::vector<pid_t>();
    ::kill(server_, how);
    for (const pid_t child : children)
      ::kill(child, SIGKILL);
    ::waitpid(server_, nullptr, 0);
    for (const pid_t child : children)
      while (::kill(child, 0) == 0)
        ::usleep(1000);
    server_ = -1;
  }

 private:
  PostgresServer() { start(); }

  [[nodiscard]] static std::string find_binaries() {
    std::vector<std::string> found;
    std::error_code none;
    for (const auto& each : std::filesystem::directory_iterator("/usr/lib/postgresql", none))
      if (std::filesystem::exists(each.path() / "bin/initdb"))
        found.push_back((each.path() / "bin").string());
    for (const char* usual : {"/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"})
      if (found.empty() && std::filesystem::exists(std::string(usual) + "/initdb"))
        found.emplace_back(usual);
    return found.empty() ? "" : *std::max_element(found.begin(), found.end());
  }
  bool make() {
    bin_ = find_binaries();
    if (bin_.empty()) {
      ADD_FAILURE() << "there is no PostgreSQL server: install the package `postgresql`";
      return false;
    }
    // Short, because the name of a socket has 107 bytes at most.
    std::string name = "/tmp/persist-pg-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return false;
    folder_ = name;
    if (::getuid() == 0) {
      const passwd* who = somebody();
      if (::chown(folder_.c_str(), who->pw_uid, who->pw_gid) != 0) return false;
    }
    const pid_t made = run({bin_ + "/initdb", "-D", folder_ + "/data", "-A", "trust", "-U",
                            "persist", "--no-sync", "--wal-segsize=1", "-E", "UTF8", "--locale=C"},
                           folder_ + "/initdb");
    int status = 0;
    ::waitpid(made, &status, 0);
    EXPECT_EQ(status, 0) << "initdb failed";
    return status == 0;
  }
  /// Whom root becomes: a server does not run as root.
  static const passwd* somebody() {
    const passwd* who = ::getpwnam("postgres");
    return who != nullptr ? who : ::getpwnam("nobody");
  }
  static pid_t run(const std::vector<std::string>& words, const std::string& log) {
    std::vector<char*> arguments;
    for (const std::string& word : words)
      arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const passwd* who = ::getuid() == 0 ? somebody() : nullptr;
    const pid_t child = ::fork();
    if (child != 0) return child;
    if (who != nullptr &&
        (::setgroups(0, nullptr) != 0 || ::setgid(who->pw_gid) != 0 || ::setuid(who->pw_uid) != 0))
      ::_exit(126);
    // Whatever becomes of this program, the server does not outlive it.
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int to = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(to, 1), ::dup2(to, 2);
    if (::chdir("/") != 0) ::_exit(126);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  static std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> all;
    const std::string task = std::to_string(parent);
    std::ifstream list("/proc/" + task + "/task/" + task + "/children");
    for (pid_t child = 0; list >> child;)
      all.push_back(child);
    return all;
  }

  std::string bin_, folder_;
  pid_t server_ = -1;
  int names_ = 0;
};

/// The database as whoever else connects to it sees it.
class RawPostgres {
 public:
  explicit RawPostgres(const std::string& uri) : pg_(PQconnectdb(uri.c_str())) {
    PQsetNoticeProcessor(
        pg_, [](void*, const char*) {}, nullptr);
  }
  RawPostgres(const RawPostgres&) = delete;
  RawPostgres& operator=(const RawPostgres&) = delete;
  ~RawPostgres() { PQfinish(pg_); }
  /// Runs it; the first column of the last row.
  std::string operator()(const std::string& sql) {
    PGresult* result = PQexec(pg_, sql.c_str());
    std::string answer;
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
      answer = std::string("error: ") + PQerrorMessage(pg_);
    else if (const int rows = PQntuples(result); rows > 0)
      answer = PQgetisnull(result, rows - 1, 0) != 0 ? "NULL" : PQgetvalue(result, rows - 1, 0);
    PQclear(result);
    return answer;
  }

 private:
  PGconn* pg_;
};

}  // namespace persist_test
