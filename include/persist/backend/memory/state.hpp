#pragma once

#include <persist/detail/os.hpp>
#include <persist/detail/text_hash.hpp>
#include <persist/record/head.hpp>
#include <persist/record/history.hpp>
#include <persist/record/index_sets.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/record/mailbox.hpp>
#include <persist/record/requests.hpp>
#include <persist/record/wake.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::memory {

struct Record {
  Head head;
  bool has_data = false;
  Buffer data;
  std::vector<std::uint64_t> user_ids;
  Buffer metadata;
  std::vector<Receipt> receipts;
  std::uint32_t receipts_forgotten = 0;
  Inbox inbox;
  Outbox outbox;
};

/// An older state of a record's data.
struct KeptData : KeptVersion {
  Buffer data;
};

/// What is left of an erased record: not its key, only what keeps epochs and versions from going
/// back.
struct Tombstone {
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
};

struct StoreState {
  std::string name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::unordered_map<std::string, Record, detail::TextHash, std::equal_to<>> records;
  /// Of records that have any, oldest first.
  std::unordered_map<std::string, std::vector<KeptData>, detail::TextHash, std::equal_to<>>
      histories;
  std::map<Hash128, Tombstone> tombstones;
  std::map<Hash128, Buffer> schemas;
  IndexSets indexes;
  std::set<std::string, std::less<>> relaying;  ///< keys whose outbox waits
  std::vector<std::weak_ptr<WakeQueue>> watchers;

  [[nodiscard]] Hash128 hash(std::string_view key) const noexcept { return key_hash(birth, key); }
  /// Whether the record was erased after that epoch was given out.
  [[nodiscard]] bool erased_since(std::string_view key, std::uint64_t epoch) const {
    const auto found = tombstones.find(hash(key));
    return found != tombstones.end() && found->second.epoch > epoch;
  }
  /// What stands for a record that is not there: what an erased one left, or nothing.
  [[nodiscard]] Head absent(std::string_view key) const {
    Head head;
    if (const auto erased = tombstones.find(hash(key)); erased != tombstones.end()) {
      head.fence.epoch = erased->second.epoch;
      head.version = erased->second.version;
    }
    return head;
  }
  /// Keeps the data of a record that the change will write or remove.
  void keep_older(Record& record, const Change& change, WallTime now) {
    if (!record.has_data || !change.writes_data()) return;
    auto found = histories.find(change.key);
    if (found == histories.end()) found = histories.try_emplace(std::string(change.key)).first;
    std::vector<KeptData>& kept = found->second;
    kept.push_back({{record.head.version, record.head.updated, now, record.data.size()},
                    std::exchange(record.data, Buffer())});
    retain(kept, *change.history, now);
    if (kept.empty()) histories.erase(found);
  }
  void read_history(const Record& record, ReadRequest& request) const {
    static const std::vector<KeptData> none;
    const auto found = histories.find(request.key);
    const std::vector<KeptData>& kept = found != histories.end() ? found->second : none;
    if (request.wants_versions) request.versions.assign(kept.rbegin(), kept.rend());
    const std::uint64_t now = record.has_data ? record.head.version : 0;
    if (request.version == 0 || request.version == now) return;
    const auto older = std::find_if(kept.begin(), kept.end(), [&](const KeptData& each) {
      return each.version == request.version;
    });
    if (older == kept.end()) {
      request.error = not_kept(request.version, now, kept);
      return;
    }
    request.record.version = older->version;
    request.record.updated = older->at;
    request.record.has_data = true;
    if (request.wants_data) request.record.data = older->data;
  }
  /// Takes a record out, with all but its tombstone.
  void remove(std::string_view key) {
    relaying.erase(std::string(key));
    histories.erase(std::string(key));
    indexes.drop(key);
    records.erase(records.find(key));
  }
  void scan(ScanRequest& request) const {
    const std::size_t most = (std::max)(request.most, std::size_t{1});
    std::set<std::string_view> page;
    for (const auto& [key, record] : records) {
      const bool is_meant = request.of_inboxes ? !record.inbox.messages.empty() : record.has_data;
      if (!is_meant || key <= request.after) continue;
      if (page.size() == most && key > *page.rbegin()) continue;
      page.insert(key);
      if (page.size() > most) page.erase(std::prev(page.end()));
    }
    request.keys.assign(page.begin(), page.end());
    request.next = request.keys.empty() ? request.after : request.keys.back();
    request.done = page.size() < most;
  }
  /// Why the data of a change could not be read later, or `Errc{}`.
  [[nodiscard]] Error refusal_of(const Change& change) const {
    if (!change.sends_schema && schemas.contains(change.schema->id)) return Errc{};
    return refusal_of_schema(change);
  }
  /// What a change does to the record's entries in indexes.
  void index(const Change& change) {
    if (change.user_ids != nullptr) indexes.set_users(change.key, *change.user_ids);
    if (change.indexed != nullptr)
      (void)indexes.set_entries(change.key, *change.indexed);
    else if (change.data == nullptr && change.removes_data)
      (void)indexes.set_entries(change.key, {});
  }
  void read(SchemaRequest& request) const {
    if (const auto found = schemas.find(request.id); found != schemas.end())
      request.bytes = found->second;
    else
      request.error = unknown_schema(request.id);
  }
};

/// Most records have nothing beside their data, and to copy nothing is still a call.
template <class Some>
void copy_some(const Some& from, Some& to) {
  if (!from.empty() || !to.empty()) to = from;
}

struct Moment {
  TimePoint now;
  WallTime wall;
};

/// The record of a change, and whether the change is new to it.
struct Found {
  Record* record;
  bool fresh;
};

/// What all handles share; everything behind the mutex, but for the clock.
struct Database {
  explicit Database(Clock& time) : clock(time), nonce(detail::os::random_bits() | 1) {}

  std::mutex mutex;
  Clock& clock;
  std::uint64_t nonce;
  std::uint64_t sessions = 0;
  std::uint64_t epochs = 0;
  std::deque<StoreState> stores;
  std::vector<Found> found;  ///< of the commit at hand; kept for its memory
};

/// All that a database held at one moment.
struct Backup {
  std::deque<StoreState> stores;
  std::uint64_t epochs = 0;
};

/// Puts back what was backed up. A store that was made since is an empty one, because handles know
/// it; who watches goes on watching. Owners are given out on, as a number is never given out twice.
inline void put_back(Database& db, const Backup& from) {
  for (std::size_t i = 0; i < db.stores.size(); ++i) {
    StoreState now;
    if (i < from.stores.size())
      now = from.stores[i];
    else
      now.name = db.stores[i].name, now.birth = db.stores[i].birth, now.lock = db.stores[i].lock;
    now.watchers = std::move(db.stores[i].watchers);
    db.stores[i] = std::move(now);
  }
  db.epochs = from.epochs;
}

/// Finds the store or makes it.
inline void open(Database& db, OpenStoreRequest& request) {
  auto& stores = db.stores;
  std::uint32_t index = 0;
  while (index < stores.size() && stores[index].name != request.name)
    ++index;
  if (index == stores.size() && request.expected_birth) {
    request.error = Error(Errc::refused, "there is no store \"" + std::string(request.name) +
                                             "\" where this connection knew one: its database was "
                                             "replaced");
    return;
  }
  if (index == stores.size()) {
    StoreState& state = stores.emplace_back();
    state.name = request.name;
    state.birth = {detail::os::random_bits(), detail::os::random_bits()};
    state.lock = request.lock;
  }
  const StoreState& state = stores[index];
  if (state.lock != request.lock) {
    request.error =
        Error(Errc::invalid,
              "store \"" + state.name +
                  "\" was made with another lock policy; open it with that one, or move its "
                  "records to a store of another name");
  } else if (request.expected_birth && *request.expected_birth != state.birth) {
    request.error = Error(Errc::refused,
                          "store \"" + state.name +
                              "\" is not the one this connection knew: its database was replaced");
  }
  request.store = {index};
  request.birth = state.birth;
  request.now = db.clock.wall();
}

}  // namespace persist::inline PERSIST_ABI::backend::memory
