#pragma once

#include <persist/backend/file/history.hpp>
#include <persist/backend/file/index.hpp>
#include <persist/backend/file/log.hpp>
#include <persist/backend/file/parts.hpp>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// A record while a batch works on it: a copy of its head and places, the parts that were looked
/// at, and those that are new.
struct Staged {
  std::uint32_t store = 0;
  std::string key;
  Record record;
  bool exists = false;              ///< after what was done so far
  bool writes = false;              ///< its entry goes into the log
  std::optional<Tombstone> erased;  ///< by this batch, before what the record is now
  std::optional<ByteView> data;     ///< new; lives in the request
  std::optional<Buffer> metadata;   ///< new
  std::optional<Buffer> user_ids;   ///< new
  std::optional<Buffer> indexed;    ///< new
  std::optional<Inbox> inbox;       ///< loaded
  std::optional<Outbox> outbox;     ///< loaded
  bool inbox_changed = false;
  bool outbox_changed = false;
  std::vector<Receipt> new_receipts;                  ///< a new page
  std::optional<std::vector<Receipt>> kept_receipts;  ///< in place of all pages before
  std::optional<std::uint32_t> forgotten_until;
  std::optional<std::vector<KeptPart>> history;  ///< loaded
  bool history_changed = false;

  [[nodiscard]] bool has_data() const noexcept { return data || record.has_data(); }
  [[nodiscard]] std::uint64_t last_position() const noexcept {
    return inbox ? inbox->last_position : record.more().last_position;
  }
  [[nodiscard]] std::uint32_t receipts_forgotten() const noexcept {
    return forgotten_until.value_or(record.more().receipts_forgotten);
  }
  /// About how many bytes it will take in the batch.
  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t sum = 512 + receipt_size * new_receipts.size();
    if (data) sum += data->size();
    if (metadata) sum += metadata->size();
    if (user_ids) sum += user_ids->size();
    if (indexed) sum += indexed->size();
    if (inbox_changed) sum += inbox_size(*inbox);
    if (outbox_changed) sum += outbox_size(*outbox);
    if (kept_receipts) sum += receipt_size * kept_receipts->size();
    if (history_changed) sum += (part_row + history_row) * history->size();
    return sum;
  }
};

/// Reads the parts of a record through what is staged of it. `corrupt` leaves everything as it was.
template <class Files>
class PartReader {
 public:
  explicit PartReader(const Log<Files>& log) : log_(log) {}

  [[nodiscard]] Result<void> inbox(Staged& of) const {
    return load(of.inbox, of.record.more().inbox, decode_inbox, of);
  }
  [[nodiscard]] Result<void> outbox(Staged& of) const {
    return load(of.outbox, of.record.more().outbox, decode_outbox, of);
  }
  [[nodiscard]] Result<std::vector<Receipt>> receipts(const Staged& of) const {
    std::vector<Receipt> all;
    if (of.kept_receipts) {
      all = *of.kept_receipts;
    } else {
      for (const Place& page : of.record.more().receipts) {
        const auto bytes = log_.read(page);
        if (!bytes) return named(bytes.error(), of);
        if (!decode_receipts(*bytes, all)) return named(Errc::corrupt, of);
      }
    }
    all.insert(all.end(), of.new_receipts.begin(), of.new_receipts.end());
    return all;
  }
  /// Which older states there are.
  [[nodiscard]] Result<void> history(Staged& of) const {
    if (of.history) return success;
    const std::span<const Place> places = of.record.more().history;
    std::vector<KeptPart> kept;
    if (!places.empty()) {
      const auto bytes = log_.read(places.front());
      if (!bytes) return named(bytes.error(), of);
      if (!decode_history(*bytes, places.subspan(1), kept)) return named(Errc::corrupt, of);
    }
    of.history = std::move(kept);
    return success;
  }
  /// Lists older states, or puts one in the place of what there is now.
  [[nodiscard]] Result<void> older(Staged& of, ReadRequest& request) const {
    const std::uint64_t now = of.has_data() ? of.record.head.version : 0;
    const bool wants_older = request.version != 0 && request.version != now;
    if (!wants_older && !request.wants_versions) return success;
    if (auto loaded = history(of); !loaded) return loaded;
    const std::vector<KeptPart>& kept = *of.history;
    if (request.wants_versions) request.versions.assign(kept.rbegin(), kept.rend());
    if (!wants_older) return success;
    const KeptPart* const found = find_version(kept, request.version);
    if (found == nullptr) {
      request.error = not_kept(request.version, now, kept).for_key(of.key);
      return success;
    }
    request.record.version = found->version;
    request.record.updated = found->at;
    request.record.has_data = true;
    if (!request.wants_data) return success;
    return copy(std::optional<ByteView>(), found->place, request.record.data, of);
  }
  /// All that a reader or a new holder gets to see; `data` may be left out.
  [[nodiscard]] Result<void> snapshot(Staged& from, bool wants_data, Snapshot& to) const {
    const Head& head = from.record.head;
    const Extra& extra = from.record.more();
    to.fence = head.fence;
    to.version = head.version;
    to.load_count = head.load_count;
    to.created = head.created;
    to.updated = head.updated;
    to.has_data = from.has_data();
    if (wants_data && to.has_data)
      if (auto got = copy(from.data, from.record.data, to.data, from); !got) return got;
    if (auto got = copy(from.metadata, extra.metadata, to.metadata, from); !got) return got;
    Buffer ids;
    if (auto got = copy(from.user_ids, extra.user_ids, ids, from); !got) return got;
    if (!decode_user_ids(ids, to.user_ids)) return named(Errc::corrupt, from);
    if (auto got = outbox(from); !got) return got;
    to.outbox = from.outbox->numbers();
    return success;
  }

 private:
  template <class Box>
  Result<void> load(std::optional<Box>& box, const Place& place, bool (*decode)(ByteView, Box&),
                    const Staged& of) const {
    if (box) return success;
    Box loaded;
    if (place.exists()) {
      const auto bytes = log_.read(place);
      if (!bytes) return named(bytes.error(), of);
      if (!decode(*bytes, loaded)) return named(Errc::corrupt, of);
    }
    box = std::move(loaded);
    return success;
  }
  template <class Bytes>
  Result<void> copy(const std::optional<Bytes>& fresh, const Place& place, Buffer& to,
                    const Staged& of) const {
    to.clear();
    if (fresh) return to.append(ByteView(*fresh)), success;
    if (!place.exists()) return success;
    auto bytes = log_.read(place);
    if (!bytes) return named(bytes.error(), of);
    return to = std::move(*bytes), success;
  }
  static Error named(Error error, const Staged& of) { return std::move(error).for_key(of.key); }

  const Log<Files>& log_;
};

/// All that a batch does, before any of it is written: later requests of the batch see what earlier
/// ones did, readers do not.
class Stage {
 public:
  std::deque<StoreEntry> new_stores;
  std::vector<SchemaEntry> new_schemas;  ///< their bytes lie in the requests
  std::optional<std::uint64_t> new_run;
  std::vector<ErasedEntry> moved_tombstones;
  std::uint32_t leaving = 0;     ///< a segment that no record written now may refer to any more
  std::uint32_t now_oldest = 0;  ///< what the log says from now on; 0: as before
  std::uint64_t bytes = 0;       ///< about what will be written
  std::uint64_t commits = 0;

  /// The record of that key for this batch to work on; null where there is none.
  [[nodiscard]] Staged* find(const Index& index, std::uint32_t store, std::string_view key) {
    Staged* staged = look(store, key);
    if (staged == nullptr)
      if (const Record* record = index.stores[store].find(key)) {
        staged = &add(store, key);
        staged->record = *record;
        staged->exists = true;
      }
    return staged != nullptr && staged->exists ? staged : nullptr;
  }
  /// The same, made where there is none: with the epoch and version that an erased one had.
  [[nodiscard]] Staged& make(const Index& index, std::uint32_t store, std::string_view key) {
    if (Staged* record = find(index, store, key)) return *record;
    Staged* staged = look(store, key);
    if (staged == nullptr) staged = &add(store, key);
    if (const Tombstone* left = erased(index, store, key)) {
      staged->record.head.fence.epoch = left->epoch;
      staged->record.head.version = left->version;
    }
    staged->exists = true;
    return *staged;
  }
  [[nodiscard]] const Tombstone* erased(const Index& index, std::uint32_t store,
                                        std::string_view key) {
    const Staged* staged = look(store, key);
    if (staged != nullptr && staged->erased) return &*staged->erased;
    return index.stores[store].erased(key);
  }
  /// Leaves only the tombstone of a record.
  void erase(std::uint32_t store, std::string_view key, const Tombstone& left) {
    Staged* staged = look(store, key);
    Staged& gone = staged != nullptr ? *staged : add(store, key);
    Staged empty;
    empty.store = store;
    empty.key = gone.key;
    empty.erased = left;
    gone = std::move(empty);
  }

  /// Whether the store holds a schema when this batch is written.
  [[nodiscard]] bool holds(const Index& index, std::uint32_t store, const Hash128& id) const {
    return index.stores[store].schemas.contains(id) ||
           std::any_of(new_schemas.begin(), new_schemas.end(), [&](const SchemaEntry& entry) {
             return entry.store == store && entry.id == id;
           });
  }

  [[nodiscard]] bool writes() const noexcept {
    if (!new_stores.empty() || new_run || !moved_tombstones.empty()) return true;
    for (const Staged& staged : records_)
      if (staged.writes || staged.erased) return true;
    return false;
  }
  [[nodiscard]] std::deque<Staged>& records() noexcept { return records_; }
  /// Forgets all of it and keeps what memory the next batch can use.
  void clear() {
    new_stores.clear();
    new_schemas.clear();
    new_run.reset();
    moved_tombstones.clear();
    leaving = now_oldest = 0;
    bytes = commits = 0;
    by_name_.clear();
    records_.clear();
  }

 private:
  void set_name(std::uint32_t store, std::string_view key) {
    std::byte prefix[4];
    store_little(prefix, store);
    name_.assign(as_text(prefix)).append(key);
  }
  [[nodiscard]] Staged* look(std::uint32_t store, std::string_view key) {
    if (by_name_.empty()) return nullptr;
    set_name(store, key);
    const auto found = by_name_.find(name_);
    return found == by_name_.end() ? nullptr : found->second;
  }
  Staged& add(std::uint32_t store, std::string_view key) {
    Staged& staged = records_.emplace_back();
    staged.store = store;
    staged.key = key;
    set_name(store, key);
    by_name_.emplace(name_, &staged);
    return staged;
  }

  std::deque<Staged> records_;
  std::unordered_map<std::string, Staged*> by_name_;
  std::string name_;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
