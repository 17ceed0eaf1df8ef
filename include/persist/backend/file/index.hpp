#pragma once

#include <persist/backend/file/entry.hpp>
#include <persist/backend/file/parts.hpp>
#include <persist/detail/text_hash.hpp>
#include <persist/record/index_sets.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// What is left of an erased record.
struct Tombstone {
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
  std::uint32_t segment = 0;
  std::uint32_t size = 0;
};

struct StoreState {
  std::string name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::unordered_map<std::string, Record, detail::TextHash, std::equal_to<>> records;
  std::map<Hash128, Tombstone> tombstones;
  std::map<Hash128, Buffer> schemas;
  std::set<std::string, std::less<>> relaying;  ///< keys whose outbox waits
  IndexSets indexes;

  [[nodiscard]] Hash128 hash(std::string_view key) const noexcept { return key_hash(birth, key); }
  [[nodiscard]] const Record* find(std::string_view key) const {
    const auto found = records.find(key);
    return found == records.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const Tombstone* erased(std::string_view key) const {
    if (tombstones.empty()) return nullptr;
    const auto found = tombstones.find(hash(key));
    return found == tombstones.end() ? nullptr : &found->second;
  }
};

/// All that is published: what a reader may see. Knows how many bytes of the log are live.
/// Not synchronised.
class Index {
 public:
  std::deque<StoreState> stores;
  std::uint64_t run = 0;
  FolderHolder opened_by;    ///< by whom the last run was begun
  std::uint32_t oldest = 1;  ///< the oldest segment that is needed

  /// What the first batch of a segment says again, so that older segments can go.
  void write_stores(Buffer& to) const {
    for (std::uint32_t i = 0; i < stores.size(); ++i) {
      const StoreState& store = stores[i];
      write_entry(to, StoreEntry{i, store.name, store.birth, store.lock});
      for (const auto& [id, bytes] : store.schemas)
        write_entry(to, SchemaEntry{i, id, bytes});
    }
  }
  [[nodiscard]] std::uint64_t live_bytes() const noexcept { return live_; }
  [[nodiscard]] std::uint64_t record_count() const noexcept {
    std::uint64_t count = 0;
    for (const StoreState& store : stores)
      count += store.records.size();
    return count;
  }
  /// Whether any record has a part there. Looks at all of them.
  [[nodiscard]] bool lies_in(std::uint32_t segment) const {
    for (const StoreState& store : stores)
      for (const auto& [key, record] : store.records)
        if (record.lies_in(segment)) return true;
    return false;
  }
  void put(std::uint32_t store, std::string_view key, Record record) {
    StoreState& state = stores[store];
    const bool waits = record.more().outbox_messages != 0;
    live_ += record.live_bytes();
    const auto found = state.records.find(key);
    if (found == state.records.end()) {
      state.records.emplace(key, std::move(record));
    } else {
      live_ -= found->second.live_bytes();
      found->second = std::move(record);
    }
    set_waiting(state, key, waits);
  }
  void erase(std::uint32_t store, std::string_view key) {
    StoreState& state = stores[store];
    const auto found = state.records.find(key);
    if (found == state.records.end()) return;
    live_ -= found->second.live_bytes();
    state.records.erase(found);
    state.indexes.drop(key);
    set_waiting(state, key, false);
  }
  /// Takes the entries of a record in that were written; nothing stands for those it had.
  void list(std::uint32_t store, std::string_view key, const std::optional<Buffer>& users,
            const std::optional<Buffer>& entries) {
    if (users) set_listed(stores[store].indexes, key, PartKind::user_ids, *users);
    if (entries) set_listed(stores[store].indexes, key, PartKind::indexed, *entries);
  }
  /// Reads, with `read(place)`, what the log named and did not hold beside it. What is damaged is
  /// in no index, and is known to be missing. Parts do not share bytes: more than `most` of them,
  /// which is all that there are, is damage too.
  template <class Read>
  void read_unlisted(std::uint64_t most, Read&& read) {
    for (const auto& [store, key, kind] : std::exchange(unlisted_, {})) {
      const Record* record = stores[store].find(key);
      const Place place = record != nullptr ? place_of(record->more(), kind) : Place{};
      if (!place.exists()) continue;
      const auto bytes = place.size <= most ? read(place) : Result<Buffer>(Errc::corrupt);
      if (bytes)
        set_listed(stores[store].indexes, key, kind, *bytes), most -= place.size;
      else
        stores[store].indexes.set_damaged(key, kind == PartKind::user_ids);
    }
  }
  void bury(std::uint32_t store, const Hash128& hash, const Tombstone& left) {
    Tombstone& stone = stores[store].tombstones[hash];
    live_ += left.size;
    live_ -= stone.size;
    stone = left;
  }
  /// Takes an entry of the log in, in the order they were written. Says whether it made sense.
  [[nodiscard]] bool replay(const RawEntry& raw) {
    switch (raw.kind) {
      case EntryKind::store:
        return replay_store(raw);
      case EntryKind::record:
        return replay_record(raw);
      case EntryKind::erased:
        return replay_erased(raw);
      case EntryKind::run:
        if (const auto entry = read_run(raw.body))
          return run = entry->run, opened_by = entry->opened_by, true;
        return false;
      case EntryKind::oldest:
        if (const auto segment = read_oldest(raw.body))
          return oldest = (std::max)(oldest, *segment), true;
        return false;
      case EntryKind::schema:
        return replay_schema(raw);
    }
    return false;
  }

 private:
  static void set_waiting(StoreState& state, std::string_view key, bool waits) {
    const auto found = state.relaying.find(key);
    if (waits && found == state.relaying.end()) state.relaying.emplace(key);
    if (!waits && found != state.relaying.end()) state.relaying.erase(found);
  }
  bool replay_store(const RawEntry& raw) {
    const auto entry = read_store(raw.body);
    if (!entry || entry->format != record_format || entry->index > stores.size()) return false;
    if (entry->index == stores.size()) stores.emplace_back();
    StoreState& state = stores[entry->index];
    state.name = entry->name;
    state.birth = entry->birth;
    state.lock = entry->lock;
    return true;
  }
  /// The first batch of each segment has all of them again.
  bool replay_schema(const RawEntry& raw) {
    const auto entry = read_schema(raw.body);
    if (!entry || entry->store >= stores.size() || schema_id(entry->bytes) != entry->id)
      return false;
    return stores[entry->store].schemas.try_emplace(entry->id, entry->bytes), true;
  }
  bool replay_record(const RawEntry& raw) {
    auto entry = read_record(raw);
    if (!entry || entry->store >= stores.size() || entry->key.empty()) return false;
    for (const PartKind kind : {PartKind::user_ids, PartKind::indexed})
      list_again(raw, *entry, kind);
    return put(entry->store, entry->key, std::move(entry->record)), true;
  }
  [[nodiscard]] static const Place& place_of(const Extra& extra, PartKind kind) noexcept {
    return kind == PartKind::user_ids ? extra.user_ids : extra.indexed;
  }
  static void set_listed(IndexSets& indexes, std::string_view key, PartKind kind, ByteView bytes) {
    std::vector<std::uint64_t> users;
    const bool are_users = kind == PartKind::user_ids;
    if (are_users ? !decode_user_ids(bytes, users) : !indexes.set_entries(key, bytes))
      return indexes.set_damaged(key, are_users);
    if (are_users) indexes.set_users(key, users);
  }
  /// Of a record that is taken in: bytes that lie elsewhere are those it had, or are read when all
  /// is known, because a segment may have been set aside or its bytes moved on.
  void list_again(const RawEntry& raw, const RecordEntry& entry, PartKind kind) {
    const Place& place = place_of(entry.record.more(), kind);
    const Record* before = stores[entry.store].find(entry.key);
    if (before != nullptr && place == place_of(before->more(), kind)) return;
    if (!place.exists() || is_inside(raw, place))
      set_listed(stores[entry.store].indexes, entry.key, kind,
                 place.exists() ? raw.body.subspan(place.offset - raw.body_offset, place.size)
                                : ByteView());
    else
      unlisted_.emplace(entry.store, entry.key, kind);
  }
  [[nodiscard]] static bool is_inside(const RawEntry& raw, const Place& place) noexcept {
    return place.segment == raw.segment && place.offset >= raw.body_offset &&
           std::uint64_t{place.offset} + place.size <= raw.body_offset + raw.body.size();
  }
  bool replay_erased(const RawEntry& raw) {
    const auto entry = read_erased(raw.body);
    if (!entry || entry->store >= stores.size()) return false;
    if (!entry->key.empty()) erase(entry->store, entry->key);
    bury(entry->store, entry->hash,
         {entry->epoch, entry->version, raw.segment,
          static_cast<std::uint32_t>(entry_frame + raw.body.size())});
    return true;
  }

  std::uint64_t live_ = 0;
  std::set<std::tuple<std::uint32_t, std::string, PartKind>> unlisted_;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
