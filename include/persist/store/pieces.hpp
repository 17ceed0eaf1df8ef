#pragma once

#include <persist/backend/concept.hpp>
#include <persist/codec/chunked.hpp>
#include <persist/record/requests.hpp>
#include <persist/result.hpp>
#include <persist/session/commit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The pieces of records that are larger than their backend takes: records of a store beside the
// game's, without a lease. A record's pieces have the same names for as long as it lives, and are
// written in the commit that writes the record, so whoever may write the record may write them.
//
// Who loads a record acquires its pieces. That fences nobody who could still write: the record's
// own fence did that before. It may happen the other way round, that one who lost the record
// acquires a piece of it; then the holder's commit is fenced at a piece, and it acquires that anew.

namespace persist::inline PERSIST_ABI {

/// How the name of the store of pieces ends. Names of the game's stores may not.
inline constexpr std::string_view pieces_suffix = "#pieces";

/// `invalid` for what no store of a game may be called.
[[nodiscard]] inline Result<void> check_store_name(std::string_view name) {
  if (name.empty())
    return Error(Errc::invalid, "a store needs a name: it is part of every record's address");
  if (name.ends_with(pieces_suffix))
    return Error(Errc::invalid,
                 "the name \"" + std::string(name) + "\" is that of a store of pieces");
  return success;
}

namespace pieces {

/// `name` is the hash of the record's key under the birth of its store: a key may be as long as
/// keys get, and what is erased leaves no spelling.
[[nodiscard]] inline std::string key_of(const Hash128& name, std::size_t index) {
  return name.text() + '-' + std::to_string(index);
}
[[nodiscard]] inline std::vector<std::string> keys_of(const Hash128& name, std::size_t from,
                                                      std::size_t count) {
  std::vector<std::string> keys;
  for (std::size_t i = from; i < from + count; ++i)
    keys.push_back(key_of(name, i));
  return keys;
}

[[nodiscard]] inline Error no_piece() {
  return {Errc::unavailable, "a piece of the record could not be acquired"};
}

/// Puts the whole record in the place of the one that is split. `corrupt` where a piece is not
/// there or is not of it.
template <class Request>
[[nodiscard]] Result<void> join(Buffer& record, std::span<const Request> read) {
  const auto stub = codec::chunked::read_stub(record);
  if (!stub) return stub.error();
  std::vector<ByteView> parts;
  for (const Request& piece : read) {
    if (failed(piece.error)) return piece.error;
    parts.push_back(piece.record.data.view());
  }
  Buffer whole;
  if (auto joined = codec::chunked::join(*stub, parts, whole); !joined) return joined;
  record.swap(whole);
  return success;
}

/// Of the record, which must be there.
template <class Backend>
[[nodiscard]] Result<ReadRequest> look(Backend& backend, StoreId store, std::string_view key,
                                       bool wants_data) {
  ReadRequest again{.store = store, .key = key, .wants_data = wants_data};
  backend.read(std::span(&again, 1));
  if (failed(again.error)) return again.error;
  if (again.found && again.record.has_data) return again;
  return Error(Errc::not_found, "there is no record").for_key(key);
}

/// Reads the pieces of a record that was read without a lease. Where the record was saved meanwhile
/// it reads that, a few times: then `record` is the newer one. `corrupt`, `unavailable`,
/// `too_large` for a record of more than `most` bytes, `not_found` where it was erased meanwhile,
/// and what the backend says.
template <class Backend>
[[nodiscard]] Result<void> read(Backend& backend, StoreId store, std::string_view key,
                                std::size_t most, Snapshot& record) {
  const StoreId pieces_in = record.pieces_in;
  const Hash128 name = record.needed;
  const auto is_split = [&] { return codec::chunked::is_split(record.data); };
  for (int tries = 0; is_split() && tries < 8; ++tries) {
    const auto needed = codec::chunked::needed_pieces(record.data, most);
    if (!needed) return needed.error();
    const auto keys = keys_of(name, 0, *needed);
    std::vector<ReadRequest> batch;
    batch.reserve(keys.size());
    for (const std::string& each : keys)
      batch.push_back({.store = pieces_in, .key = each});
    backend.read(std::span(batch));
    auto joined = join(record.data, std::span<const ReadRequest>(batch));
    if (joined || !joined.is(Errc::corrupt)) return joined;
    auto again = look(backend, store, key, true);
    if (!again) return again.error();
    if (again->record.version == record.version) return joined;
    record = std::move(again->record);
  }
  if (!is_split()) return success;
  return Error(Errc::unavailable, "the record was saved again each time that it was read");
}

/// The pieces of a record that was only looked at, as they are: whoever holds them keeps them.
template <class Backend>
[[nodiscard]] Result<void> look_at(Backend& backend, const std::vector<std::string>& keys,
                                   Snapshot& record, Pieces& ours) {
  std::vector<ReadRequest> batch;
  batch.reserve(keys.size());
  for (const std::string& each : keys)
    batch.push_back({.store = record.pieces_in, .key = each});
  backend.read(std::span(batch));
  ours = Pieces{{}, batch.size()};
  return join(record.data, std::span<const ReadRequest>(batch));
}
template <class Backend>
[[nodiscard]] Result<void> take(Backend& backend, const std::vector<std::string>& keys,
                                AcquireRequest& request, Pieces& ours) {
  Snapshot& record = request.record;
  std::vector<AcquireRequest> batch;
  batch.reserve(keys.size());
  for (const std::string& each : keys)
    batch.push_back({.store = record.pieces_in, .key = each, .owner = request.owner});
  backend.acquire(std::span(batch));
  ours = Pieces{{}, batch.size()};
  for (AcquireRequest& piece : batch) {
    ours.epochs.push_back(piece.record.fence.epoch);
    if (!piece.is_to_be_read() && !failed(piece.error)) piece.error = no_piece();
  }
  return join(record.data, std::span<const AcquireRequest>(batch));
}

/// Acquires and reads the pieces of a record that `request` has taken, or reads those of one that
/// it looked at. `corrupt`; `unavailable` where somebody else has taken or saved the record since;
/// and what the backend says.
template <class Backend>
[[nodiscard]] Result<void> acquire(Backend& backend, AcquireRequest& request, Pieces& ours) {
  Snapshot& record = request.record;
  const auto keys = keys_of(record.needed, 0, record.needed_pieces);
  auto joined = request.intent == Intent::look ? look_at(backend, keys, record, ours)
                                               : take(backend, keys, request, ours);
  if (joined || !joined.is(Errc::corrupt)) return joined;
  const auto now = look(backend, request.store, request.key, false);
  if (!now && !now.is(Errc::not_found)) return now.error();
  if (now && now->record.version == record.version && now->record.fence.epoch == record.fence.epoch)
    return joined;
  return Error(Errc::unavailable, "somebody else has taken the record meanwhile");
}

/// A commit that is prepared where the backend is called, and the flight that it is of.
struct Prepared {
  CommitRequest* request;
  Flight* flight;

  [[nodiscard]] bool is_pending() const noexcept {
    return request->outcome == CommitRequest::Outcome::pending;
  }
  void give_up() const {
    request->outcome = CommitRequest::Outcome::failed;
    request->error = Error(Errc::unavailable, "somebody else keeps acquiring pieces of the record");
  }
  /// Calls `use(split, fence)` for each session whose record has pieces or had some.
  template <class F>
  void each_split(F&& use) const {
    for (std::size_t i = 0; i < flight->size(); ++i) {
      Cut& cut = flight->cuts[i];
      if (cut.wrap != nullptr && cut.wrap->joins && cut.split.is_done)
        use(cut.split, flight->changes[i].fence);
    }
  }
};

/// Acquires the pieces that commits will write and that their sessions have not, in one batch. A
/// commit that does not get one fails, and was not sent.
template <class Backend>
void acquire_missing(Backend& backend, std::span<const Prepared> commits) {
  std::vector<AcquireRequest> batch;
  std::vector<std::pair<const Prepared*, std::uint64_t*>> wanted;
  for (const Prepared& commit : commits) {
    if (!commit.is_pending()) continue;
    commit.each_split([&](Split& split, const Fence& fence) {
      if (split.keys.empty()) split.keys = keys_of(split.name, 0, split.touched());
      split.known.epochs.resize((std::max)(split.known.epochs.size(), split.touched()));
      for (std::size_t i = 0; i < split.touched(); ++i) {
        if (split.known.epochs[i] != 0) continue;
        batch.push_back({.store = split.store, .key = split.keys[i], .owner = fence.owner});
        wanted.emplace_back(&commit, &split.known.epochs[i]);
      }
    });
  }
  if (batch.empty()) return;
  backend.acquire(std::span(batch));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& [commit, epoch] = wanted[i];
    if (batch[i].outcome == AcquireRequest::Outcome::taken) {
      *epoch = batch[i].record.fence.epoch;
      continue;
    }
    // What is not known of a piece is known of the commit: it was not sent.
    const bool is_known = failed(batch[i].error) && batch[i].error != Errc::unknown_outcome;
    commit->request->outcome = CommitRequest::Outcome::failed;
    commit->request->error = is_known ? batch[i].error : no_piece();
  }
}

/// Puts the changes of pieces behind those of the sessions.
inline void add_changes(const Prepared& commit) {
  Flight& flight = *commit.flight;
  flight.changes.resize(flight.size());
  std::vector<Change> more;
  commit.each_split([&](Split& split, const Fence& fence) {
    for (std::size_t i = 0; i < split.touched(); ++i) {
      Change& change = more.emplace_back();
      change.store = split.store;
      change.key = split.keys[i];
      change.fence = {split.known.epochs[i], fence.owner, fence.write};
      if (i < split.parts.size())
        change.data = &split.parts[i];
      else
        change.removes_data = true;
    }
  });
  std::move(more.begin(), more.end(), std::back_inserter(flight.changes));
  commit.request->changes = std::span(flight.changes);
}

/// Whether somebody who may not write acquired a piece since; then it is acquired anew.
[[nodiscard]] inline bool lost_a_piece(const Prepared& commit) {
  if (commit.request->outcome != CommitRequest::Outcome::fenced ||
      commit.request->culprit < commit.flight->size())
    return false;
  commit.each_split([](Split& split, const Fence&) { split.known.epochs.clear(); });
  commit.request->outcome = CommitRequest::Outcome::pending;
  commit.request->culprit = 0;
  return true;
}

}  // namespace pieces

/// Empties the pieces that nobody needs: of a record that was erased, or behind the end of one that
/// was written since. A piece is emptied under a fence that is older than what the record was seen
/// to need; whoever needs it from then on acquires it, and the other is refused.
template <class Backend>
[[nodiscard]] Result<void> sweep_pieces(Backend& backend, StoreId pieces_in, const Hash128& name,
                                        StoreId store, std::string_view key, const Owner& owner) {
  constexpr std::size_t at_once = 16;
  std::vector<std::pair<std::size_t, std::string>> full;
  for (std::size_t from = 0, found = 1; found != 0; from += at_once) {
    const auto keys = pieces::keys_of(name, from, at_once);
    std::vector<ReadRequest> batch;
    batch.reserve(keys.size());
    for (const std::string& each : keys)
      batch.push_back({.store = pieces_in, .key = each, .wants_data = false});
    backend.read(std::span(batch));
    found = 0;
    for (std::size_t i = 0; i < at_once; ++i) {
      if (failed(batch[i].error)) return batch[i].error;
      found += batch[i].found ? 1U : 0U;
      if (batch[i].record.has_data) full.emplace_back(from + i, keys[i]);
    }
  }
  if (full.empty()) return success;
  std::vector<AcquireRequest> taken;
  taken.reserve(full.size());
  for (const auto& [index, each] : full)
    taken.push_back({.store = pieces_in, .key = each, .owner = owner});
  backend.acquire(std::span(taken));
  const auto now = pieces::look(backend, store, key, true);
  if (!now && !now.is(Errc::not_found)) return now.error();
  std::size_t needed = 0;
  if (now && codec::chunked::is_split(now->record.data)) {
    const auto stub = codec::chunked::read_stub(now->record.data);
    if (!stub) return stub.error();
    needed = stub->pieces;
  }
  std::vector<Change> changes;
  for (std::size_t i = 0; i < full.size(); ++i) {
    if (failed(taken[i].error)) return taken[i].error;
    if (full[i].first < needed) continue;
    Change& change = changes.emplace_back();
    change.store = pieces_in;
    change.key = full[i].second;
    change.fence = {taken[i].record.fence.epoch, owner, taken[i].record.fence.write + 1};
    change.removes_data = true;
  }
  std::vector<CommitRequest> commits;
  commits.reserve(changes.size());
  for (Change& change : changes)
    commits.push_back({.changes = std::span(&change, 1)});
  if (!commits.empty()) backend.commit(std::span(commits));
  for (const CommitRequest& each : commits)
    if (failed(each.error)) return each.error;
  return success;
}

}  // namespace persist::inline PERSIST_ABI
