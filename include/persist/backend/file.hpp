#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/file/query.hpp>
#include <persist/fwd.hpp>

#include <memory>
#include <string>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// Records in a folder of this machine: one log, an index of heads in memory. The embedded
/// default.
///
/// Effect: a commit is written, synced, then visible, then acknowledged; all that threads hand in
/// while a sync is under way share the next one. A record costs about 420 bytes of memory; opening
/// reads the whole log once. What records say to indexes is kept in memory too: 160 bytes for one
/// that is in any, 40 for each entry after the first.
/// Errors: the constructor never fails; a handle that did not open answers every operation with the
/// opening error: `locked` (another process has the folder; named), `corrupt` (with file and
/// offset; nothing was touched), `too_new`, `io`. A write that did not fit answers `io` and leaves
/// everything as it was; later ones work again when there is room. After a failed sync that batch
/// answers `unknown_outcome` and all later writes `io`, until the folder is opened again; reads go
/// on. A record whose bytes are damaged answers `corrupt` and is left alone.
/// Threads: any may call. Copies share the open folder; the last one closes it.
template <class Files>
class BasicFile {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  /// Opens, and makes where there is none, the folder `path`; its parent must exist.
  explicit BasicFile(std::string path, FileOptions options = {}, Files files = {}) {
    auto opened = std::make_shared<Database>(std::move(files), std::move(path), within(options));
    if (const auto done = opened->open(); !done)
      error_ = done.error();
    else
      db_ = std::move(opened);
  }
  [[nodiscard]] static Result<BasicFile> open(std::string path, FileOptions options = {},
                                              Files files = {}) {
    BasicFile file(std::move(path), options, std::move(files));
    if (const auto opened = file.status(); !opened) return opened.error();
    return file;
  }
  /// A view of the folder as it is now, whoever holds it; takes no lock and changes nothing. Reads,
  /// scans and lists what waits; all else is `refused`.
  [[nodiscard]] static Result<BasicFile> open_snapshot(std::string path, Files files = {}) {
    Error last{Errc{}};
    // What is being written or emptied may look broken; nothing stays so.
    for (int attempt = 0; attempt < 5; ++attempt) {
      auto opened = std::make_shared<Database>(files, path, FileOptions{});
      const auto seen = opened->look();
      if (seen) return BasicFile(std::move(opened));
      last = seen.error();
    }
    return last;
  }
  /// The process that has the folder open now; nothing if none has.
  [[nodiscard]] static Result<std::optional<FolderHolder>> holder(const std::string& path,
                                                                  Files files = {}) {
    auto found = file::FolderLock<Files>::holder(files, path);
    if (!found || *found) return found;
    // Where the file `lock` was removed the log still tells.
    const auto snapshot = open_snapshot(path, std::move(files));
    return snapshot && snapshot->report().held ? std::optional(snapshot->opened_by())
                                               : std::optional<FolderHolder>();
  }

  [[nodiscard]] bool same_database(const BasicFile& other) const noexcept {
    return db_ != nullptr && db_ == other.db_;
  }
  /// The opening error, or why no more can be written.
  [[nodiscard]] Result<void> status() const { return db_ ? db_->status() : Result<void>(error_); }
  [[nodiscard]] Owner next_owner(ServerId server) {
    return db_ ? db_->next_owner(server) : Owner{server, 0, 0};
  }

  void open_store(std::span<OpenStoreRequest> batch) { write(batch); }
  void acquire(std::span<AcquireRequest> batch) { write(batch); }
  void commit(std::span<CommitRequest> batch) { write(batch); }
  void post(std::span<PostRequest> batch) { write(batch); }
  void erase(std::span<EraseRequest> batch) { write(batch); }
  void read(std::span<ReadRequest> batch) {
    each(batch, [&](ReadRequest& request) { db_->read(request); });
  }
  void scan(std::span<ScanRequest> batch) {
    each(batch, [&](ScanRequest& request) { db_->scan(request); });
  }
  void read_schemas(std::span<SchemaRequest> batch) {
    each(batch, [&](SchemaRequest& request) { db_->read_schema(request); });
  }
  void query(std::span<IndexRequest> batch) {
    each(batch, [&](IndexRequest& request) { db_->query(request); });
  }
  void relay(std::span<RelayRequest> batch) {
    std::size_t at = 0;
    while (at < batch.size()) {
      std::size_t end = at;  // of a run of requests that take messages out: they share a write
      while (end < batch.size() && !batch[end].take_from.empty())
        ++end;
      if (end != at) write(batch.subspan(at, end - at));
      for (at = end; at < batch.size() && batch[at].take_from.empty(); ++at)
        each(batch.subspan(at, 1), [&](RelayRequest& request) { db_->list_waiting(request); });
    }
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    if (db_) db_->watch(store, std::move(queue));
  }

  /// Makes all that was acknowledged survive a power cut; with `Durability::full` it already does.
  [[nodiscard]] Result<void> flush() { return db_ ? db_->flush() : Result<void>(error_); }
  /// Writes again what is there, and removes all that was there before: of what was erased or
  /// written over until now no byte is left in the folder's files (but in segments that are set
  /// aside as damaged, and in copies).
  ///
  /// Goes on by itself as a rule, when the log has grown; this is for who must know that it has.
  /// Copies every live byte, 4 MiB at a time, with the saves of others in between; needs room for
  /// as much again. `io`: what has been moved stays moved; call it again. Safe on any thread.
  [[nodiscard]] Result<void> compact() {
    if (db_ && !db_->is_snapshot()) return db_->compact();
    return db_ ? Error(Errc::refused, "this is a snapshot: it can only be read") : error_;
  }
  [[nodiscard]] FileStats stats() const { return db_ ? db_->stats() : FileStats{}; }
  /// What opening found.
  [[nodiscard]] OpenReport report() const { return db_ ? db_->report() : OpenReport{}; }
  /// Who opened the folder last: this process, or for a snapshot whoever writes to it.
  [[nodiscard]] FolderHolder opened_by() const { return db_ ? db_->opened_by() : FolderHolder{}; }
  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    std::vector<StoreInfo> all;
    if (db_)
      db_->each_store([&](const file::StoreState& s) { all.push_back({s.name, s.lock, s.birth}); });
    return all;
  }
  /// Writes a copy of what this handle sees to the folder `path`, which must not be there or be
  /// empty: of a snapshot what it shows, of an open folder all that is there now, while it goes on.
  ///
  /// The copy appears whole and synced, or (`io`, `invalid`) not at all. It opens like any folder;
  /// it is the same database, so of the two only one may go on.
  [[nodiscard]] Result<void> copy_to(const std::string& path) const {
    return db_ ? db_->copy_to(path) : Result<void>(error_);
  }
  /// How many callers wait for the batch that is being written; for tests and for the curious.
  [[nodiscard]] std::size_t waiting() const { return db_ ? db_->waiting() : 0; }

 private:
  using Database = file::Database<Files>;
  explicit BasicFile(std::shared_ptr<Database> opened) : db_(std::move(opened)) {}

  [[nodiscard]] static FileOptions within(FileOptions options) {
    options.segment_bytes =
        (std::clamp)(options.segment_bytes, std::uint64_t{4} << 10, std::uint64_t{1} << 30);
    return options;
  }
  template <class Request, class F>
  void each(std::span<Request> batch, F one) {
    for (Request& request : batch)
      db_ ? one(request) : file::fail(request, error_);
  }
  template <class Request>
  void write(std::span<Request> batch) {
    if (db_ && !db_->is_snapshot()) return db_->run(file::Job{batch});
    const Error why =
        db_ ? Error(Errc::refused, "this is a snapshot: it can only be read") : error_;
    for (Request& request : batch) {
      if constexpr (std::is_same_v<Request, OpenStoreRequest>)
        if (db_ && find_store(request)) continue;
      file::fail(request, why);
    }
  }
  /// In a snapshot a store that is there can be opened.
  bool find_store(OpenStoreRequest& request) const {
    std::uint32_t index = 0;
    for (const StoreInfo& store : stores()) {
      if (store.name == request.name && store.lock == request.lock) {
        request.store = {index};
        request.birth = store.birth;
        return true;
      }
      ++index;
    }
    return false;
  }

  std::shared_ptr<Database> db_;
  Error error_{Errc{}};
};

// `File`, the one on the machine's own file system, is named in fwd.hpp.

}  // namespace persist::inline PERSIST_ABI::backend

/// What a program with several units makes once, as in store/templates.hpp: with `extern` before it
/// in all units that use `backend::File`, with nothing in one.
#define PERSIST_FILE_TEMPLATES(prefix)                                                    \
  PERSIST_TEMPLATE(prefix, persist::backend::file::Database<persist::detail::os::Files>); \
  PERSIST_TEMPLATE(prefix, persist::backend::BasicFile<persist::detail::os::Files>)
