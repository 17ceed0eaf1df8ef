#pragma once

#include <persist/backend/file/group.hpp>
#include <persist/backend/file/job.hpp>
#include <persist/backend/sqlite/options.hpp>
#include <persist/backend/sqlite/schema.hpp>
#include <persist/backend/sqlite/tables.hpp>
#include <persist/backend/sqlite/wakes.hpp>
#include <persist/detail/os_file.hpp>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// One open database file: a connection that writes and one that reads, which does not wait for the
/// other. Any thread may call.
class Database {
 public:
  Database(std::string path, const SqliteOptions& options)
      : path_(std::move(path)),
        options_(options),
        clock_(options.clock != nullptr ? *options.clock : SystemClock::instance()),
        writer_(time_),
        reader_(time_) {}

  /// Opens, and makes where there is none; once, before anything else.
  [[nodiscard]] Result<void> open() {
    if (auto fits = can_be_here(); !fits) return fits;
    if (auto made = make_file(); !made) return made;
    for (Engine* each : {&writer_, &reader_})
      each->connection.open(path_);
    const Error error = patiently(writer_.connection, [&] { set_up_tables(); });
    if (failed(error)) return error;
    set_up(reader_.connection, false);
    if (!reader_.connection.good()) return reader_.connection.error();
    file_ = sqlite3_db_filename(writer_.connection.get(), "main");
    auto here = Presence::announce(file_);
    if (!here) return here.error();
    presence_ = std::move(*here);
    limit_ =
        static_cast<std::size_t>(sqlite3_limit(writer_.connection.get(), SQLITE_LIMIT_LENGTH, -1));
    return success;
  }

  [[nodiscard]] Owner next_owner(ServerId server) noexcept {
    return {server, presence_.nonce(), ++sessions_};
  }
  /// What fits a row: SQLite counts the row with its numbers.
  [[nodiscard]] std::size_t largest_data() const noexcept { return limit_ - 64; }
  /// Its one true path, wherever the process goes.
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

  /// All of a batch in one transaction that writes, but for what cannot be done, with all that
  /// other threads hand in while the one before is under way.
  template <class Request>
  void write(std::span<Request> batch) {
    file::Job job{batch};
    group_.run(job, [this](const std::vector<file::Job*>& jobs) { write_all(jobs); });
  }
  /// How many threads wait for the transaction that is under way.
  [[nodiscard]] std::size_t waiting() const { return group_.waiting(); }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    wakes_.watch(presence_.nonce(), store, std::move(queue));
  }
  /// All of a batch in one transaction that reads: what it answers is of one moment.
  template <class Request>
  void read(std::span<Request> batch) {
    const std::lock_guard hold(reading_);
    run(reader_, batch, look_, false);
  }
  [[nodiscard]] std::vector<StoreInfo> stores() {
    const std::lock_guard hold(reading_);
    std::vector<StoreInfo> all;
    (void)patiently(reader_.connection, [&] { all = reader_.stores(); });
    return all;
  }

 private:
  [[nodiscard]] Result<void> can_be_here() const {
    if (sqlite3_threadsafe() == 0)
      return Error(Errc::unsupported, "this SQLite was built for one thread");
    if (path_.empty() || path_.front() == ':')
      return Error(Errc::invalid, "a store of backend::Sqlite is a file, and \"" + path_ +
                                      "\" names none: what is only in memory is backend::Memory");
    const auto on = detail::os::network_file_system(detail::os::parent_of(path_));
    if (!on) return on.error();
    if (on->empty()) return success;
    return Error(Errc::unsupported, path_ + " lies on a network file system (" + std::string(*on) +
                                        "), whose locks and shared memory SQLite cannot trust: put "
                                        "it on a disk of this machine");
  }
  /// Nobody but this user reads players' data. One that is there is left alone, because to close it
  /// would drop the locks that this process has on it.
  [[nodiscard]] Result<void> make_file() const {
    if (!options_.creates) {
      std::error_code unknown;
      if (std::filesystem::exists(path_, unknown) || unknown) return success;
      return Error(Errc::not_found, "there is no database " + path_);
    }
    const auto made = detail::os::Files{}.open(path_, detail::os::Access::create);
    if (made || made.error().os_error() == EEXIST) return success;
    return made.error();
  }
  void set_up_tables() {
    Connection& writer = writer_.connection;
    set_up(writer, options_.durability == Durability::full);
    if (!writer.good()) return;
    // What the file is shows before anything is changed.
    writer.execute("BEGIN");
    check_encoding(writer);
    const bool is_new = check_tables(writer);
    if (is_new && !options_.creates)
      writer.refuse({Errc::not_found, path_ + " is a database, and holds nothing of persist's"});
    roll_back(writer);
    enter_wal(writer);
    writer.execute("BEGIN IMMEDIATE");
    make_tables(writer);
    writer.execute("COMMIT");
    roll_back(writer);
  }
  static void roll_back(Connection& connection) {
    if (connection.get() != nullptr && sqlite3_get_autocommit(connection.get()) == 0)
      (void)sqlite3_exec(connection.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

  /// Does it again for as long as others are at work and there is time; says what went wrong.
  template <class F>
  [[nodiscard]] Error patiently(Connection& connection, F once) {
    return patiently(connection, persist::after(clock_.now(), options_.patience), once);
  }
  template <class F>
  [[nodiscard]] Error patiently(Connection& connection, TimePoint deadline, F once) {
    Duration pause = std::chrono::milliseconds(1);
    Wake nobody;
    for (;;) {
      if (connection.get() != nullptr) connection.forget();
      once();
      if (!connection.is_busy()) return connection.good() ? Error(Errc{}) : connection.error();
      const TimePoint now = clock_.now();
      if (now >= deadline) return connection.error();
      clock_.wait_until((std::min)(deadline, now + pause), nobody);
      pause = (std::min)(2 * pause, Duration(std::chrono::milliseconds(16)));
    }
  }

  /// A request of any kind that writes.
  using Asked = std::variant<OpenStoreRequest*, AcquireRequest*, CommitRequest*, PostRequest*,
                             RelayRequest*, EraseRequest*>;

  void write_all(const std::vector<file::Job*>& jobs) {
    std::vector<Asked> all;
    const auto add = [&](auto& batch) {
      if constexpr (requires { batch.size(); }) {
        all.reserve(all.size() + batch.size());
        for (auto& request : batch)
          all.emplace_back(&request);
      }
    };
    for (const file::Job* job : jobs)
      std::visit(add, job->requests);
    writer_.hints.clear();
    run(writer_, std::span(all), begin_, true);
    wakes_.send(presence_.nonce(), writer_.hints);
  }
  static void perform(Engine& engine, Asked& asked) {
    std::visit([&](auto* request) { perform(engine, *request); }, asked);
  }
  template <class Request>
  static void perform(Engine& engine, Request& request) {
    engine.perform(file::renewed(request));
  }
  static void fail(Asked& asked, const Error& error) {
    std::visit([&](auto* request) { file::fail(*request, error); }, asked);
  }
  template <class Request>
  static void fail(Request& request, const Error& error) {
    file::fail(request, error);
  }

  template <class Request>
  void run(Engine& engine, std::span<Request> batch, Statement& begin, bool writes) {
    const TimePoint deadline = persist::after(clock_.now(), options_.patience);
    std::vector<bool> left_out;
    for (;;) {
      std::size_t at = 0;
      const Error error = patiently(engine.connection, deadline,
                                    [&] { at = transact(engine, batch, left_out, begin, writes); });
      if (!failed(error)) break;
      left_out.resize(batch.size());
      // What is wrong with one request stops no other, which then go through together.
      const bool is_its_own = at != batch.size() && !is_ailing(error);
      for (std::size_t i = is_its_own ? at : 0; i != (is_its_own ? at + 1 : batch.size()); ++i) {
        if (!left_out[i]) fail(batch[i], error);
        left_out[i] = true;
      }
      if (!is_its_own) return engine.hints.clear();
    }
  }
  /// Once, all or nothing. Says which request could not be done; the batch's size: it was none's
  /// fault.
  template <class Request>
  std::size_t transact(Engine& engine, std::span<Request> batch, const std::vector<bool>& left_out,
                       Statement& begin, bool writes) {
    Connection& connection = engine.connection;
    Query(begin).run();
    engine.hints.clear();
    std::size_t culprit = batch.size();
    for (std::size_t i = 0; i < batch.size() && connection.good(); ++i) {
      if (!left_out.empty() && left_out[i]) continue;
      perform(engine, batch[i]);
      if (!connection.good()) culprit = i;
    }
    if (connection.good()) {
      Query(writes ? commit_ : end_).run();
      // The last frame may have reached the log, and may be found there after a crash.
      if (writes && (connection.code() & 0xff) == SQLITE_IOERR) connection.doubt();
    }
    roll_back(connection);
    return culprit;
  }

  std::string path_, file_;
  SqliteOptions options_;
  Clock& clock_;
  Presence presence_;
  Sql::Time time_{clock_, presence_};
  std::atomic<std::uint64_t> sessions_{0};
  std::size_t limit_ = 0;
  Wakes wakes_;

  file::GroupCommit<file::Job> group_;  // only who leads writes
  Engine writer_;
  Statement begin_{writer_.connection, "BEGIN IMMEDIATE"};
  Statement commit_{writer_.connection, "COMMIT"};

  std::mutex reading_;
  Engine reader_;
  Statement look_{reader_.connection, "BEGIN"};
  Statement end_{reader_.connection, "COMMIT"};
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
