#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/redis/batch.hpp>
#include <persist/backend/redis/database.hpp>
#include <persist/backend/redis/index.hpp>
#include <persist/backend/redis/options.hpp>
#include <persist/backend/uri.hpp>

#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// Records in one Redis server, 6 or later, for any number of game servers. Link `persist::redis`.
///
/// Effect: each request is one script, all or nothing; what was acknowledged survives as the server
/// is set up (doc/redis.md says what each setting and a failover can lose). A save is one round
/// trip where this server holds the record, a load one where nobody does, and all of a batch share
/// them; a message, and a load of a record that is held or was, are up to two. Leases are judged by
/// the server's clock.
/// Errors: the constructor never fails, and a server that cannot be reached is tried again by later
/// calls. `unavailable` (no server, or one that cannot write now; nothing was written),
/// `unknown_outcome` (the connection broke, or the time was over, while a write was on its way; or
/// too few replicas have it), `refused` (user, password, permissions; a database that is not the
/// one this handle knew, as one that lost its memory), `unsupported` (a server that evicts), `io`
/// (its memory or its disk is full; nothing was written), `corrupt` and `too_new` (the record is
/// left alone, others go on).
/// Threads: any may call; each that does at one time has a connection. Copies share them. A handle
/// must not be taken over a `fork`.
class Redis {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  explicit Redis(const RedisOptions& options = {})
      : db_(std::make_shared<redis::Database>(options)) {}
  /// One that was reached.
  [[nodiscard]] static Result<Redis> open(const RedisOptions& options = {}) {
    Redis made(options);
    if (const auto reached = made.status(); !reached) return reached.error();
    return made;
  }

  [[nodiscard]] bool same_database(const Redis& other) const noexcept { return db_ == other.db_; }
  /// Whether the server can be reached now and is fit to keep records.
  [[nodiscard]] Result<void> status() const {
    auto line = db_->pool().take();
    if (!line) return line.error();
    db_->pool().give_back(std::move(*line));
    return success;
  }
  [[nodiscard]] Owner next_owner(ServerId server) { return db_->next_owner(server); }

  void open_store(std::span<OpenStoreRequest> batch) {
    for (OpenStoreRequest& request : batch) {
      if (const auto fit = redis::may_write(*db_, request.name); !fit)
        request.error = fit.error();
      else
        kv::open_store(db_->stores(), request);
    }
  }
  void acquire(std::span<AcquireRequest> batch) { run(batch); }
  void commit(std::span<CommitRequest> batch) { run(batch); }
  void read(std::span<ReadRequest> batch) { run(batch); }
  void post(std::span<PostRequest> batch) { run(batch); }
  void erase(std::span<EraseRequest> batch) { run(batch); }
  void relay(std::span<RelayRequest> batch) {
    for (RelayRequest& request : batch)
      request.take_from.empty() ? redis::list_waiting(*db_, request) : run(std::span(&request, 1));
  }
  void scan(std::span<ScanRequest> batch) {
    for (ScanRequest& request : batch)
      redis::scan(*db_, request);
  }
  void query(std::span<IndexRequest> batch) {
    for (IndexRequest& request : batch)
      redis::query(*db_, request);
  }
  void read_schemas(std::span<SchemaRequest> batch) {
    for (SchemaRequest& request : batch)
      kv::read_schema(db_->stores(), request);
  }
  /// Hears of what other servers do to the store's records too, by a connection and a thread that
  /// the first call makes and the last handle ends; `RedisOptions::wakes` says whether.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) { db_->watch(store, std::move(queue)); }
  /// Half of what one value of Redis may be.
  [[nodiscard]] std::size_t largest_data() const noexcept { return std::size_t{256} << 20; }
  using StoreInfo = persist::StoreInfo;
  /// For tools: looks at every key of the server. None where it cannot be reached.
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    std::vector<StoreInfo> all;
    const auto headers = db_->stores().map().headers();
    if (!headers) return all;
    for (const Buffer& header : *headers)
      if (auto store = kv::decode_header(header, "a header")) all.push_back(*std::move(store));
    return all;
  }

 private:
  template <class Request>
  void run(std::span<Request> batch) {
    redis::Batch<Request>(*db_, batch).run();
  }

  std::shared_ptr<redis::Database> db_;
};

/// `redis://USER@HOST:PORT/DATABASE`, or `redis:SOCKET` for a Unix socket of this machine, with
/// `replicas=N`, `wakes=no` and `deadline=TIME`. The password is in the environment, as
/// `PERSIST_REDIS_PASSWORD`, or behind the user's name.
template <>
struct UriOpener<Redis> {
  static constexpr std::string_view schemes[] = {"redis"};
  static Result<Redis> open(Uri& uri, Clock* /*a server has its own*/) {
    RedisOptions options;
    const auto wakes = uri.take_flag("wakes", options.wakes);
    const auto deadline = uri.take_duration("deadline", options.deadline);
    const auto replicas = uri.take_number("replicas", options.replicas);
    if (!wakes || !deadline || !replicas)
      return !wakes ? wakes.error() : !deadline ? deadline.error() : replicas.error();
    options.wakes = *wakes;
    options.deadline = *deadline;
    options.replicas = *replicas;
    if (const auto all = uri.finish("replicas, wakes, deadline"); !all) return all.error();
    if (const char* password = std::getenv("PERSIST_REDIS_PASSWORD")) options.password = password;
    const Result<Authority> server = uri.authority();
    if (!server) return server.error();
    if (!server->user.empty()) options.user = server->user;
    if (!server->password.empty()) options.password = server->password;
    if (!server->host.empty()) options.host = server->host;
    if (server->port != 0) options.port = server->port;
    if (!uri.place().empty() && !uri.place().starts_with("//"))
      options.socket = uri.place();
    else if (!server->path.empty() && !read_number(server->path, options.database))
      return uri.wrong("names no database: behind the server comes a number");
    return Redis::open(options);
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
