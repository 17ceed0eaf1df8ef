#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/memory/state.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// Records in this process's memory: for tests, for tools, and as the reference of what every
/// backend does.
///
/// Durability: none; what was saved is gone with the last handle. Every operation takes one lock
/// for the whole batch and copies the bytes it hands out. Scans cost a walk over all keys of the
/// store per page. Memory for indexes as `IndexSets`. Safe to call from any thread.
class Memory {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  /// A new, empty database. `clock` judges its leases and must outlive every handle.
  explicit Memory(Clock& clock = SystemClock::instance())
      : db_(std::make_shared<Database>(clock)) {}

  [[nodiscard]] bool same_database(const Memory& other) const noexcept { return db_ == other.db_; }
  [[nodiscard]] Result<void> status() const { return success; }
  [[nodiscard]] Owner next_owner(ServerId server) {
    const std::lock_guard hold(db_->mutex);
    return {server, db_->nonce, ++db_->sessions};
  }

  void open_store(std::span<OpenStoreRequest> batch) { each(batch, &Memory::open_one); }
  void acquire(std::span<AcquireRequest> batch) { each(batch, &Memory::acquire_one); }
  void commit(std::span<CommitRequest> batch) { each(batch, &Memory::commit_one); }
  void read(std::span<ReadRequest> batch) { each(batch, &Memory::read_one); }
  void post(std::span<PostRequest> batch) { each(batch, &Memory::post_one); }
  void relay(std::span<RelayRequest> batch) { each(batch, &Memory::relay_one); }
  void erase(std::span<EraseRequest> batch) { each(batch, &Memory::erase_one); }
  void scan(std::span<ScanRequest> batch) { each(batch, &Memory::scan_one); }
  void read_schemas(std::span<SchemaRequest> batch) { each(batch, &Memory::read_schema); }
  void query(std::span<IndexRequest> batch) { each(batch, &Memory::query_one); }

  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    const std::lock_guard hold(db_->mutex);
    std::vector<StoreInfo> all;
    for (const StoreState& store : db_->stores)
      all.push_back({store.name, store.lock, store.birth});
    return all;
  }

  using Backup = memory::Backup;
  /// A copy of all that is stored; costs as much memory again.
  [[nodiscard]] Backup backup() const {
    const std::lock_guard hold(db_->mutex);
    return {db_->stores, db_->epochs};
  }
  /// Puts back what was stored then. Who loaded a record since is fenced by its owner; who held it
  /// then may go on writing, so end such sessions first.
  void restore(const Backup& from) {
    const std::lock_guard hold(db_->mutex);
    memory::put_back(*db_, from);
  }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    const std::lock_guard hold(db_->mutex);
    db_->stores[store.index].watchers.push_back(std::move(queue));
  }

 private:
  using Record = memory::Record;
  using StoreState = memory::StoreState;
  using Database = memory::Database;
  using Found = memory::Found;
  using Moment = memory::Moment;

  template <class Request>
  void each(std::span<Request> batch, void (Memory::*one)(Request&)) {
    const std::lock_guard hold(db_->mutex);
    for (Request& request : batch)
      (this->*one)(request);
  }

  [[nodiscard]] StoreState& at(StoreId store) { return db_->stores[store.index]; }
  [[nodiscard]] Record* find(StoreId store, std::string_view key) {
    const auto found = at(store).records.find(key);
    return found == at(store).records.end() ? nullptr : &found->second;
  }
  /// The record of that key, made where there is none: with the version an erased one had.
  [[nodiscard]] Record& make(StoreId store, std::string_view key) {
    if (Record* record = find(store, key)) return *record;
    Record& record = at(store).records.try_emplace(std::string(key)).first->second;
    record.head = at(store).absent(key);
    return record;
  }
  [[nodiscard]] std::uint64_t next_epoch(const Head& head, std::uint64_t least = 0) {
    return db_->epochs = (std::max)({db_->epochs + 1, head.fence.epoch + 1, least});
  }
  void wake(StoreId store, std::string_view key, Hint why) {
    std::erase_if(at(store).watchers, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(key, why);
      return queue == nullptr;
    });
  }

  void open_one(OpenStoreRequest& request) { memory::open(*db_, request); }
  void acquire_one(AcquireRequest& request);
  void commit_one(CommitRequest& request);
  void read_one(ReadRequest& request);
  void post_one(PostRequest& request);
  void relay_one(RelayRequest& request);
  void erase_one(EraseRequest& request);
  void scan_one(ScanRequest& request) { at(request.store).scan(request); }
  void read_schema(SchemaRequest& request) { at(request.store).read(request); }
  void query_one(IndexRequest& request) { at(request.store).indexes.query(request); }

  [[nodiscard]] bool judge_all(CommitRequest& request, std::vector<Found>& found);
  [[nodiscard]] bool can_be_read(CommitRequest& request, const std::vector<Found>& found);
  void apply(Record& record, Change& change, const Moment& moment);
  void deliver(Change& change, Record& sender);
  void answer(const Record& record, Change& change, const Moment& moment);
  Reception receive_at(StoreId store, std::string_view key, const MessageOrigin& origin,
                       const MessageView& message, const RecordLimits& limits);
  void fill(Snapshot& to, const Record& from) const;

  std::shared_ptr<Database> db_;
};

inline void Memory::fill(Snapshot& to, const Record& from) const {
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

inline void Memory::acquire_one(AcquireRequest& request) {
  const TimePoint now = db_->clock.now();
  if (const bool looks = request.intent == Intent::look;
      (looks || request.intent == Intent::withdraw) &&
      find(request.store, request.key) == nullptr) {
    request.outcome = looks ? AcquireRequest::Outcome::taken : AcquireRequest::Outcome::held;
    const Head nothing = at(request.store).absent(request.key);
    request.record.fence.epoch = nothing.fence.epoch;
    request.record.version = nothing.version;
    request.record.now = db_->clock.wall();
    return;
  }
  Record& record = make(request.store, request.key);
  const Claim claimed = claim(record.head, request, now);
  if (claimed == Claim::held) {
    if (ask(record.head, request)) wake(request.store, request.key, Hint::asked);
    request.outcome = AcquireRequest::Outcome::held;
    request.holder = held_by(record.head, now);
    return;
  }
  if (claimed == Claim::fresh) {
    const std::uint64_t epoch = request.claim_epoch != 0
                                    ? request.claim_epoch
                                    : next_epoch(record.head, request.least_epoch);
    take(record.head, request.owner, request.lease, epoch, now);
  }
  request.outcome = AcquireRequest::Outcome::taken;
  fill(request.record, record);
  memory::copy_some(record.receipts, request.record.receipts);
  request.record.receipts_forgotten = record.receipts_forgotten;
  memory::copy_some(record.inbox.messages, request.record.inbox);
  request.record.now = db_->clock.wall();
}

/// Whether anything is to be applied; marks what is.
inline bool Memory::judge_all(CommitRequest& request, std::vector<Found>& found) {
  bool any_new = false;
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Record* record = found[i].record;
    const Verdict verdict = judge(record ? record->head : at(change.store).absent(change.key),
                                  change, db_->clock.now(), 0);
    if (record) change.version = record->head.version;
    found[i].fresh = verdict == Verdict::apply;
    any_new = any_new || found[i].fresh;
    if (verdict == Verdict::apply || verdict == Verdict::repeated) continue;
    request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                                 : CommitRequest::Outcome::superseded;
    request.culprit = i;
    if (record) {
      change.landed = landed(record->head, change);
      change.holder = held_by(record->head, db_->clock.now());
    }
    change.erased = at(change.store).erased_since(change.key, change.fence.epoch);
    return false;
  }
  return any_new;
}

/// Whether the store holds, or is sent, the schemas that the new data needs.
inline bool Memory::can_be_read(CommitRequest& request, const std::vector<Found>& found) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Change& change = request.changes[i];
    if (!found[i].fresh || change.schema == nullptr) continue;
    request.error = at(change.store).refusal_of(change);
    if (!failed(request.error)) continue;
    request.outcome = CommitRequest::Outcome::failed;
    request.culprit = i;
    return false;
  }
  return true;
}

inline void Memory::commit_one(CommitRequest& request) {
  std::vector<Found>& found = db_->found;
  found.clear();
  for (const Change& change : request.changes)
    found.push_back({find(change.store, change.key), false});
  const bool any_new = judge_all(request, found);
  if (!any_new && request.outcome != CommitRequest::Outcome::repeated) return;
  const auto needs_schema = [](const Change& change) { return change.schema != nullptr; };
  if (std::any_of(request.changes.begin(), request.changes.end(), needs_schema) &&
      !can_be_read(request, found))
    return;
  const Moment moment{db_->clock.now(), db_->clock.wall()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].record == nullptr)  // only a change that claims is new to a record that is not
      found[i].record = &make(request.changes[i].store, request.changes[i].key);
    if (found[i].fresh) apply(*found[i].record, request.changes[i], moment);
  }
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].fresh) deliver(request.changes[i], *found[i].record);
  for (std::size_t i = 0; i < found.size(); ++i)
    answer(*found[i].record, request.changes[i], moment);
  if (any_new) request.outcome = CommitRequest::Outcome::applied;
}

/// What a commit learns, whether it was applied now or before.
inline void Memory::answer(const Record& record, Change& change, const Moment& moment) {
  change.version = record.head.version;
  change.epoch = record.head.fence.epoch;
  change.release_requested = record.head.asked();
  change.messages.clear();
  if (record.inbox.last_position > change.seen_position)
    change.messages = newer_than(record.inbox, change.seen_position);
  change.now = moment.wall;
  for (Send& send : change.sends)
    send.delivered = !record.outbox.holds(record.head.fence.epoch, send.number);
}

inline void Memory::apply(Record& record, Change& change, const Moment& moment) {
  if (takes_first(record.head, change))
    take(record.head, change.fence.owner, Duration::zero(), next_epoch(record.head), moment.now);
  if (change.schema != nullptr && change.sends_schema)
    at(change.store).schemas.try_emplace(change.schema->id, change.schema->bytes);
  if (change.history != nullptr) at(change.store).keep_older(record, change, moment.wall);
  if (change.data != nullptr) {
    if (change.data_stays)
      record.data = *change.data;
    else
      record.data.swap(*change.data);
    record.has_data = true;
  } else if (change.removes_data) {
    record.data = Buffer();
    record.has_data = false;
  }
  if (change.user_ids != nullptr) record.user_ids = *change.user_ids;
  if (change.user_ids != nullptr || change.indexed != nullptr || change.removes_data)
    at(change.store).index(change);
  if (change.metadata != nullptr) record.metadata = *change.metadata;
  acknowledge(record.inbox, change.acknowledged);
  if (change.forget_receipts != 0) {
    std::erase_if(record.receipts,
                  [&](const Receipt& r) { return r.day <= change.forget_receipts; });
    record.receipts_forgotten = (std::max)(record.receipts_forgotten, change.forget_receipts);
  }
  if (!change.receipts.empty())
    record.receipts.insert(record.receipts.end(), change.receipts.begin(), change.receipts.end());
  const bool asked = record.head.asked();
  const bool wrote = change.data != nullptr || change.removes_data;
  advance(record.head, change, wrote, moment.now, moment.wall);
  if (asked && change.lease == LeaseChange::release) wake(change.store, change.key, Hint::freed);
}

inline Reception Memory::receive_at(StoreId store, std::string_view key,
                                    const MessageOrigin& origin, const MessageView& message,
                                    const RecordLimits& limits) {
  Record* found = find(store, key);
  Inbox fresh;  // what is refused makes no record
  Inbox& inbox = found != nullptr ? found->inbox : fresh;
  const Reception reception = receive(inbox, origin, message, limits, db_->clock.wall());
  if (reception.outcome != Reception::Outcome::accepted) return reception;
  Record& receiver = found != nullptr ? *found : make(store, key);
  if (found == nullptr) receiver.inbox = std::move(fresh);
  if (!receiver.head.fence.owner.nobody()) wake(store, key, Hint::message);
  return reception;
}

inline void Memory::deliver(Change& change, Record& sender) {
  static constexpr RecordLimits usual;
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : usual;
  const std::uint64_t epoch = sender.head.fence.epoch;
  for (Send& send : change.sends) {
    const MessageOrigin origin{at(change.store).hash(change.key), epoch, send.number, {}};
    if (sender.outbox.holds(epoch, send.number)) continue;  // a reply was lost
    if (!sender.outbox.waits_for(send.store, send.key) &&
        receive_at(send.store, send.key, origin, send.message, limits).outcome !=
            Reception::Outcome::full)
      continue;
    const MessageView& m = send.message;
    sender.outbox.messages.push_back({send.store, std::string(send.key), epoch, send.number,
                                      std::string(m.type), m.codec, m.priority, m.expires,
                                      Buffer(m.payload)});
    at(change.store).relaying.emplace(change.key);
  }
}

inline void Memory::read_one(ReadRequest& request) {
  const Record* record = find(request.store, request.key);
  request.record.now = db_->clock.wall();
  request.found = record != nullptr;
  if (record == nullptr) return;
  const TimePoint now = db_->clock.now();
  request.held = record->head.leased_at(now);
  request.holder = held_by(record->head, now);
  request.inbox_messages = record->inbox.messages.size();
  request.inbox_bytes = record->inbox.bytes;
  request.outbox_messages = record->outbox.messages.size();
  fill(request.record, *record);
  if (!request.wants_data) request.record.data = Buffer();
  if (request.wants_inbox) request.record.inbox = record->inbox.messages;
  if (request.version != 0 || request.wants_versions)
    at(request.store).read_history(*record, request);
}

inline void Memory::post_one(PostRequest& request) {
  static constexpr RecordLimits usual;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  const Reception got =
      receive_at(request.store, request.key, request.origin, request.message, limits);
  answer_post(request, got);
}

inline void Memory::relay_one(RelayRequest& request) {
  StoreState& state = at(request.store);
  request.now = db_->clock.wall();
  if (request.take_from.empty()) {
    for (auto key = state.relaying.upper_bound(request.after);
         key != state.relaying.end() && request.waiting.size() < request.most; ++key)
      request.waiting.push_back({*key, find(request.store, *key)->outbox.messages});
    return;
  }
  Record* record = find(request.store, request.take_from);
  if (record == nullptr) return;
  record->outbox.take_out(request.take);
  if (record->outbox.messages.empty())
    if (const auto key = state.relaying.find(request.take_from); key != state.relaying.end())
      state.relaying.erase(key);
}

inline void Memory::erase_one(EraseRequest& request) {
  static constexpr RecordLimits usual;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  Record* record = find(request.store, request.key);
  request.found = record != nullptr;
  if (record == nullptr) return;
  StoreState& state = at(request.store);
  const Hash128 self = state.hash(request.key);
  auto& waiting = record->outbox.messages;
  while (!waiting.empty()) {
    const OutgoingMessage message = waiting.front();
    const Reception got =
        receive_at(message.store, message.key, {self, message.epoch, message.number, {}},
                   message.view(), limits);
    const bool sent = got.outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return;
    }
    ++(sent ? request.sent : request.dropped);
    waiting.erase(waiting.begin());
  }
  request.epoch = next_epoch(record->head);
  state.tombstones[self] = {request.epoch, record->head.version};
  const bool asked = record->head.asked();
  state.remove(request.key);
  if (asked) wake(request.store, request.key, Hint::freed);
}

}  // namespace persist::inline PERSIST_ABI::backend
