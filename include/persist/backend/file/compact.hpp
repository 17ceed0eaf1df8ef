#pragma once

#include <persist/backend/file/stage.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// How large a segment grows. Each holds a descriptor while the folder is open, so those of a large
/// database are larger: while less than 64 GiB are live there are never more than 350 (compaction
/// begins at 8 and two for each full one that the log could be); beyond that, 5 for each GiB.
[[nodiscard]] constexpr std::uint64_t full_segment(std::uint64_t wanted,
                                                   std::uint64_t live) noexcept {
  return (std::max)(wanted, (std::min)(live / 64, std::uint64_t{1} << 30));
}

/// Empties the oldest segment, a bounded number of bytes per batch: what a record still refers to
/// there is staged to be written again, so that it rides in the same batch and the same sync.
///
/// Always the oldest, whatever it holds: then a full cycle through the log copies each live byte
/// once and frees all others, and the bound below holds for every pattern of writes.
///
/// Damaged bytes that a record refers to stay where they are: their segment is set aside,
/// untouched, and the log goes on behind it. Where the batches of a segment cannot be told any more
/// the index says what lies in it.
template <class Files>
class Compactor {
 public:
  /// Whether the log has grown over twice what is live and two segments, or into too many small
  /// ones. With `budget` twice what is written, the log stays under two and a half times the live
  /// bytes and three segments.
  [[nodiscard]] bool is_due(const Index& index, const Log<Files>& log,
                            std::uint64_t segment_bytes) const {
    const std::uint64_t segments = log.newest() - log.oldest() + 1;
    if (segments < 2) return false;
    const std::uint64_t bytes = log.bytes();
    return bytes > 2 * index.live_bytes() + 2 * segment_bytes ||
           segments > 8 + 2 * bytes / segment_bytes;
  }

  /// Stages up to `budget` bytes of copies; when the segment has been gone through, also that the
  /// log begins behind it.
  void stage_some(Stage& stage, const Index& index, const Log<Files>& log, std::uint64_t budget) {
    const std::uint32_t victim = log.oldest();
    if (victim != victim_) begin(victim);
    stage.leaving = victim;
    const auto segment = log.find(victim);
    std::uint64_t staged = 0;
    while (staged < budget) {
      if (at_ != payload_.size()) {
        const auto entry = next_entry(payload_, at_, victim, payload_offset_);
        const auto bytes = entry ? stage_entry(stage, index, *entry) : std::nullopt;
        bytes ? void(staged += *bytes) : look_for_keys(stage, index, segment->size);
      } else if (!keys_.empty()) {
        staged += stage_record(stage, index, keys_.back().first, keys_.back().second);
        keys_.pop_back();
      } else if (next_ == segment->size) {
        stage.now_oldest = victim + 1;
        return;
      } else if (!next_batch(log, *segment)) {
        look_for_keys(stage, index, segment->size);
      }
    }
  }
  /// What was staged is not written after all: the segment is gone through once more.
  void start_over() { victim_ = 0; }
  /// Something that a record refers to could not be moved out of the segment.
  void leave_behind() { left_behind_ = true; }
  [[nodiscard]] bool left_behind() const noexcept { return left_behind_; }

 private:
  void begin(std::uint32_t victim) {
    victim_ = victim;
    next_ = segment_header_size;
    at_ = 0;
    payload_ = Buffer();
    keys_.clear();
    left_behind_ = false;
  }
  /// Reads the next batch of the segment; false where there is none, which is damage: what lies
  /// behind it cannot be found.
  [[nodiscard]] bool next_batch(const Log<Files>& log,
                                const typename Log<Files>::Segment& segment) {
    std::byte bytes[batch_header_size];
    const auto got = log.files.read_at(segment.file, next_, bytes);
    const auto header =
        got ? BatchHeader::read(ByteView(bytes, *got), log.salt()) : std::optional<BatchHeader>();
    payload_offset_ = next_ + batch_header_size;
    if (!header || payload_offset_ + header->length > segment.size) return false;
    payload_ = Buffer();
    at_ = 0;
    const auto read = log.files.read_at(segment.file, payload_offset_,
                                        {payload_.grow(header->length), header->length});
    next_ = payload_offset_ + header->length;
    return read && *read == header->length && detail::crc32c(payload_) == header->payload_crc;
  }
  /// In place of walking on through damage: looks at every record once. What is still there of the
  /// segment is gone through by name.
  void look_for_keys(Stage& stage, const Index& index, std::uint64_t size) {
    payload_ = Buffer();
    at_ = 0;
    next_ = size;
    for (std::uint32_t i = 0; i < index.stores.size(); ++i) {
      for (const auto& [key, record] : index.stores[i].records)
        if (record.lies_in(victim_)) keys_.emplace_back(i, key);
      for (const auto& [hash, stone] : index.stores[i].tombstones)
        if (stone.segment == victim_)
          stage.moved_tombstones.push_back({i, hash, stone.epoch, stone.version, {}});
    }
  }
  /// How many bytes that will be; nothing where the entry makes no sense.
  std::optional<std::uint64_t> stage_entry(Stage& stage, const Index& index, const RawEntry& raw) {
    if (raw.kind == EntryKind::erased) return stage_tombstone(stage, index, raw);
    if (raw.kind != EntryKind::record) return 0;
    const auto entry = read_record(raw);
    if (!entry || entry->store >= index.stores.size()) return std::nullopt;
    return stage_record(stage, index, entry->store, entry->key);
  }
  std::uint64_t stage_record(Stage& stage, const Index& index, std::uint32_t store,
                             std::string_view key) {
    Staged* record = stage.find(index, store, key);
    if (record == nullptr || record->writes || !record->record.lies_in(victim_)) return 0;
    record->writes = true;
    // Older states lie far and wide, and not all of them are moved.
    std::uint64_t bytes = record->record.live_bytes();
    for (const Place& place : record->record.more().history)
      if (place.segment != victim_ && !record->record.takes_along(place)) bytes -= place.size;
    return bytes;
  }
  std::optional<std::uint64_t> stage_tombstone(Stage& stage, const Index& index,
                                               const RawEntry& raw) {
    auto entry = read_erased(raw.body);
    if (!entry || entry->store >= index.stores.size()) return std::nullopt;
    const auto& stones = index.stores[entry->store].tombstones;
    const auto found = stones.find(entry->hash);
    if (found == stones.end() || found->second.segment != victim_) return 0;
    // No segment before this one is read again, so none brings the record back, and its key can be
    // forgotten.
    stage.moved_tombstones.push_back(
        {entry->store, entry->hash, found->second.epoch, found->second.version, {}});
    return raw.body.size();
  }

  std::uint32_t victim_ = 0;
  std::uint64_t next_ = 0;
  Buffer payload_;
  std::uint64_t payload_offset_ = 0;
  std::size_t at_ = 0;
  std::vector<std::pair<std::uint32_t, std::string>> keys_;  ///< to be staged, of a broken segment
  bool left_behind_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
