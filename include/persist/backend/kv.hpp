#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/kv/change.hpp>
#include <persist/backend/kv/database.hpp>
#include <persist/backend/kv/header.hpp>
#include <persist/backend/kv/marked.hpp>
#include <persist/backend/kv/memory_map.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

struct KvOptions {
  /// The calendar of a map that has no clock. It dates records and messages, and must outlive every
  /// handle.
  Clock* calendar = nullptr;
  /// Bytes of records that this server holds and remembers, so that a save needs no read.
  std::size_t cache = std::size_t{64} << 20;
};

/// Records in anything that has `get` and `compare_and_swap` (backend/kv/concept.hpp).
///
/// A record is one value: data, mail, receipts and history with its head, so every operation on it
/// is one atomic write, and as durable as the map makes a write. A load is a read and a write, a
/// save one write where this server remembers what it wrote last and a read more where it does not,
/// and either moves the whole value. The requests of a batch go one by one. There are no
/// transactions, and a message to another record is written into its sender first and posted behind
/// that: two writes more, of which the last may be left to the relay.
///
/// Scans, users and indexes are there where the map has `list`; they cost up to two writes more for
/// each entry that a save changes, and a query reads the names of a whole index. Where the map has
/// none, outboxes that a server left full when it died are relayed once somebody loads the record.
/// Where the map has no clock a holder that died is found out by watching it (`judges_leases`).
///
/// Thread rule: any thread.
template <kv::compare_and_swap_map Map>
class Kv {
 public:
  static constexpr bool is_transactional = false;
  static constexpr bool keeps_history = true;
  static constexpr bool judges_leases = kv::has_a_clock<Map>;

  explicit Kv(Map map, KvOptions options = {})
      : db_(std::make_shared<Database>(std::move(map), options.calendar, options.cache)) {}

  [[nodiscard]] bool same_database(const Kv& other) const noexcept { return db_ == other.db_; }
  [[nodiscard]] Result<void> status() const {
    if constexpr (kv::tells_its_status<Map>)
      return db_->map().status();
    else
      return success;
  }
  [[nodiscard]] Owner next_owner(ServerId server) { return db_->next_owner(server); }
  using StoreInfo = persist::StoreInfo;
  /// Of all stores; two round trips each. What cannot be read is left out.
  [[nodiscard]] std::vector<StoreInfo> stores() const
    requires kv::lists_keys<Map>
  {
    return db_->all_stores();
  }
  /// The map, as it was given.
  [[nodiscard]] Map& map() noexcept { return db_->map(); }

  void open_store(std::span<OpenStoreRequest> batch) { each(batch, &Kv::open_one); }
  void acquire(std::span<AcquireRequest> batch) { each(batch, &Kv::acquire_one); }
  void commit(std::span<CommitRequest> batch) { each(batch, &Kv::commit_one); }
  void read(std::span<ReadRequest> batch) { each(batch, &Kv::read_one); }
  void post(std::span<PostRequest> batch) { each(batch, &Kv::post_one); }
  void relay(std::span<RelayRequest> batch) { each(batch, &Kv::relay_one); }
  void erase(std::span<EraseRequest> batch) { each(batch, &Kv::erase_one); }
  void read_schemas(std::span<SchemaRequest> batch) { each(batch, &Kv::read_schema); }
  void scan(std::span<ScanRequest> batch)
    requires kv::lists_keys<Map>
  {
    for (ScanRequest& request : batch)
      kv::scan(*db_, request);
  }
  void query(std::span<IndexRequest> batch)
    requires kv::lists_keys<Map>
  {
    for (IndexRequest& request : batch)
      kv::query(*db_, request);
  }
  /// Half of what the map takes. A quarter is for messages that come, and the rest for what else
  /// belongs to the record.
  [[nodiscard]] std::size_t largest_data() const
    requires kv::limits_values<Map>
  {
    return db_->map().largest_value() / 2;
  }
  /// Of what the stores of this process do; another process wakes nobody here.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    db_->stores().with(store,
                       [&](kv::KnownStore& all) { all.watchers.push_back(std::move(queue)); });
  }

 private:
  using Database = kv::Database<Map>;

  template <class Request>
  void each(std::span<Request> batch, void (Kv::*one)(Request&)) {
    for (Request& request : batch)
      (this->*one)(request);
  }
  void open_one(OpenStoreRequest& request) { kv::open_store(*db_, request); }
  void acquire_one(AcquireRequest& request);
  void commit_one(CommitRequest& request);
  void read_one(ReadRequest& request);
  void post_one(PostRequest& request);
  void relay_one(RelayRequest& request);
  void erase_one(EraseRequest& request);
  void read_schema(SchemaRequest& request) { kv::read_schema(*db_, request); }

  [[nodiscard]] Result<bool> acquire_from(kv::Record& record, AcquireRequest& request);
  [[nodiscard]] Result<bool> judge_one(kv::Record& record, CommitRequest& request,
                                       std::vector<Send*>& next);
  [[nodiscard]] Result<Reception> receive_at(StoreId store, std::string_view key,
                                             const MessageOrigin& origin,
                                             const MessageView& message,
                                             const RecordLimits& limits);
  void deliver(const Change& change, std::span<Send* const> next);
  [[nodiscard]] Result<void> take_out(StoreId store, std::string_view key,
                                      std::span<const OutgoingMessage> messages);
  [[nodiscard]] Result<std::vector<OutgoingMessage>> empty_outbox(EraseRequest& request);
  [[nodiscard]] Hash128 hash(StoreId store, std::string_view key) {
    const auto known = db_->known(store);
    return known ? key_hash(known->birth, key) : Hash128{};
  }

  std::shared_ptr<Database> db_;
};

/// Whether anything changed.
template <kv::compare_and_swap_map Map>
Result<bool> Kv<Map>::acquire_from(kv::Record& record, AcquireRequest& request) {
  using Outcome = AcquireRequest::Outcome;
  const TimePoint now = db_->now();
  request.record.now = db_->wall();
  if (const bool looks = request.intent == Intent::look;
      !record.exists && (looks || request.intent == Intent::withdraw)) {
    request.outcome = looks ? Outcome::taken : Outcome::held;
    request.record.fence.epoch = record.head.fence.epoch;
    request.record.version = record.head.version;
    return false;
  }
  const Claim claimed = claim(record.head, request, now);
  if (claimed == Claim::held) {
    const Owner asker = record.head.asker;
    if (ask(record.head, request)) db_->stores().wake(request.store, request.key, Hint::asked);
    request.outcome = Outcome::held;
    request.holder = held_by(record.head, now);
    return record.head.asker != asker;
  }
  if (claimed == Claim::fresh) {
    const std::uint64_t next = (std::max)(record.head.fence.epoch + 1, request.least_epoch);
    const std::uint64_t epoch = request.claim_epoch != 0 ? request.claim_epoch : next;
    if (epoch >= epoch_limit) return Error(Errc::invalid, "epochs stay below 2^53");
    take(record.head, request.owner, request.lease, epoch, now);
    record.exists = true;
  }
  request.outcome = Outcome::taken;
  kv::fill_all(request.record, record);
  return claimed == Claim::fresh;
}

template <kv::compare_and_swap_map Map>
void Kv<Map>::acquire_one(AcquireRequest& request) {
  const auto done = db_->update(request.store, request.key, Errc::too_large,
                                [&](kv::Record& record) { return acquire_from(record, request); });
  if (done) return;
  request.outcome = AcquireRequest::Outcome::failed;
  request.error = done.error();
}

/// Whether the change applies, and then the record with it. `next` is what may be posted behind it.
template <kv::compare_and_swap_map Map>
Result<bool> Kv<Map>::judge_one(kv::Record& record, CommitRequest& request,
                                std::vector<Send*>& next) {
  next.clear();
  using Outcome = CommitRequest::Outcome;
  Change& change = request.changes[0];
  const memory::Moment now{db_->now(), db_->wall()};
  change.messages.clear();  // of a try that came too late
  for (Send& each : change.sends)
    each.delivered = false;
  const Verdict verdict = judge(record.head, change, now.now, 0);
  change.version = record.exists ? record.head.version : 0;
  if (verdict == Verdict::fenced || verdict == Verdict::superseded) {
    request.outcome = verdict == Verdict::fenced ? Outcome::fenced : Outcome::superseded;
    if (record.exists) {
      change.landed = landed(record.head, change);
      change.holder = held_by(record.head, now.now);
    }
    change.erased = kv::erased_since(record, change.fence.epoch);
    return false;
  }
  std::uint64_t epoch = record.head.fence.epoch;
  if (verdict == Verdict::apply) {
    if (change.schema != nullptr)
      if (const auto readable = kv::hold_schema(*db_, change); !readable) return readable.error();
    const bool was_asked = record.head.asked();
    if (takes_first(record.head, change)) ++epoch;
    kv::apply(record, change, now);
    next = kv::send(record, change, epoch, hash(change.store, change.key), now.wall);
    if (was_asked && change.lease == LeaseChange::release)
      db_->stores().wake(change.store, change.key, Hint::freed);
  }
  kv::answer(record, change, epoch, now.wall);
  request.outcome = verdict == Verdict::apply ? Outcome::applied : Outcome::repeated;
  return verdict == Verdict::apply;
}

template <kv::compare_and_swap_map Map>
void Kv<Map>::commit_one(CommitRequest& request) {
  if (request.changes.empty()) {
    request.outcome = CommitRequest::Outcome::repeated;
    return;
  }
  Result<void> done = Error(Errc::unsupported, "this backend writes one record at a time");
  Change& change = request.changes[0];
  std::vector<Send*> next;
  if (request.changes.size() == 1)
    done = db_->update(change.store, change.key, Errc::too_large,
                       [&](kv::Record& record) { return judge_one(record, request, next); });
  if (!done) {
    request.outcome = CommitRequest::Outcome::failed;
    request.error = done.error();
  } else if (request.outcome == CommitRequest::Outcome::applied && !next.empty()) {
    deliver(change, next);
  }
}

/// Behind the commit: what it sent goes to who is to have it, and out of the outbox. What does not
/// get there waits for a relay, with all behind it to the same receiver.
template <kv::compare_and_swap_map Map>
void Kv<Map>::deliver(const Change& change, std::span<Send* const> next) {
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : kv::usual_limits;
  const Hash128 self = hash(change.store, change.key);
  std::vector<Send*> sent, waits;
  std::vector<OutgoingMessage> taken;
  for (Send* const send : next) {
    const auto is_in_front = [&](const Send* other) {
      return other->store == send->store && other->key == send->key;
    };
    if (std::any_of(waits.begin(), waits.end(), is_in_front)) continue;
    const auto got = receive_at(send->store, send->key, {self, change.epoch, send->number, {}},
                                send->message, limits);
    if (!got || got->outcome == Reception::Outcome::full) {
      waits.push_back(send);
      continue;
    }
    sent.push_back(send);
    OutgoingMessage& out = taken.emplace_back();
    out.epoch = change.epoch, out.number = send->number;
  }
  if (taken.empty() || !take_out(change.store, change.key, taken)) return;
  for (Send* const send : sent)
    send->delivered = true;
}

template <kv::compare_and_swap_map Map>
Result<void> Kv<Map>::take_out(StoreId store, std::string_view key,
                               std::span<const OutgoingMessage> messages) {
  return db_->update(store, key, Errc::too_large, [&](kv::Record& record) -> Result<bool> {
    const std::size_t before = record.outbox.messages.size();
    record.outbox.take_out(messages);
    return record.outbox.messages.size() != before;
  });
}

template <kv::compare_and_swap_map Map>
Result<Reception> Kv<Map>::receive_at(StoreId store, std::string_view key,
                                      const MessageOrigin& origin, const MessageView& message,
                                      const RecordLimits& limits) {
  Reception got;
  bool is_held = false;
  const auto done = db_->update(store, key, Errc::full, [&](kv::Record& record) -> Result<bool> {
    got = receive(record.inbox, origin, message, limits, db_->wall());
    is_held = !record.head.fence.owner.nobody();
    if (got.outcome != Reception::Outcome::accepted) return false;
    if constexpr (kv::limits_values<Map>)
      if (kv::beside_bytes(record) > db_->map().largest_value() / 4) return Error(Errc::full);
    return record.exists = true;
  });
  if (!done && done.error() == Errc::full) return Reception{Reception::Outcome::full, 0};
  if (!done) return done.error();
  if (is_held && got.outcome == Reception::Outcome::accepted)
    db_->stores().wake(store, key, Hint::message);
  return got;
}

template <kv::compare_and_swap_map Map>
void Kv<Map>::post_one(PostRequest& request) {
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : kv::usual_limits;
  const auto got = receive_at(request.store, request.key, request.origin, request.message, limits);
  if (got)
    answer_post(request, *got);
  else
    request.error = got.error();
}

template <kv::compare_and_swap_map Map>
void Kv<Map>::read_one(ReadRequest& request) {
  const auto cell = db_->fetch(request.store, request.key);
  request.record.now = db_->wall();
  if (!cell) {
    request.error = cell.error();
    return;
  }
  const kv::Record& record = cell->record;
  request.found = record.exists;
  if (!record.exists) return;
  const TimePoint now = db_->now();
  request.held = record.head.leased_at(now);
  request.holder = held_by(record.head, now);
  request.inbox_messages = record.inbox.messages.size();
  request.inbox_bytes = record.inbox.bytes;
  request.outbox_messages = record.outbox.messages.size();
  kv::fill(request.record, record);
  if (!request.wants_data) request.record.data = Buffer();
  if (request.wants_inbox) request.record.inbox = record.inbox.messages;
  if (request.version != 0 || request.wants_versions) kv::read_history(record, request);
}

template <kv::compare_and_swap_map Map>
void Kv<Map>::relay_one(RelayRequest& request) {
  request.now = db_->wall();
  if (request.take_from.empty()) return kv::list_waiting(*db_, request);
  if (const auto done = take_out(request.store, request.take_from, request.take); !done)
    request.error = done.error();
}

/// Sends what waits in the record's outbox, counts it, and says what that was. A message may have
/// been sent before.
template <kv::compare_and_swap_map Map>
Result<std::vector<OutgoingMessage>> Kv<Map>::empty_outbox(EraseRequest& request) {
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : kv::usual_limits;
  auto cell = db_->fetch(request.store, request.key);
  if (!cell) return cell.error();
  request.sent = request.dropped = 0;
  const Hash128 self = hash(request.store, request.key);
  for (const OutgoingMessage& m : cell->record.outbox.messages) {
    const auto got = receive_at(m.store, m.key, {self, m.epoch, m.number, {}}, m.view(), limits);
    if (!got && (!request.drop_outbox || may_pass(got.error()))) return got.error();
    const bool sent = got && got->outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox)
      return Error(Errc::full, "a message in the outbox has no room at " + m.key +
                                   "; nothing was erased: try later, or erase with drop_outbox");
    ++(sent ? request.sent : request.dropped);
  }
  return std::move(cell->record.outbox.messages);
}

template <kv::compare_and_swap_map Map>
void Kv<Map>::erase_one(EraseRequest& request) {
  bool has_more = true;
  for (int tries = 0; has_more && tries < kv::most_tries; ++tries) {
    const auto handled = empty_outbox(request);
    if (!handled) {
      request.error = handled.error();
      return;
    }
    const auto erase = [&](kv::Record& record) -> Result<bool> {
      request.found = record.exists;
      Outbox left = record.outbox;
      left.take_out(*handled);
      has_more = !left.messages.empty();  // somebody sent more since
      if (!record.exists || has_more) return false;
      if (record.head.asked()) db_->stores().wake(request.store, request.key, Hint::freed);
      record = kv::erased(record);
      request.epoch = record.head.fence.epoch;
      return true;
    };
    const auto done = db_->update(request.store, request.key, Errc::too_large, erase);
    if (done) continue;
    request.error = done.error();
    return;
  }
  if (has_more)
    request.error = Error(Errc::unavailable, "the record sends messages faster than they leave");
}

}  // namespace persist::inline PERSIST_ABI::backend
