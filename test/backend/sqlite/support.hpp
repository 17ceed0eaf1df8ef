#pragma once

#include <persist/backend/sqlite.hpp>
#include <persist/testing/laws/backend/driver.hpp>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace persist_test {

using persist::backend::Sqlite;
using persist::backend::SqliteOptions;
using SqliteDriver = persist::testing::laws::Driver<Sqlite>;

/// A folder that is gone when the test ends, and a database's place in it.
class SqliteFolder {
 public:
  SqliteFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  SqliteFolder(const SqliteFolder&) = delete;
  SqliteFolder& operator=(const SqliteFolder&) = delete;
  ~SqliteFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string db() const { return *this / "save.db"; }

 private:
  std::string path_;
};

/// The file as whoever else opens it sees it.
class RawSqlite {
 public:
  explicit RawSqlite(const std::string& path) {
    sqlite3_open(path.c_str(), &db_);
    sqlite3_busy_timeout(db_, 10'000);
  }
  RawSqlite(const RawSqlite&) = delete;
  RawSqlite& operator=(const RawSqlite&) = delete;
  ~RawSqlite() { sqlite3_close(db_); }
  /// Runs it; the first column of the last row.
  std::string operator()(const std::string& sql) {
    std::string answer;
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0] != nullptr ? values[0] : "NULL";
      return 0;
    };
    char* words = nullptr;
    if (sqlite3_exec(db_, sql.c_str(), take, &answer, &words) != SQLITE_OK)
      answer = std::string("error: ") + words;
    sqlite3_free(words);
    return answer;
  }

 private:
  sqlite3* db_ = nullptr;
};

/// Runs `body` in a process of its own and answers how it ended. No database may be open here: one
/// does not go through a fork.
template <class F>
pid_t sqlite_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  return child;
}
inline int ended(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// While there is one, what SQLite writes and syncs goes through it and can fail.
class FailingDisk {
 public:
  FailingDisk() {
    usual() = sqlite3_vfs_find(nullptr);
    vfs_ = *usual();
    vfs_.zName = "persist-failing";
    vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      const int code = usual()->xOpen(usual(), name, file, flags, out);
      if (code != SQLITE_OK || file->pMethods == nullptr) return code;
      file->pMethods = &hook_of(file->pMethods).hooked;
      return code;
    };
    sqlite3_vfs_register(&vfs_, 1);
  }
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;
  ~FailingDisk() {
    works();
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(usual(), 1);
  }
  void fails_writes(int code) { write_code() = code; }
  void fails_syncs(int code) { sync_code() = code; }
  /// Called before each sync.
  static std::function<void()>& on_sync() {
    static std::function<void()> call;
    return call;
  }
  /// How often something was synced, ever.
  static int& syncs() {
    static int count = 0;
    return count;
  }
  void works() { write_code() = sync_code() = SQLITE_OK, on_sync() = nullptr; }

 private:
  static sqlite3_vfs*& usual() {
    static sqlite3_vfs* vfs = nullptr;
    return vfs;
  }
  /// Files of a kind share their methods, and those that lock are of another kind than others.
  struct Hook {
    sqlite3_io_methods hooked;  // first, so that a file's methods are a hook's
    const sqlite3_io_methods* real;
  };
  static const sqlite3_io_methods* real(sqlite3_file* file) {
    return reinterpret_cast<const Hook*>(file->pMethods)->real;
  }
  static const Hook& hook_of(const sqlite3_io_methods* methods) {
    static std::deque<Hook> hooks;
    for (const Hook& each : hooks)
      if (each.real == methods) return each;
    Hook& made = hooks.emplace_back(Hook{*methods, methods});
    made.hooked.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
      return write_code() != SQLITE_OK ? write_code() : real(f)->xWrite(f, from, size, at);
    };
    made.hooked.xSync = [](sqlite3_file* f, int how) {
      ++syncs();
      if (on_sync()) on_sync()();
      return sync_code() != SQLITE_OK ? sync_code() : real(f)->xSync(f, how);
    };
    return made;
  }
  static int& write_code() {
    static int code = SQLITE_OK;
    return code;
  }
  static int& sync_code() {
    static int code = SQLITE_OK;
    return code;
  }

  sqlite3_vfs vfs_{};
};

}  // namespace persist_test
