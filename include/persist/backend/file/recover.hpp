#pragma once

#include <persist/backend/file/index.hpp>
#include <persist/backend/file/log.hpp>
#include <persist/backend/file/tail.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <vector>

// Opening a log: what is in the folder becomes the index, or is refused in words. Nothing that was
// there is changed before all of it has been judged.

namespace persist::inline PERSIST_ABI::backend::file {

template <class Files>
class Recovery {
 public:
  Recovery(Log<Files>& log, Index& index, OpenReport& report)
      : log_(log), index_(index), report_(report) {}

  /// Reads the log and makes it ready for appending: a torn tail is moved aside, what may not be on
  /// disk is written again into a new segment, and a new run is noted, synced.
  [[nodiscard]] Result<void> open(std::uint64_t fresh_salt, const FolderHolder& opened_by) {
    auto read = read_all(false);
    if (held_elsewhere_) return held_elsewhere();
    if (!read) return read;
    if (segments_.empty()) log_.resume(salt_ = fresh_salt, 1, 0);
    if (index_.run >= last_run) return no_run_left();
    report_.run = index_.run + 1;
    if (auto saved = save_torn_tail(); !saved) return saved;
    if (auto appended = append_run({report_.run, opened_by}); !appended) return appended;
    for (const std::uint32_t number : left_over_)
      log_.find(number) ? log_.name_aside(number)
                        : void(log_.files.remove(log_.path(segment_name(number))));
    return success;
  }
  /// Reads the log as it is and leaves it so; a batch without an end is one that is being written.
  [[nodiscard]] Result<void> look() {
    if (const auto read = read_all(true); !read) return read;
    if (segments_.empty()) return Error(Errc::not_found, "there is no store in " + log_.folder());
    if (torn_) segments_.back().segment->size = torn_at_;
    const auto held = log_.files.is_locked(segments_.back().segment->file);
    report_.held = held && *held;
    return success;
  }

 private:
  struct Found {
    std::shared_ptr<typename Log<Files>::Segment> segment;
    SegmentHeader header;
    Buffer bytes;
  };
  struct FoundBatch {
    BatchHeader header;
    std::uint64_t payload = 0;  ///< its offset

    [[nodiscard]] std::uint64_t before() const noexcept { return header.sequence - 1; }
  };

  [[nodiscard]] Error damage(std::uint32_t segment, std::uint64_t offset,
                             std::string_view what) const {
    return Error(Errc::corrupt, std::string(what) + " in " + log_.path(segment_name(segment)) +
                                    " at offset " + std::to_string(offset) +
                                    "; nothing was changed");
  }

  [[nodiscard]] Result<void> read_all(bool only_look) {
    if (auto listed = list(only_look); !listed) return listed;
    std::uint64_t expected = segments_.empty() ? 1 : segments_.front().header.first_sequence;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const bool last = i + 1 == segments_.size();
      const auto next =
          read_segment(segments_[i], expected,
                       last ? ~std::uint64_t{0} : segments_[i + 1].header.first_sequence);
      if (!next) return next.error();
      expected = *next;
      if (!last) segments_[i].bytes = Buffer();
    }
    if (!segments_.empty() && segments_.front().header.number > index_.oldest)
      return damage(index_.oldest, 0, "a segment is missing: there is nothing");
    if (!segments_.empty() && segments_.back().header.number < index_.oldest)
      return damage(index_.oldest, 0,
                    "the log says that it begins behind its end: there is nothing");
    log_.resume(salt_, expected, unsynced_.empty() ? expected - 1 : unsynced_.front().before());
    // One that was to be set aside and could not be renamed is in use under its old name.
    for (const std::uint32_t number : left_over_)
      if (index_.lies_in(number))
        if (auto opened = open_aside(number, segment_name(number)); !opened) return opened;
    if (auto checked = check_places(); !checked) return checked;
    index_.read_unlisted(log_.bytes(), [this](const Place& place) { return log_.read(place); });
    return success;
  }

  /// Opens the segments and checks that they belong together.
  [[nodiscard]] Result<void> list(bool only_look) {
    const auto names = log_.files.list(log_.folder());
    if (!names) return names.error();
    std::vector<std::uint32_t> numbers;
    for (const std::string& name : *names) {
      if (const auto number = segment_number(name)) numbers.push_back(*number);
      if (const auto number = segment_number(name, ".damaged"))
        if (auto opened = open_aside(*number, name); !opened) return opened;
    }
    std::sort(numbers.begin(), numbers.end());
    // What lies before a gap could not be removed when its time had come, or else something is
    // missing: the oldest that is needed will tell.
    std::size_t first = numbers.size();
    while (first != 0 && (first == numbers.size() || numbers[first - 1] + 1 == numbers[first]))
      --first;
    left_over_.assign(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(first));
    for (std::size_t i = first; i < numbers.size(); ++i) {
      const bool writable = !only_look && i + 1 == numbers.size();
      if (auto opened = open_segment(numbers[i], writable); !opened) return opened;
    }
    std::erase_if(left_over_, [&](std::uint32_t number) { return !is_of_this_log(number); });
    if (!segments_.empty()) index_.oldest = segments_.back().header.oldest;
    return only_look || segments_.empty() ? Result<void>(success) : claim_newest();
  }
  /// A segment that compaction left out is not read: only places point into it.
  [[nodiscard]] Result<void> open_aside(std::uint32_t number, const std::string& name) {
    auto file = log_.files.open(log_.path(name), detail::os::Access::read);
    if (!file) return file.error();
    const auto size = log_.files.size(*file);
    if (!size) return size.error();
    using Segment = typename Log<Files>::Segment;
    log_.adopt_aside(std::make_shared<Segment>(Segment{number, std::move(*file), *size}));
    return success;
  }
  /// Locks the newest segment, as whoever writes to the log does: the file `lock` can be removed
  /// while a server runs, and then its lock keeps nobody out.
  [[nodiscard]] Result<void> claim_newest() {
    const Found& newest = segments_.back();
    const auto locked = log_.files.lock(newest.segment->file);
    if (!locked) return locked.error();
    const auto next = log_.path(segment_name(newest.header.number + 1));
    held_elsewhere_ = !*locked || log_.files.open(next, detail::os::Access::read);
    return success;
  }
  [[nodiscard]] Error held_elsewhere() const {
    const FolderHolder& holder = index_.opened_by;
    return Error(Errc::locked, log_.folder() + " is open in " +
                                   (holder.process != 0 ? holder.text() : "another process") +
                                   "; its file \"lock\" was removed");
  }
  [[nodiscard]] Result<void> open_segment(std::uint32_t number, bool writable) {
    using detail::os::Access;
    auto file =
        log_.files.open(log_.path(segment_name(number)), writable ? Access::write : Access::read);
    if (!file) return file.error();
    const auto size = log_.files.size(*file);
    if (!size) return size.error();
    Found found;
    found.segment = std::make_shared<typename Log<Files>::Segment>();
    found.segment->number = number;
    found.segment->size = *size;
    found.segment->file = std::move(*file);
    std::uint32_t format = log_format;
    const auto read = read_header(found.segment->file, format);
    if (!read) return read.error();
    const auto& header = *read;
    if (!header && format > log_format)
      return Error(Errc::too_new, log_.path(segment_name(number)) + " has format " +
                                      std::to_string(format) + "; this build reads up to " +
                                      std::to_string(log_format));
    if (!header || header->number != number) return damage(number, 0, "a broken header");
    // No log was ever longer: a place could not name what lies there. Read whole, it may not fit.
    if (*size > (std::numeric_limits<std::uint32_t>::max)())
      return damage(number, 0, "more than 4 GiB");
    if (segments_.empty()) salt_ = header->salt;
    if (header->salt != salt_) return damage(number, 0, "the header of another log");
    found.header = *header;
    log_.adopt(found.segment);
    segments_.push_back(std::move(found));
    return success;
  }

  [[nodiscard]] Result<std::optional<SegmentHeader>> read_header(const typename Files::Handle& file,
                                                                 std::uint32_t& format) const {
    std::byte first[segment_header_size];
    const auto got = log_.files.read_at(file, 0, first);
    if (!got) return got.error();
    return SegmentHeader::read(ByteView(first, *got), format);
  }
  /// Somebody may have put a segment of another log there, which is not ours to remove.
  [[nodiscard]] bool is_of_this_log(std::uint32_t number) const {
    const auto file = log_.files.open(log_.path(segment_name(number)), detail::os::Access::read);
    if (!file) return false;
    std::uint32_t format = log_format;
    const auto header = read_header(*file, format);
    return header && *header && (*header)->salt == salt_;
  }

  /// Takes in the batches of one segment, up to where the next one begins; of the last, those known
  /// to be on disk. Answers the sequence number that comes next.
  [[nodiscard]] Result<std::uint64_t> read_segment(Found& found, std::uint64_t expected,
                                                   std::uint64_t stop) {
    if (found.header.first_sequence != expected)
      return damage(found.header.number, 0, "a segment that does not follow the one before");
    const bool last = stop == ~std::uint64_t{0};
    const std::uint64_t size = found.segment->size;
    const auto got = log_.files.read_at(found.segment->file, 0, {found.bytes.grow(size), size});
    if (!got) return got.error();
    found.bytes.shrink(*got);
    std::uint64_t synced = expected - 1;
    std::vector<FoundBatch> batches;
    std::uint64_t at = segment_header_size;
    for (; at < found.bytes.size() && expected != stop; ++expected) {
      const auto header = whole_batch(found, at, expected);
      if (!header) break;
      batches.push_back({*header, at + batch_header_size});
      synced = (std::max)(synced, header->synced);
      at += batch_header_size + header->length;
    }
    if (last && at < found.bytes.size()) {
      if (synced_later(found, at, expected))
        return damage(found.header.number, at, "a damaged batch before others that are whole");
      torn_at_ = at;
      torn_ = true;
    }
    if (!last && expected != stop) return damage(found.header.number, at, "a damaged batch");
    if (!last) found.segment->size = at;
    for (const FoundBatch& batch : batches) {
      if (const auto taken = take(found, batch); !taken) return taken.error();
      if (last && batch.header.sequence > synced) unsynced_.push_back(batch);
    }
    return expected;
  }
  [[nodiscard]] std::optional<BatchHeader> whole_batch(const Found& found, std::uint64_t at,
                                                       std::uint64_t expected) const {
    const ByteView left = found.bytes.view().subspan(at);
    const auto header = BatchHeader::read(left, salt_);
    if (!header || header->sequence != expected) return std::nullopt;
    if (header->length > left.size() - batch_header_size) return std::nullopt;
    if (detail::crc32c(left.subspan(batch_header_size, header->length)) != header->payload_crc)
      return std::nullopt;
    return header;
  }
  /// Whether a batch behind `at` says that the one at `at` had been synced.
  [[nodiscard]] bool synced_later(const Found& found, std::uint64_t at,
                                  std::uint64_t broken) const {
    std::byte mark[8];
    store_little(mark, salt_);
    const ByteView bytes = found.bytes;
    for (std::uint64_t i = at + 1; i + batch_header_size <= bytes.size(); ++i) {
      if (bytes[i] != mark[0] || std::memcmp(bytes.data() + i, mark, 8) != 0) continue;
      const auto header = BatchHeader::read(bytes.subspan(i), salt_);
      if (header && header->synced >= broken) return true;
    }
    return false;
  }
  [[nodiscard]] Result<void> take(const Found& found, const FoundBatch& batch) {
    const ByteView payload = found.bytes.view().subspan(batch.payload, batch.header.length);
    std::size_t at = 0;
    while (at < payload.size()) {
      const std::size_t begin = at;
      const auto entry = next_entry(payload, at, found.header.number, batch.payload);
      if (!entry || !index_.replay(*entry))
        return damage(found.header.number, batch.payload + begin, "an entry that makes no sense");
    }
    return success;
  }
  /// Every part must lie inside a segment that is there.
  [[nodiscard]] Result<void> check_places() const {
    for (const StoreState& store : index_.stores)
      for (const auto& [key, record] : store.records) {
        Result<void> all = success;
        record.each_part([&](PartKind, const Place& place) {
          const auto segment = log_.find(place.segment);
          if (!segment || std::uint64_t{place.offset} + place.size > segment->size)
            all = damage(place.segment, place.offset, "bytes of a record are missing");
        });
        if (!all) return all;
      }
    return success;
  }

  [[nodiscard]] Result<void> save_torn_tail() {
    if (!torn_) return success;
    const Found& found = segments_.back();
    const ByteView tail = found.bytes.view().subspan(torn_at_);
    auto side = save_tail(log_, report_.run, found.header.number, torn_at_, tail);
    if (!side) return side.error();
    report_.torn_tail = *std::move(side);
    report_.torn_bytes = tail.size();
    return success;
  }
  /// Notes the run. Where the end of the log is known to be on disk, behind it; otherwise in the
  /// first batch of a new segment, which says where the old one stops to count.
  [[nodiscard]] Result<void> append_run(const RunEntry& run) {
    index_.run = run.run;
    index_.opened_by = run.opened_by;
    if (!segments_.empty() && !torn_ && rewritten() == 0) {
      Batch note;
      index_.write_stores(note.own());
      write_entry(note.own(), run);
      return log_.append(note, true);
    }
    if (!unsynced_.empty())
      log_.resume(salt_, unsynced_.front().header.sequence, unsynced_.front().before());
    const bool replaces = !segments_.empty() && counted_end() == segment_header_size;
    if (replaces) log_.replace_newest();
    auto made = log_.begin_segment(index_.oldest, [&](std::uint32_t number, Buffer& bytes) {
      const std::size_t begin = bytes.size();
      (void)bytes.grow(batch_header_size);
      index_.write_stores(bytes);
      write_again(number, bytes);
      write_entry(bytes, run);
      log_.seal_in(bytes, begin);
    });
    if (!made) return made;
    report_.batches_rewritten = rewritten();
    if (segments_.empty() || replaces) return success;
    segments_.back().segment->size = counted_end();
    if (torn_) (void)log_.files.truncate(segments_.back().segment->file, torn_at_);
    return success;
  }
  /// Where the last segment stops to count: behind it is what is torn or written again.
  [[nodiscard]] std::uint64_t counted_end() const noexcept {
    return unsynced_.empty() ? torn_at_ : unsynced_.front().payload - batch_header_size;
  }
  /// How many batches have to be written again. One without content lost nothing if it is not on
  /// disk: the next one behind it does not say that it is.
  [[nodiscard]] std::uint64_t rewritten() const {
    return static_cast<std::uint64_t>(
        std::count_if(unsynced_.begin(), unsynced_.end(),
                      [](const FoundBatch& batch) { return batch.header.length != 0; }));
  }
  /// Writes again what the batches say that may not be on disk: not as they are, because one may
  /// refer to bytes of another, but each record as it is now with all that lies in them.
  void write_again(std::uint32_t number, Buffer& to) {
    std::set<std::pair<std::uint32_t, std::string_view>> touched;
    const ByteView old = segments_.empty() ? ByteView() : segments_.back().bytes.view();
    for (const FoundBatch& batch : unsynced_) {
      const ByteView payload = old.subspan(batch.payload, batch.header.length);
      for (std::size_t at = 0; at < payload.size();) {
        const auto raw = next_entry(payload, at, number, 0);
        if (raw->kind == EntryKind::erased) write_erased_again(number, *read_erased(raw->body), to);
        if (raw->kind != EntryKind::record) continue;
        const auto entry = read_record(*raw);
        touched.emplace(entry->store, entry->key);
      }
    }
    write_oldest(to, index_.oldest);
    for (const auto& [store, key] : touched) {
      const Record* record = index_.stores[store].find(key);
      if (record != nullptr) write_record_again(number, store, key, *record, old, to);
    }
  }
  void write_erased_again(std::uint32_t number, const ErasedEntry& erased, Buffer& to) {
    const std::size_t begin = to.size();
    write_entry(to, erased);
    const Tombstone& now = index_.stores[erased.store].tombstones[erased.hash];
    index_.bury(erased.store, erased.hash,
                {now.epoch, now.version, number, static_cast<std::uint32_t>(to.size() - begin)});
  }
  void write_record_again(std::uint32_t number, std::uint32_t store, std::string_view key,
                          Record record, ByteView old, Buffer& to) {
    const auto extra = std::make_shared<Extra>(record.more());
    const std::uint32_t old_segment = segments_.back().header.number;
    std::vector<FreshPart> fresh;
    each_place(record, *extra, [&](Place& place) {
      if (place.segment == old_segment && place.offset >= unsynced_.front().payload)
        fresh.push_back({&place, old.subspan(place.offset, place.size)});
    });
    if (record.extra) record.extra = extra;
    write_record(to, number, 0, store, key, record, fresh);
    for (const FreshPart& part : fresh)
      to.append(part.bytes);
    index_.put(store, key, std::move(record));
  }

  Log<Files>& log_;
  Index& index_;
  OpenReport& report_;
  std::vector<Found> segments_;
  std::vector<FoundBatch> unsynced_;
  std::vector<std::uint32_t> left_over_;
  bool held_elsewhere_ = false;
  std::uint64_t salt_ = 0;
  std::uint64_t torn_at_ = 0;
  bool torn_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
