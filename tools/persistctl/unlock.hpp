#pragma once

#include <persist/backend/concept.hpp>

#include <persistctl/show.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace persistctl {

struct Unlocked {
  persist::Owner before;    ///< who had the record; nobody if it was free
  std::uint64_t epoch = 0;  ///< under which it was given back
};

/// Takes a record away from whoever has it and gives it back free, under a higher epoch: a session
/// that had it can write no more, wherever it is. Data, counts and messages stay as they are.
///
/// `not_found` if there is no such record; `locked` if its holder renewed meanwhile: try again.
template <persist::record_backend Backend>
[[nodiscard]] Result<Unlocked> unlock_record(Backend& backend, const OpenedStore& store,
                                             std::string_view key) {
  const auto record = read_record(backend, store, key);
  if (!record) return record.error();
  persist::AcquireRequest take{.store = store.id,
                               .key = key,
                               .owner = backend.next_owner(persist::ServerId("persistctl")),
                               .intent = persist::Intent::steal,
                               .seen_epoch = record->holder.epoch,
                               .seen_renewals = record->holder.renewals};
  backend.acquire(std::span(&take, 1));
  if (take.outcome == persist::AcquireRequest::Outcome::failed)
    return Error(take.error).for_key(key);
  if (take.outcome != persist::AcquireRequest::Outcome::taken)
    return Error(Errc::locked, "its holder renewed the lease just now: try again").for_key(key);
  persist::Change change;
  change.store = store.id;
  change.key = key;
  change.fence = {take.record.fence.epoch, take.record.fence.owner, take.record.fence.write + 1};
  change.load_count = take.record.load_count;  // nobody loaded it
  change.lease = persist::LeaseChange::release;
  persist::CommitRequest commit{.changes = std::span(&change, 1)};
  backend.commit(std::span(&commit, 1));
  if (commit.outcome == persist::CommitRequest::Outcome::failed)
    return Error(commit.error).for_key(key);
  if (commit.outcome != persist::CommitRequest::Outcome::applied)
    return Error(Errc::fenced, "somebody took it meanwhile: try again").for_key(key);
  return Unlocked{record->record.fence.owner, change.fence.epoch};
}

}  // namespace persistctl
