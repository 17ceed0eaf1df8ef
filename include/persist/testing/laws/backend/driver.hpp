#pragma once

#include <persist/backend/concept.hpp>
#include <persist/testing/laws/report.hpp>
#include <persist/testing/manual_clock.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI::testing::laws {

using Outcome = CommitRequest::Outcome;
using Taken = AcquireRequest::Outcome;
inline constexpr Duration minute = std::chrono::minutes(1);

/// One change and the bytes it points to, built step by step.
class Draft {
 public:
  Draft(StoreId store, std::string_view key, const Fence& fence) : key_(key) {
    change_.store = store;
    change_.fence = fence;
  }

  Draft& data(std::string_view text) {
    return bytes_ = Buffer(as_bytes(text)), has_data_ = true, *this;
  }
  Draft& no_data() { return change_.removes_data = true, *this; }
  Draft& metadata(std::string_view text) {
    return metadata_ = Buffer(as_bytes(text)), has_metadata_ = true, *this;
  }
  Draft& users(std::vector<std::uint64_t> ids) {
    return users_ = std::move(ids), has_users_ = true, *this;
  }
  /// An entry in an index, instead of all that the record had before; `in_none` has none.
  Draft& in(std::string_view index, std::int64_t value) {
    append_index_entry(entries_, index, value);
    return has_entries_ = true, *this;
  }
  Draft& in_none() { return has_entries_ = true, *this; }
  Draft& acknowledge(std::uint64_t position) { return acknowledged_.push_back(position), *this; }
  Draft& receipt(std::uint64_t id, std::uint32_t day) {
    return receipts_.push_back({{id, id}, day}), *this;
  }
  Draft& forget_receipts(std::uint32_t day) { return change_.forget_receipts = day, *this; }
  Draft& renew(Duration lease = minute) {
    return change_.lease = LeaseChange::renew, change_.lease_length = lease, *this;
  }
  Draft& release() { return change_.lease = LeaseChange::release, *this; }
  Draft& send(std::string_view key, std::uint64_t number, std::string_view text) {
    return sends_.push_back({change_.store, std::string(key), number, std::string(text)}), *this;
  }
  Draft& seen(std::uint64_t position) { return change_.seen_position = position, *this; }
  Draft& history(const HistoryRule& rule) { return change_.history = &rule, *this; }
  Draft& limits(const RecordLimits& limits) { return change_.limits = &limits, *this; }
  [[nodiscard]] Change& change() { return change_; }

  /// Points the change at its bytes. Whoever moved the draft since binds it again.
  Change& bind() {
    change_.key = key_;
    change_.data = has_data_ ? &bytes_ : nullptr;
    change_.metadata = has_metadata_ ? &metadata_ : nullptr;
    change_.user_ids = has_users_ ? &users_ : nullptr;
    change_.indexed = has_entries_ ? &entries_ : nullptr;
    change_.acknowledged = acknowledged_;
    change_.receipts = receipts_;
    views_.clear();
    for (const Outgoing& send : sends_)
      views_.push_back(
          {send.store, send.key, send.number, {"Gift", 1, 0, {}, as_bytes(send.text)}, false});
    change_.sends = views_;
    return change_;
  }

 private:
  struct Outgoing {
    StoreId store;
    std::string key;
    std::uint64_t number;
    std::string text;
  };
  std::string key_;
  Change change_;
  Buffer bytes_, metadata_, entries_;
  bool has_data_ = false, has_metadata_ = false, has_users_ = false, has_entries_ = false;
  std::vector<std::uint64_t> users_, acknowledged_;
  std::vector<Receipt> receipts_;
  std::vector<Outgoing> sends_;
  std::vector<Send> views_;
};

/// An acquired record as its session knows it.
struct Holding {
  std::string key;
  Fence fence;
};

/// Drives one store of a backend under test, one request at a time.
template <record_backend B>
class Driver {
 public:
  Driver(B& backend, ManualClock& time, Report& to, std::string_view name = "laws",
         LockKind lock = LockKind::lease)
      : db(backend), clock(time), report(to) {
    OpenStoreRequest open{name, lock, {}};
    db.open_store({&open, 1});
    report.that(!failed(open.error), "the store opens");
    store = open.store;
    birth = open.birth;
  }

  [[nodiscard]] Owner somebody() { return db.next_owner(ServerId("eu-1")); }

  AcquireRequest acquire(std::string_view key, const Owner& owner, Intent intent = Intent::wait,
                         Duration lease = minute) {
    AcquireRequest request{store, key, owner, lease, intent};
    db.acquire({&request, 1});
    return request;
  }
  AcquireRequest steal(std::string_view key, const HeldBy& seen) {
    AcquireRequest request{store,         key,        somebody(),   minute,
                           Intent::steal, seen.epoch, seen.renewals};
    db.acquire({&request, 1});
    return request;
  }
  /// Acquires as somebody new and expects to get it; from a holder whose lease has run out, too,
  /// where nobody but who watches can tell.
  Holding take(std::string_view key, Duration lease = minute) {
    AcquireRequest got = acquire(key, somebody(), Intent::wait, lease);
    if (!judges_leases<B> && got.outcome == Taken::held) got = steal(key, got.holder);
    report.that(got.outcome == Taken::taken, "a free record can be acquired");
    return {std::string(key), got.record.fence};
  }
  /// Takes it from whoever has it.
  Holding take_away(std::string_view key) {
    AcquireRequest got = acquire(key, somebody());
    if (got.outcome == Taken::held) got = steal(key, got.holder);
    report.that(got.outcome == Taken::taken, "what was just seen can be stolen");
    return {std::string(key), got.record.fence};
  }

  /// A draft of the session's next commit.
  Draft next(Holding& holding) {
    ++holding.fence.write;
    return {store, holding.key, holding.fence};
  }
  /// A draft with the fence as it stands: the last commit again.
  Draft again(const Holding& holding) { return {store, holding.key, holding.fence}; }

  Outcome commit(Draft& draft) {
    CommitRequest request{{&draft.bind(), 1}};
    db.commit({&request, 1});
    return request.outcome;
  }
  Outcome commit(Draft&& draft) { return commit(draft); }
  /// Saves that text and expects it to be applied.
  void save(Holding& holding, std::string_view text) {
    report.that(commit(next(holding).data(text)) == Outcome::applied, "the holder may save");
  }

  ReadRequest read(std::string_view key) {
    ReadRequest request{store, key};
    db.read({&request, 1});
    return request;
  }
  [[nodiscard]] bool holds_text(std::string_view key, std::string_view text) {
    const ReadRequest now = read(key);
    return now.found && now.record.has_data && as_text(now.record.data) == text;
  }

  PostRequest post(std::string_view key, const MessageOrigin& origin, std::string_view text,
                   const RecordLimits* limits = nullptr) {
    PostRequest request{store, key, origin, {"Gift", 1, 0, {}, as_bytes(text)}, limits};
    db.post({&request, 1});
    return request;
  }
  /// Posts under an id that was first tried now.
  PostRequest post(std::string_view key, std::uint64_t id, std::string_view text,
                   const RecordLimits* limits = nullptr) {
    return post(key, MessageOrigin{{id, 0}, 0, 0, clock.wall()}, text, limits);
  }
  EraseRequest erase(std::string_view key, bool drop_outbox = false,
                     const RecordLimits* limits = nullptr) {
    EraseRequest request{store, key, drop_outbox, limits};
    db.erase({&request, 1});
    return request;
  }
  std::vector<RelayRequest::Waiting> waiting(std::size_t most = 64, std::string_view after = "") {
    RelayRequest request{store, most, after, {}, {}};
    db.relay({&request, 1});
    return std::move(request.waiting);
  }
  void take_out(std::string_view key, std::span<const OutgoingMessage> messages) {
    RelayRequest request{store, 64, {}, key, messages};
    db.relay({&request, 1});
    report.that(!failed(request.error), "what was relayed can be taken out");
  }

  B& db;
  ManualClock& clock;
  Report& report;
  StoreId store;
  Hash128 birth;
};

}  // namespace persist::inline PERSIST_ABI::testing::laws
