#pragma once

#include <persist/backend/concept.hpp>
#include <persist/codec/concept.hpp>
#include <persist/record/key_hash.hpp>

#include <persistctl/profile.hpp>
#include <persistctl/store.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persistctl {

/// What happens to a record that is there already.
enum class OnConflict : std::uint8_t {
  fail,     ///< nothing is imported
  skip,     ///< it stays as it is
  replace,  ///< its data becomes the import's; a live session of it ends. Inbox, outbox, receipts
            ///< stay
};

struct ImportOptions {
  OnConflict on_conflict = OnConflict::fail;
  Result<Profile> (*read)(std::string_view line) = &read_profile;  ///< one of `sources`
  std::string message_type{};  ///< what the game calls the messages; needed where there are any
  /// What all records say of themselves; where it is not given, each what its system says, or 1.
  std::optional<std::uint32_t> schema_version{};
  std::uint16_t codec = persist::codec::packed_id;  ///< of the store that is to read the records
};

/// What may wait in one record: as much as ProfileStore could hold, on top of what waits here.
[[nodiscard]] constexpr persist::RecordLimits import_limits() noexcept {
  persist::RecordLimits limits;
  limits.inbox_messages = 10'000;
  limits.inbox_bytes = std::size_t{16} << 20;
  return limits;
}

/// How far an import came.
struct ImportReport {
  std::size_t imported = 0;  ///< records that were not there
  std::size_t replaced = 0;
  std::size_t messages = 0;           ///< posted now
  std::size_t repeated_messages = 0;  ///< posted by an earlier import
  std::vector<std::string> skipped;   ///< keys
  std::vector<std::string> active;    ///< `key: session` of those that a server still had
};

/// A profile as it is written.
struct ImportItem {
  Profile profile;
  std::string place;  ///< `FILE:LINE`
  Buffer data;        ///< envelope and all
  Buffer metadata;
  std::vector<Buffer> messages;

  persist::HeldBy holder;   ///< once looked up
  persist::Snapshot found;  ///< once acquired

  [[nodiscard]] Error error(const Error& why) const {
    return {why.code(), place + ": " + profile.key + ": " + without_code(why)};
  }
};
using ImportItems = std::vector<ImportItem>;

/// Writes profiles, many in one call to the backend and each in a commit of its own: fence, data,
/// metadata, user ids, times and counts together, under an epoch that this import was given.
///
/// The messages of a record are posted before its commit, under ids that say which they are. So an
/// import that stopped half-way can be run again (with `skip`), and no message is lost or comes
/// twice.
template <persist::record_backend Backend>
class ImportBatch {
 public:
  ImportBatch(Backend& backend, const OpenedStore& store, const ImportOptions& options,
              ImportReport& report)
      : backend_(backend), store_(store), options_(options), report_(report) {}

  /// Writes those that `OnConflict` lets through and counts them. Stops at the first error: of the
  /// items then some may have been written, which a later `skip` finds.
  [[nodiscard]] Result<void> write(ImportItems items) {
    auto chosen = choose(std::move(items));
    if (!chosen) return chosen.error();
    if (auto taken = acquire(*chosen); !taken) return taken;
    if (auto posted = post(*chosen); !posted) return posted;
    return commit(*chosen);
  }

 private:
  [[nodiscard]] Result<ImportItems> choose(ImportItems items);
  [[nodiscard]] Result<void> acquire(ImportItems& items);
  [[nodiscard]] Result<void> post(const ImportItems& items);
  [[nodiscard]] Result<void> commit(ImportItems& items);

  Backend& backend_;
  const OpenedStore& store_;
  const ImportOptions& options_;
  ImportReport& report_;
};

/// Those that are to be written. A record that somebody holds is there, saved or not.
template <persist::record_backend Backend>
Result<ImportItems> ImportBatch<Backend>::choose(ImportItems items) {
  std::vector<persist::ReadRequest> batch;
  for (const ImportItem& item : items)
    batch.push_back({.store = store_.id, .key = item.profile.key, .wants_data = false});
  backend_.read(batch);
  ImportItems chosen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (failed(batch[i].error)) return items[i].error(batch[i].error);
    if (!is_there(batch[i]) || options_.on_conflict == OnConflict::replace) {
      items[i].holder = batch[i].holder;
      chosen.push_back(std::move(items[i]));
    } else if (options_.on_conflict == OnConflict::skip) {
      report_.skipped.push_back(items[i].profile.key);
    } else {
      return items[i].error({Errc::refused, "it was made while the import ran"});
    }
  }
  return chosen;
}

/// Takes every record under a fresh epoch, which ends a session of it elsewhere where it is to be
/// replaced. Nothing is leased: if this process stops, the records are free at once.
template <persist::record_backend Backend>
Result<void> ImportBatch<Backend>::acquire(ImportItems& items) {
  const bool replaces = options_.on_conflict == OnConflict::replace;
  std::vector<persist::AcquireRequest> batch;
  for (const ImportItem& item : items)
    batch.push_back({.store = store_.id,
                     .key = item.profile.key,
                     .owner = backend_.next_owner(persist::ServerId("persistctl")),
                     .intent = replaces ? persist::Intent::steal : persist::Intent::wait,
                     .seen_epoch = item.holder.epoch,
                     .seen_renewals = item.holder.renewals});
  backend_.acquire(batch);
  for (std::size_t i = 0; i < items.size(); ++i) {
    using Outcome = persist::AcquireRequest::Outcome;
    persist::AcquireRequest& request = batch[i];
    if (request.outcome == Outcome::failed) return items[i].error(request.error);
    const bool is_new = request.outcome == Outcome::taken && !request.record.has_data;
    if (request.outcome != Outcome::taken || (!is_new && !replaces))
      return items[i].error({Errc::locked, "a server took it while the import ran: run it again"});
    items[i].found = std::move(request.record);
  }
  return success;
}

template <persist::record_backend Backend>
Result<void> ImportBatch<Backend>::post(const ImportItems& items) {
  constexpr persist::RecordLimits limits = import_limits();
  // Where they come from messages do not expire, and their receivers may stay away for long.
  constexpr WallTime never = std::chrono::sys_days(std::chrono::year(9999) / 12 / 31);
  std::vector<persist::PostRequest> batch;
  std::vector<const ImportItem*> of;
  for (const ImportItem& item : items)
    for (std::size_t i = 0; i < item.messages.size(); ++i) {
      const std::string id =
          "import/" + item.profile.key + "/" + std::to_string(item.profile.messages[i].index);
      batch.push_back(
          {.store = store_.id,
           .key = item.profile.key,
           .origin = {.source = persist::key_hash(store_.birth, id), .first_tried = store_.now},
           .message = {options_.message_type, persist::codec::cbor_id, 0, never, item.messages[i]},
           .limits = &limits});
      of.push_back(&item);
    }
  backend_.post(batch);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (failed(batch[i].error)) return of[i]->error(batch[i].error);
    ++(batch[i].repeated ? report_.repeated_messages : report_.messages);
  }
  return success;
}

template <persist::record_backend Backend>
Result<void> ImportBatch<Backend>::commit(ImportItems& items) {
  std::vector<persist::Change> changes(items.size());
  std::vector<persist::CommitRequest> batch;
  const persist::Buffer in_no_board;  // what was there stands for other data
  for (std::size_t i = 0; i < items.size(); ++i) {
    ImportItem& item = items[i];
    persist::Change& change = changes[i];
    change.indexed = &in_no_board;
    change.store = store_.id;
    change.key = item.profile.key;
    change.fence = {item.found.fence.epoch, item.found.fence.owner, item.found.fence.write + 1};
    change.data = &item.data;
    if (!item.metadata.empty()) change.metadata = &item.metadata;
    if (item.profile.user_ids) change.user_ids = &*item.profile.user_ids;
    change.created = item.profile.created;
    change.load_count = item.profile.load_count.value_or(item.found.load_count);  // no load
    change.lease = persist::LeaseChange::release;
    batch.push_back({.changes = std::span(&change, 1)});
  }
  backend_.commit(batch);
  Result<void> all = success;
  for (std::size_t i = 0; i < items.size(); ++i) {
    using Outcome = persist::CommitRequest::Outcome;
    const ImportItem& item = items[i];
    const Outcome outcome = batch[i].outcome;
    if (outcome != Outcome::applied && outcome != Outcome::repeated) {
      const Error taken(Errc::fenced, "a server took it while the import ran: run it again");
      if (all) all = item.error(outcome == Outcome::failed ? batch[i].error : taken);
      continue;
    }
    ++(item.found.has_data ? report_.replaced : report_.imported);
    if (!item.profile.active_session.empty())
      report_.active.push_back(item.profile.key + ": " + item.profile.active_session);
  }
  return all;
}

}  // namespace persistctl
