#pragma once

#include <persist/backend/file/batch.hpp>
#include <persist/backend/file/entry.hpp>
#include <persist/detail/os_file.hpp>
#include <persist/result.hpp>

#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// The segments of a log and its end. One thread appends, any thread reads.
///
/// After a failed append the log ends where it ended before (`io`), or nobody knows where
/// (`unknown_outcome`, or a cut that failed too): then it is poisoned and takes nothing more, since
/// the system may have dropped what it was given, and a second sync would say that all is well.
template <class Files>
class Log {
 public:
  using Handle = typename Files::Handle;
  struct Segment {
    std::uint32_t number = 0;
    Handle file;
    std::uint64_t size = 0;  ///< of what counts: whole batches that are written nowhere else
  };
  struct Listed {
    std::shared_ptr<const Segment> segment;
    std::uint64_t size;
    std::string name;
  };

  Log(Files layer, std::string folder) : files(std::move(layer)), folder_(std::move(folder)) {}

  [[nodiscard]] std::string path(std::string_view name) const {
    return folder_ + "/" + std::string(name);
  }
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] std::uint32_t newest() const noexcept { return newest_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  [[nodiscard]] bool nothing_in_newest() const noexcept { return end_ == segment_header_size; }
  [[nodiscard]] std::uint64_t salt() const noexcept { return salt_; }
  [[nodiscard]] bool poisoned() const noexcept { return failed(poison_); }
  [[nodiscard]] const Error& poison() const noexcept { return poison_; }
  [[nodiscard]] bool all_synced() const noexcept { return synced_ + 1 == sequence_; }
  [[nodiscard]] std::uint64_t syncs() const noexcept { return syncs_; }
  [[nodiscard]] Duration sync_time() const noexcept { return sync_time_; }

  [[nodiscard]] std::uint32_t oldest() const {
    const std::lock_guard hold(mutex_);
    return segments_.empty() ? 0 : segments_.begin()->first;
  }
  [[nodiscard]] std::uint64_t bytes() const {
    const std::lock_guard hold(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [number, segment] : segments_)
      sum += number == newest_ ? end_ : segment->size;
    return sum;
  }
  [[nodiscard]] std::shared_ptr<Segment> find(std::uint32_t number) const {
    const std::lock_guard hold(mutex_);
    for (const auto* among : {&segments_, &aside_})
      if (const auto found = among->find(number); found != among->end()) return found->second;
    return nullptr;
  }
  [[nodiscard]] std::uint64_t set_aside_count() const {
    const std::lock_guard hold(mutex_);
    return aside_.size();
  }

  /// All segments with as much of each as holds whole batches; what is in them stays readable
  /// through these even when a segment is removed.
  [[nodiscard]] std::vector<Listed> segments() const {
    const std::lock_guard hold(mutex_);
    std::vector<Listed> all;
    for (const auto& [number, segment] : aside_)
      all.push_back({segment, segment->size, aside_name(number)});
    for (const auto& [number, segment] : segments_)
      all.push_back({segment, segment->size, segment_name(number)});
    return all;
  }

  /// The bytes of a part. `corrupt` if they are not what was written; `not_found` if their segment
  /// was removed since the place was looked up: look it up again.
  [[nodiscard]] Result<Buffer> read(const Place& place) const {
    const auto segment = find(place.segment);
    if (!segment) return Error(Errc::not_found, "the segment is gone");
    Buffer bytes;
    const std::span<std::byte> to(bytes.grow(place.size), place.size);
    const auto got = files.read_at(segment->file, place.offset, to);
    if (!got) return got.error();
    if (*got != place.size || detail::crc32c(bytes) != place.crc)
      return Error(Errc::corrupt, "damaged bytes in " + path(name_of(place.segment)) +
                                      " at offset " + std::to_string(place.offset));
    return bytes;
  }

  /// Writes a batch at the end; syncs it if told. `too_large` for one that would reach beyond what
  /// a place can name.
  [[nodiscard]] Result<void> append(Batch& batch, bool then_sync) {
    if (poisoned()) return poison_;
    if (end_ + batch.size() > (std::numeric_limits<std::uint32_t>::max)())
      return Error(Errc::too_large, "what was handed in together makes a batch of more than 4 GiB");
    const auto segment = find(newest_);
    batch.seal({salt_, sequence_, synced_, 0, 0});
    if (const auto wrote = files.write_at(segment->file, end_, batch.pieces()); !wrote) {
      if (const auto cut = files.truncate(segment->file, end_); !cut) poison_ = cut.error();
      return wrote.error();
    }
    ++sequence_;
    set_end(*segment, end_ + batch.size());
    return then_sync ? sync() : Result<void>(success);
  }
  /// Makes all that was appended survive a power cut.
  [[nodiscard]] Result<void> sync() {
    if (poisoned()) return poison_;
    const auto synced = timed_sync(find(newest_)->file);
    if (!synced) return poison_with(synced.error());
    synced_ = sequence_ - 1;
    return success;
  }

  /// Begins a new segment; what was appended is synced before, so that only the newest ever holds
  /// anything that is not. `content` is called with the segment's first bytes and may append
  /// batches, which are synced before the segment gets its name.
  template <class Content>
  [[nodiscard]] Result<void> begin_segment(std::uint32_t oldest, Content content) {
    if (poisoned()) return poison_;
    if (newest_ != 0 && !all_synced())
      if (auto synced = sync(); !synced) return synced;
    const std::uint32_t number = newest_ + 1;
    Buffer bytes;
    SegmentHeader{number, salt_, sequence_, oldest}.write(bytes);
    content(number, bytes);
    const std::string name = path(segment_name(number)), draft = name + ".new";
    (void)files.remove(draft);  // of a run that ended here
    auto file = files.open(draft, detail::os::Access::create);
    if (!file) return file.error();
    // The newest segment is locked from before it has its name: see Recovery.
    const auto locked = files.lock(*file);
    Result<void> made = locked ? Result<void>(success) : Result<void>(locked.error());
    if (made) made = files.write_at(*file, 0, bytes);
    if (made) made = timed_sync(*file);
    if (made) made = files.rename(draft, name);
    if (!made) return (void)files.remove(draft), made;
    if (const auto named = files.sync_folder(folder_); !named) return poison_with(named.error());
    auto segment = std::make_shared<Segment>(Segment{number, std::move(*file), 0});
    const std::lock_guard hold(mutex_);
    segments_.insert_or_assign(number, segment);
    newest_ = number;
    segment->size = end_ = bytes.size();
    synced_ = sequence_ - 1;
    return success;
  }
  /// Removes a segment that nothing refers to. One that cannot be removed is left to the next open.
  void drop(std::uint32_t number) {
    {
      const std::lock_guard hold(mutex_);
      segments_.erase(number);
    }
    if (files.remove(path(segment_name(number)))) (void)files.sync_folder(folder_);
  }

  /// Leaves a segment that holds damaged bytes of a record out of the log, untouched; what is not
  /// damaged in it stays readable.
  void set_aside(std::uint32_t number) {
    {
      const std::lock_guard hold(mutex_);
      aside_.insert(segments_.extract(number));
    }
    name_aside(number);
  }
  /// Gives one that was set aside its name. Where that fails the next open tries again.
  void name_aside(std::uint32_t number) {
    if (files.rename(path(segment_name(number)), path(aside_name(number))))
      (void)files.sync_folder(folder_);
  }

  // For recovery: sets up what it found.
  void adopt_aside(std::shared_ptr<Segment> segment) {
    aside_.emplace(segment->number, std::move(segment));
  }
  void adopt(std::shared_ptr<Segment> segment) {
    newest_ = segment->number;
    end_ = segment->size;
    segments_.emplace(newest_, std::move(segment));
  }
  void resume(std::uint64_t salt, std::uint64_t next_sequence, std::uint64_t synced) noexcept {
    salt_ = salt;
    sequence_ = next_sequence;
    synced_ = synced;
  }
  /// The next segment takes the number and the name of the newest one, of which nothing counts.
  void replace_newest() noexcept { --newest_; }
  /// Adds a batch to the bytes of a segment that is being made; it began at `begin` with room for
  /// its header.
  void seal_in(Buffer& segment, std::size_t begin) {
    const ByteView payload = segment.view().subspan(begin + batch_header_size);
    BatchHeader{salt_, sequence_, sequence_ - 1, static_cast<std::uint32_t>(payload.size()),
                detail::crc32c(payload)}
        .write(segment.data() + begin);
    ++sequence_;
  }

  Files files;

 private:
  [[nodiscard]] std::string name_of(std::uint32_t number) const {
    const std::lock_guard hold(mutex_);
    return aside_.contains(number) ? aside_name(number) : segment_name(number);
  }
  [[nodiscard]] Result<void> timed_sync(const Handle& file) {
    const std::int64_t begin = detail::os::boot_time_ns();
    auto synced = files.sync(file);
    sync_time_ += Duration(detail::os::boot_time_ns() - begin);
    ++syncs_;
    return synced;
  }
  void set_end(Segment& segment, std::uint64_t end) {
    const std::lock_guard hold(mutex_);
    segment.size = end_ = end;
  }
  Error poison_with(const Error& cause) {
    poison_ = Error(Errc::io,
                    "this handle takes no more writes, because a sync failed; what was "
                    "written before may or may not be on disk: open the folder again")
                  .with_os(cause.os_error());
    return Error(Errc::unknown_outcome, std::string(cause.detail())).with_os(cause.os_error());
  }

  std::string folder_;
  mutable std::mutex mutex_;  ///< over the map and the sizes; a segment's bytes never change
  std::map<std::uint32_t, std::shared_ptr<Segment>> segments_;
  std::map<std::uint32_t, std::shared_ptr<Segment>> aside_;  ///< see `set_aside`
  std::uint32_t newest_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t salt_ = 0;
  std::uint64_t sequence_ = 1;  ///< of the next batch
  std::uint64_t synced_ = 0;
  std::uint64_t syncs_ = 0;
  Duration sync_time_{};
  Error poison_{Errc{}};
};

}  // namespace persist::inline PERSIST_ABI::backend::file
