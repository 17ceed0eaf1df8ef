#pragma once

#include <persist/backend/kv/change.hpp>
#include <persist/backend/redis/turn.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

// What each request does to the records of a turn. A request may be performed several times, each
// time on what was found then: whatever it answers it answers anew. The rules are those of record/.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A record that a request needs to be performed.
struct Wanted {
  StoreId store{};
  std::string_view key{};
};

[[nodiscard]] inline const RecordLimits& limits_or_usual(const RecordLimits* limits) noexcept {
  return limits != nullptr ? *limits : kv::usual_limits;
}
[[nodiscard]] inline Hash128 source_of(const Cell& cell) noexcept {
  return key_hash(cell.home->birth, cell.key);
}

inline Reception receive_at(Turn& turn, StoreId store, std::string_view key,
                            const MessageOrigin& origin, const MessageView& message,
                            const RecordLimits& limits) {
  Cell& cell = turn.at(store, key);
  Inbox& inbox = cell.record().inbox;
  if (!cell.is_changed) cell.entries_before = entries_of(*cell.home, cell.record());
  const Reception got = receive(inbox, origin, message, limits, turn.moment.wall);
  if (got.outcome != Reception::Outcome::accepted) return got;
  cell.is_changed = true, cell.changed |= bit_of(Part::inbox);
  cell.record().exists = true, cell.record().key = key;
  turn.hint(cell, cell.record().head.fence.owner, Hint::message);
  return got;
}

inline void wanted_by(const AcquireRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
}
inline void perform(AcquireRequest& request, Turn& turn) {
  using Outcome = AcquireRequest::Outcome;
  Cell& cell = turn.at(request.store, request.key);
  Record& record = cell.record();
  const TimePoint now = turn.moment.now;
  request.record = Snapshot{};
  request.record.now = turn.moment.wall;
  if (const bool looks = request.intent == Intent::look;
      !record.exists && (looks || request.intent == Intent::withdraw)) {
    request.outcome = looks ? Outcome::taken : Outcome::held;
    request.record.fence.epoch = record.head.fence.epoch;
    request.record.version = record.head.version;
    return;
  }
  const Claim claimed = claim(record.head, request, now);
  if (claimed == Claim::held) {
    const Owner asker = record.head.asker, holder = record.head.fence.owner;
    if (ask(record.head, request)) turn.hint(cell, holder, Hint::asked);
    request.outcome = Outcome::held;
    request.holder = held_by(record.head, now);
    if (record.head.asker != asker) cell.touch();
    return;
  }
  if (claimed == Claim::fresh) {
    const std::uint64_t next = (std::max)(record.head.fence.epoch + 1, request.least_epoch);
    const std::uint64_t epoch = request.claim_epoch != 0 ? request.claim_epoch : next;
    if (epoch >= epoch_limit) {
      request.outcome = Outcome::failed;
      request.error = Error(Errc::invalid, "epochs stay below 2^53");
      return;
    }
    cell.touch();
    take(record.head, request.owner, request.lease, epoch, now);
    record.exists = true, record.key = request.key;
  }
  request.outcome = Outcome::taken;
  kv::fill_all(request.record, record);
}

inline void wanted_by(const CommitRequest& request, Turn&, std::vector<Wanted>& to) {
  for (const Change& change : request.changes) {
    to.push_back({change.store, change.key});
    for (const Send& send : change.sends)
      to.push_back({send.store, send.key});
  }
}
/// The parts that a change writes, but for what it sends.
[[nodiscard]] inline Parts parts_of(const Change& change) noexcept {
  const auto when = [](bool is, Part part) { return is ? bit_of(part) : Parts{0}; };
  return when(change.writes_data(), Part::data) |
         when(change.writes_data() && change.history != nullptr, Part::history) |
         when(change.user_ids != nullptr, Part::users) |
         when(change.metadata != nullptr, Part::metadata) |
         when(change.indexed != nullptr || change.removes_data, Part::indexed) |
         when(!change.acknowledged.empty(), Part::inbox) |
         when(!change.receipts.empty() || change.forget_receipts != 0, Part::receipts);
}
/// Whether anything is to be applied; marks what is.
inline bool judge_all(CommitRequest& request, Turn& turn, std::vector<bool>& fresh) {
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Record& record = turn.at(change.store, change.key).record();
    const Verdict verdict = judge(record.head, change, turn.moment.now, 0);
    if (record.exists) change.version = record.head.version;
    fresh.push_back(verdict == Verdict::apply);
    if (verdict == Verdict::apply || verdict == Verdict::repeated) continue;
    request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                                 : CommitRequest::Outcome::superseded;
    request.culprit = i;
    if (record.exists) {
      change.landed = landed(record.head, change);
      change.holder = held_by(record.head, turn.moment.now);
    }
    change.erased = kv::erased_since(record, change.fence.epoch);
    return false;
  }
  return true;
}
inline void apply_one(Change& change, Turn& turn) {
  Cell& cell = turn.at(change.store, change.key);
  cell.touch(parts_of(change));
  const Owner asker = cell.record().head.asker;
  kv::apply(cell.record(), change, turn.moment);
  cell.record().key = change.key;
  if (change.lease == LeaseChange::release) turn.hint(cell, asker, Hint::freed);
}
inline void deliver(Change& change, Turn& turn) {
  Cell& sender = turn.at(change.store, change.key);
  const std::uint64_t epoch = sender.record().head.fence.epoch;
  Outbox& outbox = sender.record().outbox;
  for (const Send& send : change.sends) {
    if (outbox.holds(epoch, send.number)) continue;  // a reply was lost
    const MessageView& m = send.message;
    if (!outbox.waits_for(send.store, send.key) &&
        receive_at(turn, send.store, send.key, {source_of(sender), epoch, send.number, {}}, m,
                   limits_or_usual(change.limits))
                .outcome != Reception::Outcome::full)
      continue;
    sender.touch(bit_of(Part::outbox));
    outbox.messages.push_back({send.store, std::string(send.key), epoch, send.number,
                               std::string(m.type), m.codec, m.priority, m.expires,
                               Buffer(m.payload)});
  }
}
/// What an earlier try answered.
inline void forget_answers(CommitRequest& request) {
  for (Change& change : request.changes) {
    change.version = change.epoch = 0;
    change.release_requested = change.erased = change.landed = false;
    change.holder = HeldBy{};
    change.messages.clear();
    for (Send& send : change.sends)
      send.delivered = false;
  }
}
/// `holds(store, id)` says whether the store has that schema.
template <class Holds>
void perform(CommitRequest& request, Turn& turn, Holds holds) {
  forget_answers(request);
  std::vector<bool> fresh;
  if (!judge_all(request, turn, fresh)) return;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const Change& change = request.changes[i];
    if (!fresh[i] || change.schema == nullptr || holds(change.store, change.schema->id)) continue;
    request.error = refusal_of_schema(change);
    if (!failed(request.error)) {
      turn.schemas.push_back(&change);
      continue;
    }
    request.outcome = CommitRequest::Outcome::failed;
    return (void)(request.culprit = i);
  }
  for (std::size_t i = 0; i < fresh.size(); ++i)
    if (fresh[i]) apply_one(request.changes[i], turn);
  for (std::size_t i = 0; i < fresh.size(); ++i)
    if (fresh[i]) deliver(request.changes[i], turn);
  for (Change& change : request.changes) {
    const Record& record = turn.at(change.store, change.key).record();
    kv::answer(record, change, record.head.fence.epoch, turn.moment.wall);
  }
  if (std::find(fresh.begin(), fresh.end(), true) != fresh.end())
    request.outcome = CommitRequest::Outcome::applied;
}

inline void wanted_by(const ReadRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
}
inline void perform(ReadRequest& request, Turn& turn) {
  const Record& record = turn.at(request.store, request.key).record();
  request.record.now = turn.moment.wall;
  request.found = record.exists;
  if (!record.exists) return;
  request.held = record.head.leased_at(turn.moment.now);
  request.holder = held_by(record.head, turn.moment.now);
  request.inbox_messages = record.inbox.messages.size();
  request.inbox_bytes = record.inbox.bytes;
  request.outbox_messages = record.outbox.messages.size();
  kv::fill(request.record, record);
  if (!request.wants_data) request.record.data = Buffer();
  if (request.wants_inbox) request.record.inbox = record.inbox.messages;
  if (request.version != 0 || request.wants_versions) kv::read_history(record, request);
}

inline void wanted_by(const PostRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
}
inline void perform(PostRequest& request, Turn& turn) {
  request.error = Error(Errc{});
  answer_post(request, receive_at(turn, request.store, request.key, request.origin, request.message,
                                  limits_or_usual(request.limits)));
}

/// Of those that take out.
inline void wanted_by(const RelayRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.take_from});
}
inline void perform(RelayRequest& request, Turn& turn) {
  Cell& cell = turn.at(request.store, request.take_from);
  request.now = turn.moment.wall;
  Outbox left = cell.record().outbox;
  left.take_out(request.take);
  if (left.messages.size() == cell.record().outbox.messages.size()) return;
  cell.touch(bit_of(Part::outbox));
  cell.record().outbox = std::move(left);
}

/// And, once it was seen what waits there, who is to have it.
inline void wanted_by(const EraseRequest& request, Turn& turn, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
  if (Cell* const cell = turn.find(request.store, request.key))
    for (const OutgoingMessage& message : cell->record().outbox.messages)
      to.push_back({message.store, message.key});
}
inline void perform(EraseRequest& request, Turn& turn) {
  request.error = Error(Errc{});
  request.sent = request.dropped = 0;
  Cell& cell = turn.at(request.store, request.key);
  request.found = cell.record().exists;
  if (!request.found) return;
  const std::vector<OutgoingMessage> waiting = cell.record().outbox.messages;
  for (const OutgoingMessage& message : waiting) {
    const Reception got = receive_at(turn, message.store, message.key,
                                     {source_of(cell), message.epoch, message.number, {}},
                                     message.view(), limits_or_usual(request.limits));
    const bool sent = got.outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return;
    }
    ++(sent ? request.sent : request.dropped);
    cell.touch(bit_of(Part::outbox));
    std::erase_if(cell.record().outbox.messages, [&](const OutgoingMessage& m) {
      return m.epoch == message.epoch && m.number == message.number;
    });
  }
  cell.touch(all_parts);
  turn.hint(cell, cell.record().head.asker, Hint::freed);
  cell.record() = kv::erased(cell.record());
  request.epoch = cell.record().head.fence.epoch;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
