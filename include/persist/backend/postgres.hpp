#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/postgres/database.hpp>
#include <persist/backend/postgres/options.hpp>
#include <persist/backend/uri.hpp>

#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// Records in a PostgreSQL database (14 and later), which many servers share. Link
/// `persist::postgres`.
///
/// Effect: a batch is one transaction; what was acknowledged survives as the server's
/// `synchronous_commit` says. A load of a record that nobody has, a save by who holds it and a read
/// are one round trip each; a save to which somebody came in between is three, anything else two or
/// more. `doc/postgres.md` says which.
/// Errors: the constructor never fails; a handle that did not open answers every operation with the
/// opening error: `unavailable` (no server), `refused` (user, password, privileges), `not_found`
/// (no such database), `too_new`, `invalid` (a table of another's lies where persist's would),
/// `corrupt`. Later: `unavailable` (the connection was lost, nothing was written; it comes back by
/// itself, with growing pauses), `timeout` (the server did not answer for all of `patience`, or
/// others were at the same records; nothing was written), `unknown_outcome` (the connection was
/// lost while a transaction was committed), `io` (the server is read-only, or has no room; nothing
/// was written), `refused` (another database is in the place of the one that was opened),
/// `too_large`, `corrupt` (the record is left alone, others go on).
/// Threads: any may call. All that threads hand in while a transaction is under way is the next
/// one; reads wait for none of them. Copies share two connections; the last one closes them. A
/// handle must not be taken over a `fork`.
class Postgres {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  /// Connects as libpq does (`postgres://…` or `key=value …`, and its environment variables), and
  /// makes the tables where there are none.
  explicit Postgres(std::string uri, const PostgresOptions& options = {}) {
    auto opened = std::make_shared<postgres::Database>(std::move(uri), options);
    if (const auto done = opened->open(); !done)
      error_ = done.error();
    else
      db_ = std::move(opened);
  }
  [[nodiscard]] static Result<Postgres> open(std::string uri, const PostgresOptions& options = {}) {
    Postgres made(std::move(uri), options);
    if (const auto opened = made.status(); !opened) return opened.error();
    return made;
  }
  /// What opening runs where there is nothing yet.
  [[nodiscard]] static std::string schema_sql(const std::string& schema = "persist") {
    return postgres::schema_sql(schema);
  }

  [[nodiscard]] bool same_database(const Postgres& other) const noexcept {
    return db_ != nullptr && db_ == other.db_;
  }
  [[nodiscard]] Result<void> status() const { return db_ ? Result<void>(success) : error_; }
  [[nodiscard]] Owner next_owner(ServerId server) {
    return db_ ? db_->next_owner(server) : Owner{server, 0, 0};
  }

  void open_store(std::span<OpenStoreRequest> batch) { write(batch); }
  void acquire(std::span<AcquireRequest> batch) { write(batch); }
  void commit(std::span<CommitRequest> batch) { write(batch); }
  void post(std::span<PostRequest> batch) { write(batch); }
  void erase(std::span<EraseRequest> batch) { write(batch); }
  void relay(std::span<RelayRequest> batch) { write(batch); }
  void read(std::span<ReadRequest> batch) { look(batch); }
  void scan(std::span<ScanRequest> batch) { look(batch); }
  void read_schemas(std::span<SchemaRequest> batch) { look(batch); }
  void query(std::span<IndexRequest> batch) { look(batch); }

  /// Hears of what other servers do to the store's records too, on a thread and a connection that
  /// the first call makes and the last handle ends; through a pooler, and where
  /// `PostgresOptions::listens` is off, of this process alone.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    if (db_) db_->watch(store, std::move(queue));
  }
  /// Whether hints of other servers come in at the moment; for tests and the curious.
  [[nodiscard]] bool hears() const noexcept { return db_ && db_->hears(); }

  [[nodiscard]] std::size_t largest_data() const noexcept {
    return postgres::Database::largest_data();
  }
  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    return db_ ? db_->stores() : std::vector<StoreInfo>();
  }
  /// How often the server was waited for, ever; for tests and the curious.
  [[nodiscard]] std::uint64_t round_trips() const { return db_ ? db_->round_trips() : 0; }
  /// How many callers wait for the transaction that is under way.
  [[nodiscard]] std::size_t waiting() const { return db_ ? db_->waiting() : 0; }

 private:
  template <class Request>
  void write(std::span<Request> batch) {
    db_ ? db_->write(batch) : refuse(batch);
  }
  template <class Request>
  void look(std::span<Request> batch) {
    db_ ? db_->read(batch) : refuse(batch);
  }
  template <class Request>
  void refuse(std::span<Request> batch) const {
    for (Request& request : batch)
      file::fail(request, error_);
  }

  std::shared_ptr<postgres::Database> db_;
  Error error_{Errc{}};
};

/// `postgres://USER@HOST:PORT/DATABASE?…` and `postgresql://…`, with all that libpq's URIs have,
/// and `schema`, `creates=no`, `pooled=yes`, `listens=no` and `patience=TIME`. What is left out
/// says libpq's environment (`PGHOST`, `PGPASSWORD`, …) or its password file.
template <>
struct UriOpener<Postgres> {
  static constexpr std::string_view schemes[] = {"postgres", "postgresql"};
  static Result<Postgres> open(Uri& uri, Clock* /*a server has its own*/) {
    PostgresOptions options;
    if (auto schema = uri.take("schema")) options.schema = *std::move(schema);
    const auto creates = uri.take_flag("creates", options.creates);
    if (!creates) return creates.error();
    options.creates = *creates;
    const auto pooled = uri.take_flag("pooled", options.pooled);
    const auto listens = uri.take_flag("listens", options.listens);
    const auto patience = uri.take_duration("patience", options.patience);
    if (!pooled || !listens || !patience)
      return !pooled ? pooled.error() : !listens ? listens.error() : patience.error();
    options.pooled = *pooled;
    options.listens = *listens;
    options.patience = *patience;
    std::string rest = uri.rest();
    if (!rest.empty() && !rest.starts_with("//") && !rest.starts_with('?'))
      return uri.wrong("is none of libpq's: behind the scheme come two slashes");
    return Postgres::open("postgresql:" + (rest.starts_with("//") ? rest : "//" + rest), options);
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
