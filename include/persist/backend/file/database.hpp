#pragma once

#include <persist/backend/file/commit.hpp>
#include <persist/backend/file/compact.hpp>
#include <persist/backend/file/copy.hpp>
#include <persist/backend/file/encode.hpp>
#include <persist/backend/file/folder_lock.hpp>
#include <persist/backend/file/group.hpp>
#include <persist/backend/file/job.hpp>
#include <persist/backend/file/recover.hpp>
#include <persist/record/wake.hpp>

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// One open folder. Writers go through `run`, one leader at a time; readers look at the index under
/// a shared lock that is never held during I/O. The order is: stage, write, sync, publish, reply.
template <class Files>
class Database {
 public:
  Database(Files files, std::string folder, const FileOptions& options)
      : options_(options),
        clock_(options.clock != nullptr ? *options.clock : SystemClock::instance()),
        log_(std::move(files), without_slash(std::move(folder))),
        engine_(index_, log_, clock_),
        parts_(log_) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  /// Syncs what is not, and says in the log that all is: an empty batch.
  ~Database() {
    if (!lock_ || log_.poisoned() || log_.newest() == 0) return;
    if (!log_.all_synced() && !log_.sync()) return;
    Batch last;
    (void)log_.append(last, false);
  }

  [[nodiscard]] Result<void> open();
  [[nodiscard]] Result<void> look() {
    Recovery<Files> recovery(log_, index_, report_);
    return recovery.look();
  }

  /// Performs the job together with those of other threads.
  void run(Job job) {
    group_.run(job, [this](const std::vector<Job*>& jobs) { perform(jobs); });
  }
  void read(ReadRequest& request) const;
  void list_waiting(RelayRequest& request) const;
  void read_schema(SchemaRequest& request) const {
    const std::shared_lock hold(state_);
    if (request.store.index < index_.stores.size()) {
      const auto& schemas = index_.stores[request.store.index].schemas;
      if (const auto found = schemas.find(request.id); found != schemas.end()) {
        request.bytes = found->second;
        return;
      }
    }
    request.error = unknown_schema(request.id);
  }
  void scan(ScanRequest& request) const;
  void query(IndexRequest& request) const {
    const std::shared_lock hold(state_);
    if (request.store.index < index_.stores.size())
      index_.stores[request.store.index].indexes.query(request);
    else
      request.error = Error(Errc::invalid, "this database has no such store");
  }
  [[nodiscard]] Result<void> flush();
  [[nodiscard]] Result<void> compact();
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    const std::lock_guard hold(watchers_mutex_);
    watchers_.emplace_back(store.index, std::move(queue));
  }

  [[nodiscard]] Owner next_owner(ServerId server) noexcept { return {server, nonce_, ++sessions_}; }
  [[nodiscard]] Result<void> status() const {
    const std::shared_lock hold(state_);
    return failed(status_) ? Result<void>(status_) : Result<void>(success);
  }
  [[nodiscard]] FileStats stats() const {
    const std::shared_lock hold(state_);
    FileStats now = stats_;
    now.bytes = log_.bytes();
    now.damaged_segments = log_.set_aside_count();
    now.live_bytes = index_.live_bytes();
    now.records = index_.record_count();
    return now;
  }
  [[nodiscard]] const OpenReport& report() const noexcept { return report_; }
  [[nodiscard]] bool is_snapshot() const noexcept { return !lock_; }
  [[nodiscard]] FolderHolder opened_by() const {
    const std::shared_lock hold(state_);
    return index_.opened_by;
  }
  template <class F>
  void each_store(F visit) const {
    const std::shared_lock hold(state_);
    for (const StoreState& store : index_.stores)
      visit(store);
  }
  [[nodiscard]] Result<void> copy_to(const std::string& folder) const {
    return copy_log(log_, folder);
  }
  /// How many callers wait for the batch that is being written.
  [[nodiscard]] std::size_t waiting() const { return group_.waiting(); }

 private:
  /// A name's folder is what stands before its last slash.
  [[nodiscard]] static std::string without_slash(std::string folder) {
    while (folder.size() > 1 && folder.back() == '/')
      folder.pop_back();
    return folder;
  }
  /// A batch is written when this much is staged, whatever else was handed in.
  static constexpr std::uint64_t enough = std::uint64_t{32} << 20;
  static constexpr std::uint64_t least_copied = std::uint64_t{64} << 10;

  void perform(const std::vector<Job*>& jobs) noexcept;
  void perform_alone(FlushRequest& request);
  void perform_alone(CompactRequest& request);
  void note_syncs();
  template <class Request>
  void perform_one(Request& request);
  void end_batch();
  [[nodiscard]] Result<void> write();
  void publish();
  void fail_batch(const Error& error);
  void wake_up();
  [[nodiscard]] bool sync_is_due();

  FileOptions options_;
  Clock& clock_;
  std::optional<FolderLock<Files>> lock_;  ///< goes last: nobody else may open before all is closed
  Log<Files> log_;
  Index index_;
  Engine<Files> engine_;
  PartReader<Files> parts_;
  Compactor<Files> compactor_;
  GroupCommit<Job> group_;
  OpenReport report_;
  std::uint64_t nonce_ = detail::os::random_bits() | 1;
  std::atomic<std::uint64_t> sessions_ = 0;

  mutable std::shared_mutex state_;  ///< over what readers see: the index, stats, status
  FileStats stats_;
  Error status_{Errc{}};

  // Only the leader's.
  std::vector<std::variant<OpenStoreRequest*, AcquireRequest*, CommitRequest*, PostRequest*,
                           RelayRequest*, EraseRequest*>>
      batch_;
  Batch bytes_;
  TimePoint unsynced_since_{};

  std::mutex watchers_mutex_;
  std::vector<std::pair<std::uint32_t, std::weak_ptr<WakeQueue>>> watchers_;
};

template <class Files>
Result<void> Database<Files>::open() {
  const auto made = log_.files.make_folder(log_.folder());
  if (!made) return made.error();
  // Names that a killed process gave may not be on disk yet, and what is appended to a file is lost
  // with its name.
  const std::string& path = log_.folder();
  if (auto named = log_.files.sync_folder(detail::os::parent_of(path)); !named && *made)
    return named;
  const FolderHolder me{detail::os::process_id(), detail::os::host_name(), clock_.wall()};
  auto lock =
      FolderLock<Files>::take(log_.files, log_.folder(), me, options_.wait_for_lock, clock_);
  if (!lock) return lock.error();
  if (auto named = log_.files.sync_folder(path); !named) return named;
  Recovery<Files> recovery(log_, index_, report_);
  if (auto opened = recovery.open(detail::os::random_bits(), me); !opened) return opened;
  // What a killed process had not come to rename holds what nobody could read then.
  for (std::uint32_t old = log_.oldest(); old < index_.oldest; ++old)
    index_.lies_in(old) ? log_.set_aside(old) : log_.drop(old);
  engine_.begin_run(report_.run);
  const TimePoint now = clock_.now();
  for (StoreState& store : index_.stores)
    for (auto& [key, record] : store.records) {
      record.head.renewed = now;  // expired, by a lease of no length, but not cleared
      record.head.renewals = report_.run << 24;  // no pair of epoch and renewals comes twice
    }
  lock_ = std::move(*lock);
  return success;
}

/// The leader's part. Must not fail halfway: running out of memory here ends the program.
template <class Files>
void Database<Files>::perform(const std::vector<Job*>& jobs) noexcept {
  for (Job* job : jobs)
    std::visit(
        [this](auto requests) {
          if constexpr (std::is_pointer_v<decltype(requests)>)
            this->perform_alone(*requests);
          else
            for (auto& request : requests)
              this->perform_one(request);
        },
        job->requests);
  end_batch();
}

template <class Files>
void Database<Files>::perform_alone(FlushRequest& request) {
  end_batch();
  Result<void> done = success;
  if (log_.poisoned())
    done = log_.poison();
  else if (!log_.all_synced())
    done = log_.sync();
  if (!done) request.error = done.error();
  note_syncs();
}

/// A few megabytes, so that those who wait for their saves do not wait for the whole of it.
template <class Files>
void Database<Files>::perform_alone(CompactRequest& request) {
  constexpr std::uint64_t at_once = std::uint64_t{4} << 20;
  end_batch();
  Result<void> made = log_.poisoned() ? log_.poison() : Result<void>(success);
  if (made && request.through == 0) {
    request.through = log_.newest();
    made = log_.begin_segment(index_.oldest, [](std::uint32_t, Buffer&) {});
  }
  if (made && index_.oldest <= request.through) {
    compactor_.stage_some(engine_.stage, index_, log_, at_once);
    made = write();
    made ? publish() : note_syncs();
    engine_.stage.clear();
  }
  if (!made) request.error = made.error();
  request.done = !made || index_.oldest > request.through;
}

template <class Files>
template <class Request>
void Database<Files>::perform_one(Request& request) {
  if (log_.poisoned()) {
    end_batch();
    return fail(request, log_.poison());
  }
  // A store that is new is a batch of its own, so that what follows finds it published.
  constexpr bool alone = std::is_same_v<Request, OpenStoreRequest>;
  if (alone || engine_.stage.bytes >= enough) end_batch();
  engine_.perform(request);
  batch_.push_back(&request);
  if (alone) end_batch();
}

template <class Files>
void Database<Files>::end_batch() {
  if (!batch_.empty()) {
    const auto wrote = engine_.stage.writes() ? write() : Result<void>(success);
    wrote ? publish() : fail_batch(wrote.error());
  }
  batch_.clear();
  engine_.stage.clear();
  engine_.wakes.clear();
}

template <class Files>
Result<void> Database<Files>::write() {
  const std::uint64_t full = full_segment(options_.segment_bytes, index_.live_bytes());
  if (log_.end() >= full && !log_.nothing_in_newest())
    if (auto begun = log_.begin_segment(index_.oldest, [](std::uint32_t, Buffer&) {}); !begun)
      return begun;
  Stage& stage = engine_.stage;
  if (compactor_.is_due(index_, log_, full))
    compactor_.stage_some(stage, index_, log_, 2 * stage.bytes + least_copied);
  bytes_.clear();
  BatchEncoder<Files> encoder(bytes_, index_, log_, stage);
  encoder.encode();
  if (encoder.left_behind()) compactor_.leave_behind();
  // Whatever the durability: a segment may only be removed when what was moved out of it is synced.
  auto wrote = log_.append(bytes_, sync_is_due() || stage.now_oldest != 0);
  if (!wrote) compactor_.start_over();
  return wrote;
}

template <class Files>
bool Database<Files>::sync_is_due() {
  if (options_.durability == Durability::full) return true;
  const TimePoint now = clock_.now();
  if (log_.all_synced()) unsynced_since_ = now;
  return now - unsynced_since_ >= options_.sync_every;
}

template <class Files>
void Database<Files>::publish() {
  Stage& stage = engine_.stage;
  const std::uint32_t before = index_.oldest;
  {
    const std::unique_lock hold(state_);
    if (stage.writes()) ++stats_.batches;
    stats_.commits += stage.commits;
    stats_.syncs = log_.syncs();
    stats_.sync_time = log_.sync_time();
    for (const StoreEntry& made : stage.new_stores) {
      StoreState& store = index_.stores.emplace_back();
      store.name = made.name;
      store.birth = made.birth;
      store.lock = made.lock;
    }
    for (const SchemaEntry& made : stage.new_schemas)
      index_.stores[made.store].schemas.try_emplace(made.id, made.bytes);
    if (stage.new_run) {
      index_.run = *stage.new_run;
      engine_.run_to_note_ = false;
    }
    for (const ErasedEntry& moved : stage.moved_tombstones)
      index_.bury(moved.store, moved.hash, {moved.epoch, moved.version, log_.newest(), 43});
    for (Staged& staged : stage.records()) {
      if (staged.erased) {
        index_.erase(staged.store, staged.key);
        index_.bury(staged.store, index_.stores[staged.store].hash(staged.key), *staged.erased);
      }
      if (!staged.exists) continue;
      index_.put(staged.store, staged.key, std::move(staged.record));
      index_.list(staged.store, staged.key, staged.user_ids, staged.indexed);
    }
    if (stage.now_oldest != 0) {
      index_.oldest = stage.now_oldest;
      ++stats_.compactions;
    }
  }
  for (std::uint32_t old = before; old < index_.oldest; ++old)
    compactor_.left_behind() ? log_.set_aside(old) : log_.drop(old);
  wake_up();
}

template <class Files>
void Database<Files>::note_syncs() {
  const std::unique_lock hold(state_);
  if (log_.poisoned()) status_ = log_.poison();
  stats_.syncs = log_.syncs();
  stats_.sync_time = log_.sync_time();
}

/// Nothing of the batch happened, or nobody knows. What writes nothing (acquisitions, renewals) is
/// done over by itself, because a full disk must not keep players from what needs no room.
template <class Files>
void Database<Files>::fail_batch(const Error& error) {
  note_syncs();
  const auto fail_all = [&] {
    for (const auto& one : batch_)
      std::visit([&](auto* request) { fail(*request, error); }, one);
  };
  fail_all();
  engine_.stage.clear();
  engine_.wakes.clear();
  if (log_.poisoned()) return;
  std::erase_if(batch_, [](const auto& one) {
    return !std::visit([](const auto* request) { return writes_nothing(*request); }, one);
  });
  for (const auto& one : batch_)
    std::visit([&](auto* request) { engine_.perform(renewed(*request)); }, one);
  engine_.stage.writes() ? fail_all() : publish();
}

template <class Files>
void Database<Files>::wake_up() {
  if (engine_.wakes.empty()) return;
  const std::lock_guard hold(watchers_mutex_);
  std::erase_if(watchers_, [&](const auto& watcher) {
    const auto queue = watcher.second.lock();
    if (!queue) return true;
    for (const auto& [store, woken] : engine_.wakes)
      if (store == watcher.first) queue->push(woken.key, woken.why);
    return false;
  });
}

template <class Files>
Result<void> Database<Files>::flush() {
  FlushRequest request;
  run(Job{&request});
  return failed(request.error) ? Result<void>(request.error) : Result<void>(success);
}

template <class Files>
Result<void> Database<Files>::compact() {
  CompactRequest request;
  while (!request.done)
    run(Job{&request});
  return failed(request.error) ? Result<void>(request.error) : Result<void>(success);
}

}  // namespace persist::inline PERSIST_ABI::backend::file
