#pragma once

#include <persist/clock.hpp>
#include <persist/record/requests.hpp>
#include <persist/store/driver.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <queue>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// A renewal that was made while the stores' thread was away.
struct RenewedLease {
  StoreId store{};
  std::string key;
  std::uint64_t number = 0;  ///< of the session
};

/// The leases of sessions for one thread, so that another thread can renew them while that one does
/// not poll. Beside a session's lease lies its own next write number; whoever sends a commit takes
/// one from here, so no number is used twice. Any thread; the lock is held for some comparisons.
///
/// A session is free, or taken: a commit of it is on its way, which may be one that must go again
/// as it is, and no other may come before it. What is renewed here is heard of at the next poll;
/// until then numbers and times here are the newer ones.
class HostLeases {
 public:
  /// `wake` is told when something is to be looked at sooner than was said.
  explicit HostLeases(Wake* wake = nullptr) noexcept : wake_(wake) {}

  /// What the stores' thread says of a session; `ticket` comes back with what is newest.
  void tell(LeaseTicket& ticket, LeaseUse use) {
    const std::lock_guard hold(mutex_);
    auto at = tickets_.find(ticket.fence.owner.session);
    if (use == LeaseUse::over) {
      if (at == tickets_.end()) return;
      at->second.newest(ticket);
      tickets_.erase(at);
      return;
    }
    if (at == tickets_.end()) at = add(ticket);
    at->second.newest(ticket);
    at->second.taken = use == LeaseUse::taken;
  }
  /// What a lane learned of commits and acquisitions, before the stores' thread hears of it.
  void hear(std::span<const CommitRequest> commits, TimePoint sent) {
    const std::lock_guard hold(mutex_);
    for (const CommitRequest& commit : commits)
      for (const Change& change : commit.changes)
        if (Ticket* ticket = find(change.fence.owner)) hear(*ticket, commit, change, sent);
  }
  void hear(std::span<const AcquireRequest> acquires, TimePoint sent, Duration renew) {
    const std::lock_guard hold(mutex_);
    for (const AcquireRequest& each : acquires) {
      const bool holds = each.is_to_be_read() && each.intent != Intent::look;
      if (!holds || each.lease <= Duration::zero() || renew <= Duration::zero()) continue;
      LeaseTicket ticket{each.store, each.key, each.record.fence, each.lease, renew, sent};
      ticket.fence.owner = each.owner;
      if (find(each.owner) == nullptr) add(ticket);
    }
  }

  /// One batch of renewals.
  struct Batch {
    std::vector<std::string> keys;
    std::vector<Change> changes;
    std::vector<CommitRequest> commits;
    TimePoint sent{};
  };
  /// Adds the renewals that are overdue by a quarter of what lies between two, where nobody polled
  /// for as long: those that the stores' thread should have made. Returns when to look again.
  TimePoint collect(TimePoint now, TimePoint polled, Batch& batch);
  /// Takes the replies.
  std::size_t heard(Batch& batch);
  /// What was renewed since this was asked last.
  [[nodiscard]] std::vector<RenewedLease> take_renewed() {
    const std::lock_guard hold(mutex_);
    return std::exchange(renewed_, {});
  }
  [[nodiscard]] std::size_t size() {
    const std::lock_guard hold(mutex_);
    return tickets_.size();
  }

 private:
  struct Ticket {
    StoreId store{};
    std::string key;
    Fence fence{};
    Duration lease{};
    Duration renew{};
    TimePoint renewed{};
    bool taken = false;
    bool over = false;  ///< somebody newer has the record: its session will hear of it

    void newest(LeaseTicket& ticket) {
      fence.write = ticket.fence.write = (std::max)(fence.write, ticket.fence.write);
      renewed = ticket.renewed = (std::max)(renewed, ticket.renewed);
    }
    [[nodiscard]] TimePoint due() const noexcept { return after(renewed, renew + renew / 4); }
  };
  using Tickets = std::unordered_map<std::uint64_t, Ticket>;
  using Due = std::pair<TimePoint, std::uint64_t>;

  [[nodiscard]] Ticket* find(std::uint64_t number) {
    const auto at = tickets_.find(number);
    return at == tickets_.end() ? nullptr : &at->second;
  }
  /// What was spilled by an earlier process has numbers of its own.
  [[nodiscard]] Ticket* find(const Owner& owner) {
    Ticket* const ticket = find(owner.session);
    return ticket != nullptr && ticket->fence.owner == owner ? ticket : nullptr;
  }
  Tickets::iterator add(const LeaseTicket& ticket) {
    const std::uint64_t number = ticket.fence.owner.session;
    const auto at = tickets_
                        .emplace(number, Ticket{ticket.store, std::string(ticket.key), ticket.fence,
                                                ticket.lease, ticket.renew, ticket.renewed})
                        .first;
    due_.emplace(at->second.due(), number);
    if (at->second.due() < planned_ && wake_ != nullptr) wake_->notify();
    return at;
  }
  static void hear(Ticket& ticket, const CommitRequest& commit, const Change& change,
                   TimePoint sent) {
    using Outcome = CommitRequest::Outcome;
    const bool landed = commit.outcome == Outcome::applied || commit.outcome == Outcome::repeated;
    // A release, or several records together, goes again with the same number where its outcome is
    // not known: then nothing may come before it.
    if (change.lease != LeaseChange::renew || (!landed && commit.changes.size() > 1)) return;
    ticket.taken = commit.outcome == Outcome::fenced;
    ticket.fence.write = (std::max)(ticket.fence.write, change.fence.write);
    if (landed && !change.release_requested) ticket.renewed = (std::max)(ticket.renewed, sent);
  }

  std::mutex mutex_;
  Wake* wake_;
  TimePoint planned_ = TimePoint::max();
  Tickets tickets_;  ///< by the number of the session
  /// When to look at a ticket; one that was renewed since is put back. One place a ticket.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<RenewedLease> renewed_;
};

inline TimePoint HostLeases::collect(TimePoint now, TimePoint polled, Batch& batch) {
  const std::lock_guard hold(mutex_);
  batch.sent = now;
  while (!due_.empty() && due_.top().first <= now) {
    const std::uint64_t number = due_.top().second;
    due_.pop();
    Ticket* ticket = find(number);
    if (ticket == nullptr || ticket->over) continue;
    const TimePoint stalled = after(polled, ticket->renew / 4);
    const TimePoint due = (std::max)(ticket->due(), stalled);
    if (!ticket->taken && due <= now) {
      batch.keys.push_back(ticket->key);
      Change& change = batch.changes.emplace_back();
      ++ticket->fence.write;
      change.store = ticket->store;
      change.fence = ticket->fence;
      change.lease = LeaseChange::renew;
      change.lease_length = ticket->lease;
      change.seen_position = (std::numeric_limits<std::uint64_t>::max)();  // messages can wait
    }
    // Where a commit is out, or this one fails, it is looked at again before long.
    due_.emplace(due > now ? due : after(now, ticket->renew / 4), number);
  }
  for (std::size_t i = 0; i < batch.changes.size(); ++i) {
    batch.changes[i].key = batch.keys[i];
    batch.commits.push_back({.changes = std::span(&batch.changes[i], 1)});
  }
  planned_ = due_.empty() ? TimePoint::max() : due_.top().first;
  return planned_;
}

inline std::size_t HostLeases::heard(Batch& batch) {
  using Outcome = CommitRequest::Outcome;
  std::size_t done = 0;
  const std::lock_guard hold(mutex_);
  for (const CommitRequest& commit : batch.commits) {
    const Change& change = commit.changes[0];
    Ticket* ticket = find(change.fence.owner.session);
    if (ticket == nullptr) continue;
    ticket->over = ticket->over || commit.outcome == Outcome::fenced;
    if (commit.outcome != Outcome::applied && commit.outcome != Outcome::repeated) continue;
    if (!change.release_requested) ticket->renewed = (std::max)(ticket->renewed, batch.sent);
    renewed_.push_back({change.store, std::string(change.key), change.fence.owner.session});
    ++done;
  }
  return done;
}

}  // namespace persist::inline PERSIST_ABI
