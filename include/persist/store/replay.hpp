#pragma once

#include <persist/backend/concept.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/session/commit.hpp>
#include <persist/spill/journal.hpp>
#include <persist/store/pieces.hpp>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Entries of the spill journal that become commits again.

namespace persist::inline PERSIST_ABI {

/// An entry on its way back to the database, and what its commit refers to.
struct Replay {
  std::string file;
  spill::Entry entry{};
  std::deque<Schema> schemas{};
  const spill::Journal<>* journal = nullptr;
  const RecordLimits* limits = nullptr;
  bool is_last = true;  ///< of its session: none follows it
};

namespace spill {

/// The store of the database with that number, and that of its pieces.
struct Found {
  StoreId store{};
  StoreId pieces{};
};

/// How the data of a spilled record is dealt with on its way: it was wrapped already.
[[nodiscard]] inline const Wrapping& rewrapping(bool splits) noexcept {
  static constexpr Wrapping ways[] = {{nullptr, true, false}, {nullptr, true, true}};
  return ways[splits ? 1 : 0];
}

inline void fill_cut(Part& part, std::span<const Found> stores, Cut& cut) {
  cut.key.append(part.key);
  if (part.data) cut.data.swap(*part.data), cut.has_data = true;
  if (part.user_ids) cut.user_ids = std::move(*part.user_ids), cut.has_ids = true;
  if (part.metadata) cut.metadata.swap(*part.metadata), cut.has_metadata = true;
  if (part.indexed) cut.indexed.swap(*part.indexed), cut.has_indexed = true;
  cut.acknowledged = std::move(part.acknowledged);
  cut.receipts = std::move(part.receipts);
  cut.messages = std::move(part.sends);
  for (OutgoingMessage& message : cut.messages) {
    message.store = stores[message.store.index].store;
    Send& send = cut.sends.emplace_back();
    send.store = message.store;
    send.key = message.key;
    send.number = message.number;
    send.message = message.view();
  }
}

inline void fill_change(const Part& part, StoreId store, Cut& cut, Change& change) {
  change.store = store;
  change.key = as_text(cut.key);
  change.fence = part.fence;
  change.claims = part.claims, change.seen_version = part.seen_version;
  if (cut.has_data) change.data = &cut.data;
  change.removes_data = part.removes_data;
  if (part.history) change.history = &*part.history;
  change.schema = cut.schema;
  if (cut.has_ids) change.user_ids = &cut.user_ids;
  if (cut.has_metadata) change.metadata = &cut.metadata;
  if (cut.has_indexed) change.indexed = &cut.indexed;
  change.acknowledged = cut.acknowledged;
  change.sends = cut.sends;
  change.receipts = cut.receipts;
  change.forget_receipts = part.forget_receipts;
  change.created = part.created;
  change.load_count = part.load_count;
  change.lease = part.lease;
  change.lease_length = part.lease_length;
  change.seen_position = part.seen_position;
}

/// Makes the commit of an entry, which is emptied: under the same numbers, of the same bytes.
/// `stores` and `births` are those of the entry, as the database has them.
inline void fill(Flight& flight, Replay& replay, std::span<const Found> stores,
                 const RecordLimits& limits) {
  for (Part& part : replay.entry.parts) {
    Cut& cut = flight.add();
    fill_cut(part, stores, cut);
    if (part.schema)
      cut.schema = &replay.schemas.emplace_back(Schema{part.schema_id, part.schema->view()});
    if (!part.pieces) continue;
    cut.wrap = &rewrapping(part.pieces->may_be_split);
    const Hash128 birth = replay.entry.stores[part.store].birth;
    cut.split.begin(stores[part.store].pieces, key_hash(birth, part.key),
                    {std::move(part.pieces->epochs), part.pieces->filled});
    cut.split.parts = std::move(part.pieces->parts);
    cut.split.is_done = part.pieces->is_split;
  }
  flight.changes.assign(flight.size(), Change{});
  for (std::size_t i = 0; i < flight.size(); ++i) {
    const Part& part = replay.entry.parts[i];
    fill_change(part, stores[part.store].store, flight.cuts[i], flight.changes[i]);
    flight.changes[i].limits = &limits;
  }
  flight.request.changes = std::span(flight.changes);
}

/// Finds the stores of an entry in a database, none of which is made. `refused` where the database
/// is another one, and what it says.
template <class Backend>
[[nodiscard]] Result<std::vector<Found>> find_stores(Backend& backend, const Entry& entry) {
  std::vector<Found> found;
  for (std::size_t i = 0; i < entry.stores.size(); ++i) {
    const StoreInfo& store = entry.stores[i];
    OpenStoreRequest request{.name = store.name, .lock = store.lock, .expected_birth = store.birth};
    backend.open_store(std::span(&request, 1));
    if (failed(request.error)) return request.error;
    found.push_back({request.store, {}});
    const bool has_pieces =
        std::any_of(entry.parts.begin(), entry.parts.end(),
                    [&](const Part& part) { return part.store == i && part.pieces; });
    if (!has_pieces) continue;
    const std::string beside = store.name + std::string(pieces_suffix);
    OpenStoreRequest pieces;
    pieces.name = beside;
    pieces.lock = LockKind::none;
    backend.open_store(std::span(&pieces, 1));
    if (failed(pieces.error)) return pieces.error;
    found.back().pieces = pieces.store;
  }
  return found;
}

/// Reads an entry and makes its commit, where the backend is called: to read files, and to ask for
/// stores, is nothing that a game's thread should wait for. What keeps it from being sent is the
/// commit's error; `cancelled` where its file is gone.
template <class Backend>
void read_again(Backend& backend, Flight& flight, CommitRequest& to) {
  Replay& replay = *flight.replay;
  const auto fails = [&](Error why) {
    to.outcome = CommitRequest::Outcome::failed;
    to.error = std::move(why);
  };
  auto entry = replay.journal->read(replay.file);
  if (!entry && entry.error().os_error() == ENOENT)
    return fails(Error(Errc::cancelled, "another program took its file away"));
  if (!entry) return fails(entry.error());
  replay.entry = *std::move(entry);
  const auto stores = find_stores(backend, replay.entry);
  if (!stores) return fails(stores.error());
  fill(flight, replay, *stores, *replay.limits);
  // Nobody plays under it any more: its lease would only keep the players out. But what follows it
  // is written by the same owner, who must not have given the record back before.
  for (Change& change : flight.changes)
    if (replay.is_last || change.lease == LeaseChange::release)
      change.lease = replay.is_last ? LeaseChange::release : LeaseChange::keep;
  to.changes = flight.request.changes;
}

}  // namespace spill

}  // namespace persist::inline PERSIST_ABI
