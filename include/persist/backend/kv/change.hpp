#pragma once

#include <persist/backend/kv/value.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

// What requests do to a record that lies in one value, apart from how it gets there. The rules are
// those of record/; here they meet.

namespace persist::inline PERSIST_ABI::backend::kv {

inline constexpr RecordLimits usual_limits;

/// Whether the record was erased after that epoch was given out.
[[nodiscard]] inline bool erased_since(const Record& record, std::uint64_t epoch) noexcept {
  return record.erased_epoch > epoch;
}

/// The record as a reader sees it, without receipts and inbox.
inline void fill(Snapshot& to, const Record& from) {
  to.fence = from.head.fence;
  to.version = from.head.version;
  to.has_data = from.has_data;
  to.data = from.data;
  memory::copy_some(from.user_ids, to.user_ids);
  memory::copy_some(from.metadata, to.metadata);
  to.load_count = from.head.load_count;
  to.created = from.head.created;
  to.updated = from.head.updated;
  if (!from.outbox.messages.empty() || !to.outbox.empty()) to.outbox = from.outbox.numbers();
}
/// And as its new holder gets it.
inline void fill_all(Snapshot& to, const Record& from) {
  fill(to, from);
  memory::copy_some(from.receipts, to.receipts);
  to.receipts_forgotten = from.receipts_forgotten;
  memory::copy_some(from.inbox.messages, to.inbox);
}

/// Keeps the data that the change will write over or remove.
inline void keep_older(Record& record, const Change& change, WallTime now) {
  if (change.history == nullptr || !record.has_data || !change.writes_data()) return;
  record.history.push_back({{record.head.version, record.head.updated, now, record.data.size()},
                            std::exchange(record.data, Buffer())});
  retain(record.history, *change.history, now);
}

/// What a change that may be applied does to the record, but for what it sends.
inline void apply(Record& record, const Change& change, const memory::Moment& now) {
  record.exists = true;
  if (takes_first(record.head, change))
    take(record.head, change.fence.owner, Duration::zero(), record.head.fence.epoch + 1, now.now);
  keep_older(record, change, now.wall);
  if (change.data != nullptr) {
    record.data = Buffer(change.data->view());
    record.has_data = true;
  } else if (change.removes_data) {
    record.data = Buffer();
    record.has_data = false;
    record.indexed = Buffer();
  }
  if (change.user_ids != nullptr) record.user_ids = *change.user_ids;
  if (change.indexed != nullptr) record.indexed = Buffer(change.indexed->view());
  if (change.metadata != nullptr) record.metadata = *change.metadata;
  acknowledge(record.inbox, change.acknowledged);
  if (change.forget_receipts != 0) {
    std::erase_if(record.receipts,
                  [&](const Receipt& receipt) { return receipt.day <= change.forget_receipts; });
    record.receipts_forgotten = (std::max)(record.receipts_forgotten, change.forget_receipts);
  }
  record.receipts.insert(record.receipts.end(), change.receipts.begin(), change.receipts.end());
  advance(record.head, change, change.writes_data(), now.now, now.wall);
}

/// What a commit sends waits in its own record, because one write reaches one record; but a message
/// to oneself is there at once. `self` is the hash of the record's key. Says which may be posted
/// behind the commit: those that no earlier message to the same receiver waits in front of.
[[nodiscard]] inline std::vector<Send*> send(Record& record, const Change& change,
                                             std::uint64_t epoch, const Hash128& self,
                                             WallTime now) {
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : usual_limits;
  const Outbox before = record.outbox;
  std::vector<Send*> next;
  for (Send& each : change.sends) {
    if (record.outbox.holds(epoch, each.number)) continue;  // a reply was lost
    const bool is_own = each.store == change.store && each.key == change.key;
    const MessageView& m = each.message;
    if (is_own && !record.outbox.waits_for(each.store, each.key) &&
        receive(record.inbox, {self, epoch, each.number, {}}, m, limits, now).outcome !=
            Reception::Outcome::full)
      continue;
    record.outbox.messages.push_back({each.store, std::string(each.key), epoch, each.number,
                                      std::string(m.type), m.codec, m.priority, m.expires,
                                      Buffer(m.payload)});
    if (!before.waits_for(each.store, each.key)) next.push_back(&each);
  }
  return next;
}

/// What a commit learns, whether it was applied now or before.
inline void answer(const Record& record, Change& change, std::uint64_t epoch, WallTime now) {
  change.version = record.head.version;
  change.epoch = record.head.fence.epoch;
  change.release_requested = record.head.asked();
  change.messages.clear();
  if (record.inbox.last_position > change.seen_position)
    change.messages = newer_than(record.inbox, change.seen_position);
  change.now = now;
  for (Send& each : change.sends)
    each.delivered = !record.outbox.holds(epoch, each.number);
}

/// What is left of a record: that epochs and versions do not go back.
[[nodiscard]] inline Record erased(const Record& record) {
  Record left;
  left.revision = record.revision;
  left.head.fence.epoch = record.head.fence.epoch + 1;
  left.head.version = record.head.version;
  left.erased_epoch = left.head.fence.epoch;
  return left;
}

inline void read_history(const Record& record, ReadRequest& request) {
  const auto& kept = record.history;
  if (request.wants_versions) request.versions.assign(kept.rbegin(), kept.rend());
  const std::uint64_t now = record.has_data ? record.head.version : 0;
  if (request.version == 0 || request.version == now) return;
  const auto older = std::find_if(kept.begin(), kept.end(), [&](const memory::KeptData& each) {
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

}  // namespace persist::inline PERSIST_ABI::backend::kv
