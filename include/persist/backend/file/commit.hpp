#pragma once

#include <persist/backend/file/engine.hpp>

#include <algorithm>

// The commit of the engine: judge all, load all that is needed, and only then change anything.

namespace persist::inline PERSIST_ABI::backend::file {

/// Pages of receipts that a record may have before they become one.
inline constexpr std::size_t most_receipt_pages = 16;

template <class Files>
void Engine<Files>::perform(CommitRequest& request) {
  request.outcome = CommitRequest::Outcome::failed;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    const Change& change = request.changes[i];
    request.culprit = i;
    if (!valid(change.store, change.key, request.error)) return;
    for (const Send& send : change.sends) {
      if (!valid(send.store, send.key, request.error)) return;
      size += fits(send.message) ? send.message.payload.size() : largest_batch;
    }
    size += change.data != nullptr ? change.data->size() : 0;
    size += change.metadata != nullptr ? change.metadata->size() : 0;
    size += change.indexed != nullptr ? change.indexed->size() : 0;
    if (size > largest_batch / 2) {
      request.error = Error(Errc::too_large, "a commit of this size fits no batch");
      return;
    }
  }
  const bool any_new = judge_all(request);
  if (!any_new && request.outcome != CommitRequest::Outcome::repeated) return;
  for (Change& change : request.changes) {
    Result<void> ready = any_new ? can_be_read(change) : success;
    if (ready) ready = load_for(change, any_new);
    if (ready) continue;
    request.outcome = CommitRequest::Outcome::failed;
    request.error = ready.error();
    return;
  }
  for (Change& change :
       request.changes)  // one that claims may be new to a record that is not there
    if (stage.find(index_, change.store.index, change.key) == nullptr)
      (void)load_parts(stage.make(index_, change.store.index, change.key), change);
  request.culprit = 0;
  std::vector<Change*> applied;
  for (Change& change : request.changes)
    if (any_new && apply(change)) applied.push_back(&change);
  for (Change* change : applied)
    deliver(*change);
  for (const Change* change : applied)
    stage.bytes += stage.find(index_, change->store.index, change->key)->size();
  for (Change& change : request.changes)
    answer(change);
  if (any_new) {
    request.outcome = CommitRequest::Outcome::applied;
    ++stage.commits;
  }
}

template <class Files>
bool Engine<Files>::judge_all(CommitRequest& request) {
  bool any_new = false;
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Staged* record = stage.find(index_, change.store.index, change.key);
    const Head head =
        record != nullptr ? record->record.head : absent(change.store.index, change.key);
    if (record != nullptr) change.version = head.version;
    const Verdict verdict = judge(head, change, clock_.now(), forgotten_below_);
    if (verdict == Verdict::apply) any_new = true;
    if (verdict == Verdict::fenced || verdict == Verdict::superseded)
      return refuse(request, i, verdict);
  }
  return any_new;
}

template <class Files>
bool Engine<Files>::refuse(CommitRequest& request, std::size_t culprit, Verdict verdict) {
  Change& change = request.changes[culprit];
  request.culprit = culprit;
  request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                               : CommitRequest::Outcome::superseded;
  if (const Staged* record = stage.find(index_, change.store.index, change.key)) {
    change.landed = landed(record->record.head, change);
    change.holder = held_by(record->record.head, clock_.now());
  }
  const Tombstone* left = stage.erased(index_, change.store.index, change.key);
  change.erased = left != nullptr && left->epoch > change.fence.epoch;
  return false;
}

/// Whether the store holds, or is sent, the schema that the new data needs.
template <class Files>
Result<void> Engine<Files>::can_be_read(const Change& change) const {
  if (change.schema == nullptr) return success;
  if (!change.sends_schema && stage.holds(index_, change.store.index, change.schema->id))
    return success;
  Error no = refusal_of_schema(change);
  if (!failed(no) && change.schema->bytes.size() > largest_batch / 4)
    no = Error(Errc::too_large, "a schema of this size fits no batch");
  return failed(no) ? Result<void>(no) : Result<void>(success);
}

/// Gets the epoch that a claim needs, and reads what there is of the record.
template <class Files>
Result<void> Engine<Files>::load_for(Change& change, bool any_new) {
  Staged* const found = stage.find(index_, change.store.index, change.key);
  const Head head = found != nullptr ? found->record.head : absent(change.store.index, change.key);
  if (any_new && takes_first(head, change)) {
    const auto epoch = next_epoch(head.fence.epoch + 1);
    if (!epoch) return no_run_left();
    change.epoch = *epoch;
  }
  return found != nullptr ? load_parts(*found, change) : success;
}

/// Reads all that `apply`, `deliver` and `answer` will need of the record itself. Of one that was
/// not there until now there is nothing that could fail to be read.
template <class Files>
Result<void> Engine<Files>::load_parts(Staged& record, const Change& change) {
  const Extra& extra = record.record.more();
  if (!change.acknowledged.empty() || extra.last_position > change.seen_position ||
      record.inbox_changed)
    if (auto loaded = parts_.inbox(record); !loaded) return loaded;
  if (!change.sends.empty())
    if (auto loaded = parts_.outbox(record); !loaded) return loaded;
  // A list that is damaged is left as it is, for a person to see: no save fails for it.
  if (change.history != nullptr && change.writes_data())
    if (auto loaded = parts_.history(record); !loaded && !loaded.is(Errc::corrupt)) return loaded;
  if (change.forget_receipts != 0 ||
      (!change.receipts.empty() && extra.receipts.size() >= most_receipt_pages)) {
    auto all = parts_.receipts(record);
    if (!all) return all.error();
    record.kept_receipts = std::move(*all);
    record.new_receipts.clear();
  }
  return success;
}

/// Says whether it was new; among changes that are new one may be a repeat.
template <class Files>
bool Engine<Files>::apply(Change& change) {
  Staged& record = stage.make(index_, change.store.index, change.key);
  Head& head = record.record.head;
  if (judge(head, change, clock_.now(), forgotten_below_) != Verdict::apply) return false;
  if (takes_first(head, change))
    take(head, change.fence.owner, Duration::zero(), change.epoch, clock_.now());
  if (change.schema != nullptr && change.sends_schema &&
      !stage.holds(index_, change.store.index, change.schema->id)) {
    stage.new_schemas.push_back({change.store.index, change.schema->id, change.schema->bytes});
    stage.bytes += change.schema->bytes.size();
  }
  if (change.history != nullptr) keep_older(record, change);
  if (change.data != nullptr) {
    record.data = change.data->view();
  } else if (change.removes_data) {
    record.data.reset();
    record.record.data = Place{};
    record.indexed.emplace();
  }
  if (change.user_ids != nullptr) record.user_ids = encode_user_ids(*change.user_ids);
  if (change.indexed != nullptr) record.indexed = *change.indexed;
  if (change.metadata != nullptr) record.metadata = *change.metadata;
  if (!change.acknowledged.empty()) {
    const std::size_t before = record.inbox->messages.size();
    acknowledge(*record.inbox, change.acknowledged);
    record.inbox_changed = record.inbox_changed || record.inbox->messages.size() != before;
  }
  apply_receipts(record, change);
  const bool asked = head.asked();
  const bool wrote = change.data != nullptr || change.removes_data;
  advance(head, change, wrote, clock_.now(), wrote ? clock_.wall() : WallTime{});
  // A renewal writes nothing: at the next open every lease counts as expired anyway.
  if (change.writes() || change.lease == LeaseChange::release) record.writes = true;
  if (asked && change.lease == LeaseChange::release)
    wake(change.store.index, change.key, Hint::freed);
  return true;
}

/// The bytes of the state that is replaced stay where they are.
template <class Files>
void Engine<Files>::keep_older(Staged& record, const Change& change) const {
  if (!record.history || !record.has_data() || !change.writes_data()) return;
  const Head& head = record.record.head;
  KeptPart older{{head.version, head.updated, clock_.wall(), 0}, {}, {}};
  if (record.data)
    older.fresh = *record.data;
  else
    older.place = record.record.data;
  older.bytes = record.data ? record.data->size() : older.place.size;
  record.history->push_back(older);
  retain(*record.history, *change.history, older.until);
  record.history_changed = true;
}

template <class Files>
void Engine<Files>::apply_receipts(Staged& record, const Change& change) {
  if (change.forget_receipts != 0) {
    std::erase_if(*record.kept_receipts,
                  [&](const Receipt& r) { return r.day <= change.forget_receipts; });
    record.forgotten_until = (std::max)(record.receipts_forgotten(), change.forget_receipts);
  }
  record.new_receipts.insert(record.new_receipts.end(), change.receipts.begin(),
                             change.receipts.end());
}

/// Puts what a change sends into its receivers' inboxes. A receiver that is full, or whose inbox is
/// damaged, does not fail the commit: the message waits.
template <class Files>
void Engine<Files>::deliver(Change& change) {
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : usual;
  const Hash128 self = index_.stores[change.store.index].hash(change.key);
  const std::uint64_t epoch =
      stage.make(index_, change.store.index, change.key).record.head.fence.epoch;
  for (Send& send : change.sends) {
    const MessageOrigin origin{self, epoch, send.number, {}};
    Outbox& outbox = *stage.make(index_, change.store.index, change.key).outbox;
    if (outbox.holds(epoch, send.number)) continue;  // a reply was lost
    if (!outbox.waits_for(send.store, send.key)) {
      const auto got = receive_at(send.store.index, send.key, origin, send.message, limits);
      if (got && got->outcome != Reception::Outcome::full) continue;
    }
    const MessageView& m = send.message;
    outbox.messages.push_back({send.store, std::string(send.key), epoch, send.number,
                               std::string(m.type), m.codec, m.priority, m.expires,
                               Buffer(m.payload)});
    stage.make(index_, change.store.index, change.key).outbox_changed = true;
  }
}

/// What a commit learns, whether it was applied now or before.
template <class Files>
void Engine<Files>::answer(Change& change) {
  const Staged& record = stage.make(index_, change.store.index, change.key);
  change.version = record.record.head.version;
  change.epoch = record.record.head.fence.epoch;
  change.release_requested = record.record.head.asked();
  change.messages =
      record.inbox ? newer_than(*record.inbox, change.seen_position) : std::vector<Message>();
  change.now = clock_.wall();
  for (Send& send : change.sends)
    send.delivered = !record.outbox->holds(change.epoch, send.number);
}

}  // namespace persist::inline PERSIST_ABI::backend::file
