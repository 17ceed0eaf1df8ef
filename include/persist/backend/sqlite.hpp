#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/sqlite/copy.hpp>
#include <persist/backend/sqlite/database.hpp>
#include <persist/backend/sqlite/options.hpp>
#include <persist/backend/uri.hpp>

#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// Records in one SQLite file of this machine, which several processes may have open at once. Link
/// `persist::sqlite`.
///
/// Effect: a batch is one transaction; what was acknowledged survives as the durability says.
/// Nothing is kept in memory but SQLite's pages. A load, a save and a release cost a transaction
/// each, and a place in an index a step for each entry before it.
/// Errors: the constructor never fails; a handle that did not open answers every operation with the
/// opening error: `corrupt` (damaged, or no database), `too_new`, `invalid` (a table of another's
/// has the name of one of persist's), `unsupported` (a network file system), `timeout`, `io`.
/// Later: `timeout` (others were writing for all of `patience`; nothing was written), `io` (the
/// disk is full or cannot be written; nothing was written, and later calls may work again),
/// `unknown_outcome` (the disk failed while a transaction was committed), `too_large`, `corrupt`
/// (the record is left alone, others go on).
/// Threads: any may call. All that threads hand in while a transaction is under way is the next
/// one; reads wait for none of them. Copies share the open file; the last one closes it. A handle
/// must not be taken over a `fork`.
class Sqlite {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  /// Opens, and makes where there is none, the file `path`; its folder must exist.
  explicit Sqlite(std::string path, const SqliteOptions& options = {}) {
    auto opened = std::make_shared<sqlite::Database>(std::move(path), options);
    if (const auto done = opened->open(); !done)
      error_ = done.error();
    else
      db_ = std::move(opened);
  }
  [[nodiscard]] static Result<Sqlite> open(std::string path, const SqliteOptions& options = {}) {
    Sqlite made(std::move(path), options);
    if (const auto opened = made.status(); !opened) return opened.error();
    return made;
  }

  [[nodiscard]] bool same_database(const Sqlite& other) const noexcept {
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

  /// Hears of what other processes do to the store's records too, on a thread that the first call
  /// makes and the last handle ends; on Linux, and where they share a network namespace. Elsewhere
  /// of this process alone.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    if (db_) db_->watch(store, std::move(queue));
  }

  /// What SQLite was built to take in one row: a thousand million bytes unless it was told.
  [[nodiscard]] std::size_t largest_data() const noexcept {
    return db_ ? db_->largest_data() : (std::numeric_limits<std::size_t>::max)();
  }
  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    return db_ ? db_->stores() : std::vector<StoreInfo>();
  }
  /// Writes a copy of one moment to the file `path`, which must not be there, while everybody goes
  /// on; costs a read and a write of all pages.
  ///
  /// The copy appears whole and synced, or (`invalid`, `io`, `corrupt`) not at all. It opens like
  /// any file; it is the same database, so of the two only one may go on.
  [[nodiscard]] Result<void> copy_to(const std::string& path) const {
    return db_ ? sqlite::copy_database(db_->file(), path) : error_;
  }
  /// How many callers wait for the transaction that is being written; for tests and the curious.
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

  std::shared_ptr<sqlite::Database> db_;
  Error error_{Errc{}};
};

/// `sqlite:FILE`, with `durability=full|relaxed`, `creates=no` and `patience=TIME`.
template <>
struct UriOpener<Sqlite> {
  static constexpr std::string_view schemes[] = {"sqlite"};
  static Result<Sqlite> open(Uri& uri, Clock* clock) {
    SqliteOptions options;
    options.clock = clock;
    const auto durability = uri.take_durability();
    if (!durability) return durability.error();
    options.durability = *durability;
    const auto creates = uri.take_flag("creates", options.creates);
    if (!creates) return creates.error();
    options.creates = *creates;
    const auto patience = uri.take_duration("patience", options.patience);
    if (!patience) return patience.error();
    options.patience = *patience;
    if (const auto all = uri.finish("durability, creates, patience"); !all) return all.error();
    auto path = uri.path();
    return path ? Sqlite::open(*std::move(path), options) : path.error();
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
