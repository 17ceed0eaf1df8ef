#pragma once

#include <persist/record/requests.hpp>

#include <array>

// The state machine of a record without its bytes: who may write, and what an operation does to
// that. Every embedded backend keeps one `Head` a record and decides with these functions; a
// backend on a database says the same in SQL or a script and is held to it by the laws.

namespace persist::inline PERSIST_ABI {

/// An epoch that has ended, and how far its session had written.
struct PastWrite {
  std::uint64_t epoch = 0;
  std::uint64_t nonce = 0;
  std::uint64_t session = 0;
  std::uint64_t write = 0;

  [[nodiscard]] bool belongs_to(const Fence& fence) const noexcept {
    return epoch == fence.epoch && nonce == fence.owner.nonce && session == fence.owner.session;
  }
};

struct Head {
  Fence fence;                      ///< the owner is nobody after a release or an erase
  std::array<PastWrite, 4> past{};  ///< newest first, so the last four epochs when it is free too
  std::uint64_t version = 0;
  std::uint64_t load_count = 0;
  std::uint64_t renewals = 0;
  Duration lease{};  ///< zero: not leased
  TimePoint renewed{};
  WallTime created{};
  WallTime updated{};
  Owner asker;  ///< who asked the holder to let go

  [[nodiscard]] bool asked() const noexcept { return !asker.nobody(); }
  [[nodiscard]] bool leased_at(TimePoint now) const noexcept {
    return !fence.owner.nobody() && lease > Duration::zero() && now < renewed + lease;
  }
};

/// Whether a commit may write.
enum class Verdict : std::uint8_t { apply, repeated, fenced, superseded };

/// Judges one change against the record, before anything is written.
///
/// `forgotten_below` is for a backend that does not write acquisitions: epochs under it were given
/// out by an earlier run, whose unwritten acquisitions are lost. Such an epoch that is higher than
/// the record's is still the newest, because every acquisition since would have got a higher one.
/// Zero where acquisitions are never lost.
[[nodiscard]] inline Verdict judge(const Head& head, const Fence& asked,
                                   std::uint64_t forgotten_below) noexcept {
  if (asked.epoch == head.fence.epoch && asked.owner == head.fence.owner && !asked.owner.nobody()) {
    if (asked.write > head.fence.write) return Verdict::apply;
    return asked.write == head.fence.write ? Verdict::repeated : Verdict::superseded;
  }
  if (asked.epoch > head.fence.epoch && asked.epoch < forgotten_below && !asked.owner.nobody())
    return Verdict::apply;
  // A repeat of the last write of an epoch that ended by that very write: its release.
  const PastWrite& last = head.past[0];
  if (head.fence.owner.nobody() && last.belongs_to(asked) && last.epoch == head.fence.epoch)
    return asked.write == last.write
               ? Verdict::repeated
               : (asked.write < last.write ? Verdict::superseded : Verdict::fenced);
  return Verdict::fenced;
}

/// The same for a change that may claim. One whose earlier try has landed is known by its owner,
/// because a session's number is never given out twice.
[[nodiscard]] inline Verdict judge(const Head& head, const Change& change, TimePoint now,
                                   std::uint64_t forgotten_below) noexcept {
  Fence asked = change.fence;
  if (change.claims == Claims::nothing) return judge(head, asked, forgotten_below);
  const PastWrite& last = head.past[0];
  const bool was_last = last.nonce == asked.owner.nonce && last.session == asked.owner.session;
  if (head.fence.owner == asked.owner || (head.fence.owner.nobody() && was_last)) {
    asked.epoch = head.fence.epoch;
    return judge(head, asked, 0);
  }
  const bool is_as_seen = head.fence.epoch == asked.epoch && head.version == change.seen_version;
  const bool is_free = change.claims == Claims::anyway || !head.leased_at(now);
  return is_as_seen && is_free && !asked.owner.nobody() ? Verdict::apply : Verdict::fenced;
}

/// Whether a change that may be applied takes the record first, under an epoch of its own.
[[nodiscard]] inline bool takes_first(const Head& head, const Change& change) noexcept {
  return change.claims != Claims::nothing && head.fence.owner != change.fence.owner;
}

/// Whether this write of an older session had been applied; "no" may also mean that it is too long
/// ago to know.
[[nodiscard]] inline bool landed(const Head& head, const Fence& asked) noexcept {
  if (asked.epoch == head.fence.epoch && asked.owner == head.fence.owner)
    return asked.write <= head.fence.write;
  for (const PastWrite& past : head.past)
    if (past.belongs_to(asked)) return asked.write <= past.write;
  return false;
}

/// The same for a change that may claim, whose epoch it does not know itself.
[[nodiscard]] inline bool landed(const Head& head, const Change& change) noexcept {
  Fence asked = change.fence;
  if (change.claims != Claims::nothing)
    for (const PastWrite& past : head.past)
      if (past.nonce == asked.owner.nonce && past.session == asked.owner.session)
        asked.epoch = past.epoch;
  return landed(head, asked);
}

[[nodiscard]] inline HeldBy held_by(const Head& head, TimePoint now) {
  const Duration age = now - head.renewed;
  return {head.fence.owner,
          head.fence.epoch,
          head.renewals,
          age,
          head.lease > age ? head.lease - age : Duration::zero(),
          head.asker,
          head.lease};
}

/// Ends the current epoch: its last write number is remembered, nobody owns the record, no request
/// stands.
inline void end_epoch(Head& head) {
  if (!head.fence.owner.nobody()) {
    head.past = {PastWrite{head.fence.epoch, head.fence.owner.nonce, head.fence.owner.session,
                           head.fence.write},
                 head.past[0], head.past[1], head.past[2]};
  }
  head.fence.owner = Owner{};
  head.lease = Duration::zero();
  head.asker = Owner{};
}

/// What an acquire may do.
enum class Claim : std::uint8_t { fresh, again, held, nothing };

[[nodiscard]] inline Claim claim(const Head& head, const AcquireRequest& request,
                                 TimePoint now) noexcept {
  if (request.intent == Intent::look) return Claim::nothing;
  const bool is_own = head.fence.owner == request.owner && !request.owner.nobody();
  if (request.claim_epoch != 0) {
    if (is_own && head.fence.epoch == request.claim_epoch) return Claim::again;
    return head.fence.epoch < request.claim_epoch ? Claim::fresh : Claim::held;
  }
  if (is_own) return head.fence.epoch < request.least_epoch ? Claim::fresh : Claim::again;
  if (request.intent == Intent::withdraw) return Claim::held;
  // The newest asker gets what its holder let run out. Only a retry steps back: who comes anew
  // takes what is free, because that asker may be gone.
  if (request.intent == Intent::keep_request && head.asked() && head.asker != request.owner)
    return Claim::held;
  if (request.intent == Intent::steal && head.fence.epoch == request.seen_epoch &&
      head.renewals == request.seen_renewals)
    return Claim::fresh;
  if (request.reclaims && head.fence.owner.server == request.owner.server &&
      head.fence.owner.nonce != request.owner.nonce)
    return Claim::fresh;
  return head.leased_at(now) ? Claim::held : Claim::fresh;
}

/// Gives the record to that owner under `epoch`, which must be higher than any given before.
inline void take(Head& head, const Owner& owner, Duration lease, std::uint64_t epoch,
                 TimePoint now) {
  end_epoch(head);
  head.fence = {epoch, owner, 0};
  head.lease = lease;
  head.renewed = now;
  ++head.renewals;
}

/// Leaves, keeps or withdraws the request of an acquire that found the record held. Says whether
/// the holder should be woken.
inline bool ask(Head& head, const AcquireRequest& request) {
  if (request.intent == Intent::withdraw && head.asker == request.owner) head.asker = Owner{};
  if (request.intent != Intent::request) return false;
  head.asker = request.owner;
  return true;
}

/// What an applied change does to the head. `wrote_data` says whether the version grows.
inline void advance(Head& head, const Change& change, bool wrote_data, TimePoint now,
                    WallTime wall) {
  // Judged under `forgotten_below`.
  if (change.claims == Claims::nothing && head.fence.epoch != change.fence.epoch) {
    end_epoch(head);
    head.fence.epoch = change.fence.epoch;
    head.fence.owner = change.fence.owner;
    head.fence.write = 0;
  }
  if (change.load_count)
    head.load_count = *change.load_count;
  else if (head.fence.write == 0)
    ++head.load_count;
  head.fence.write = change.fence.write;
  if (wrote_data) {
    ++head.version;
    if (head.created == WallTime{}) head.created = wall;
    head.updated = wall;
  }
  if (change.created) head.created = *change.created;
  // While somebody asks for the record a save does not renew, so that the asker waits one lease at
  // most.
  if (change.lease == LeaseChange::renew && !head.asked()) {
    head.lease = change.lease_length;
    head.renewed = now;
    ++head.renewals;
  }
  if (change.lease == LeaseChange::release) end_epoch(head);
}

}  // namespace persist::inline PERSIST_ABI
