#pragma once

#include <persist/backend/file/group.hpp>
#include <persist/backend/file/job.hpp>
#include <persist/backend/postgres/link.hpp>
#include <persist/backend/postgres/options.hpp>
#include <persist/backend/postgres/wakes.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// One open database: a connection that writes and one that reads, which does not wait for the
/// other. Any thread may call.
class Database {
 public:
  Database(std::string uri, const PostgresOptions& options)
      : options_(options),
        nonce_(detail::os::random_bits() | 1),
        writer_(uri, options_, nonce_, births_),
        reader_(uri, options_, nonce_, births_),
        wakes_(std::move(uri), nonce_) {}

  /// Opens, and makes the tables where there are none; once, before anything else.
  [[nodiscard]] Result<void> open() {
    if (!is_schema_name(options_.schema))
      return Error(Errc::invalid,
                   "\"" + options_.schema + "\" is no name for a schema: letters, digits and _");
    for (Link* each : {&writer_, &reader_})
      if (const Error error = each->open(each == &writer_); failed(error)) return error;
    return success;
  }

  [[nodiscard]] Owner next_owner(ServerId server) noexcept { return {server, nonce_, ++sessions_}; }
  [[nodiscard]] static std::size_t largest_data() noexcept { return Query::largest; }

  /// All of a batch in one transaction that writes, but for what cannot be done, with all that
  /// other threads hand in while the one before is under way.
  template <class Request>
  void write(std::span<Request> batch) {
    file::Job job{batch};
    group_.run(job, [this](const std::vector<file::Job*>& jobs) { write_all(jobs); });
  }
  /// All of a batch in one transaction that reads: what it answers is of one moment.
  template <class Request>
  void read(std::span<Request> batch) {
    const std::lock_guard hold(reading_);
    reader_.read(batch);
  }
  [[nodiscard]] std::vector<StoreInfo> stores() {
    const std::lock_guard hold(reading_);
    return reader_.stores();
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    wakes_.watch(store, std::move(queue), options_.listens && !options_.pooled);
  }
  /// Whether hints of other servers come in at the moment.
  [[nodiscard]] bool hears() const noexcept { return wakes_.hears(); }
  /// How often the server was waited for, ever.
  [[nodiscard]] std::uint64_t round_trips() const {
    return writer_.round_trips() + reader_.round_trips();
  }
  [[nodiscard]] std::size_t waiting() const { return group_.waiting(); }

 private:
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
    writer_.write(all);
    wakes_.push_mine(writer_.hints());
  }

  PostgresOptions options_;
  std::uint64_t nonce_;
  std::atomic<std::uint64_t> sessions_{0};
  Births births_;

  file::GroupCommit<file::Job> group_;  // only who leads writes
  Link writer_;
  std::mutex reading_;
  Link reader_;
  Wakes wakes_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
