#pragma once

#include <persist/backend/concept.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// Records in one backend, their leases, epochs and release requests in another (`lock::External`):
/// for data in a database that is slow to lock in, or has no clock to judge leases by.
///
/// Safety stays where the data is: what was acquired there is claimed here, under the epoch that
/// was given, before it is read, and that claim is the fence. Where the other backend lost its
/// memory it is told how high epochs are, and gives a higher one. An acquisition is two round trips
/// (four where epochs had to be raised), a commit two, the data first: where only its lease could
/// not be renewed or given back it answers `unknown_outcome`, and what is sent again is known.
/// A record whose data was written under a claim, and whose lease somebody else has by now, is
/// asked for at once. Thread rule and durability are those of the two.
template <record_backend Data, record_backend Leases>
class Leased {
 public:
  static constexpr bool is_transactional = transactional_backend<Data>;
  static constexpr bool keeps_history = versioned_backend<Data>;

  Leased(Data data, Leases leases)
      : data_(std::move(data)), leases_(std::move(leases)), known_(std::make_shared<Known>()) {}

  [[nodiscard]] bool same_database(const Leased& other) const noexcept {
    return data_.same_database(other.data_) && leases_.same_database(other.leases_);
  }
  [[nodiscard]] Result<void> status() const {
    Result<void> status = data_.status();
    return status ? leases_.status() : status;
  }
  [[nodiscard]] Owner next_owner(ServerId server) { return data_.next_owner(server); }

  void open_store(std::span<OpenStoreRequest> batch);
  void acquire(std::span<AcquireRequest> batch);
  void commit(std::span<CommitRequest> batch);
  void read(std::span<ReadRequest> batch);
  void erase(std::span<EraseRequest> batch);
  void post(std::span<PostRequest> batch) { data_.post(batch); }
  void relay(std::span<RelayRequest> batch) { data_.relay(batch); }
  void scan(std::span<ScanRequest> batch)
    requires scans_keys<Data>
  {
    data_.scan(batch);
  }
  void read_schemas(std::span<SchemaRequest> batch)
    requires holds_schemas<Data>
  {
    data_.read_schemas(batch);
  }
  void query(std::span<IndexRequest> batch)
    requires queries_indexes<Data>
  {
    data_.query(batch);
  }
  [[nodiscard]] std::size_t largest_data() const
    requires limits_data<Data>
  {
    return data_.largest_data();
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue)
    requires(watched_backend<Data> || watched_backend<Leases>)
  {
    if constexpr (watched_backend<Data>) data_.watch(store, queue);
    if constexpr (watched_backend<Leases>)
      if (const StoreId* leases = leases_of(store)) leases_.watch(*leases, queue);
  }

 private:
  /// Where the leases of a store are, by the number of the store.
  struct Known {
    std::mutex mutex;
    std::map<std::uint32_t, StoreId> leases;
  };
  /// An acquisition on its way: whose, in the caller's batch.
  struct Claims {
    std::vector<AcquireRequest> requests;
    std::vector<std::size_t> of;

    void add(AcquireRequest request, std::size_t place) {
      requests.push_back(std::move(request)), of.push_back(place);
    }
  };
  /// A lease that a commit renews or gives back.
  struct LeaseCommit {
    Change mine;
    Change* of = nullptr;
    CommitRequest* request = nullptr;
  };

  [[nodiscard]] const StoreId* leases_of(StoreId store) const {
    const std::lock_guard hold(known_->mutex);
    const auto found = known_->leases.find(store.index);
    return found == known_->leases.end() ? nullptr : &found->second;
  }
  [[nodiscard]] Claims ask_for_leases(std::span<AcquireRequest> batch);
  [[nodiscard]] Claims too_low(const Claims& claimed);
  void commit_leases(std::vector<LeaseCommit>& commits);
  void take_claimed(std::vector<LeaseCommit>& commits);
  static void settle(const LeaseCommit& commit, const CommitRequest& answer);

  Data data_;
  Leases leases_;
  std::shared_ptr<Known> known_;
};

template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::open_store(std::span<OpenStoreRequest> batch) {
  data_.open_store(batch);
  for (OpenStoreRequest& request : batch) {
    if (request.error.code() != Errc{} || request.lock == LockKind::none) continue;
    const std::string name = std::string(request.name) + "#leases";
    OpenStoreRequest leases;
    leases.name = name;
    leases.lock = request.lock;
    leases_.open_store(std::span(&leases, 1));
    request.error = leases.error;
    const std::lock_guard hold(known_->mutex);
    known_->leases[request.store.index] = leases.store;
  }
}

/// Acquires the leases. What was taken comes back as what is to be claimed; what was not is
/// answered; what has no lease goes to the data as it is.
template <record_backend Data, record_backend Leases>
typename Leased<Data, Leases>::Claims Leased<Data, Leases>::ask_for_leases(
    std::span<AcquireRequest> batch) {
  Claims asked, claims;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const StoreId* leases = leases_of(batch[i].store);
    if (leases == nullptr || batch[i].intent == Intent::look) {
      claims.add(batch[i], i);
      continue;
    }
    asked.add(batch[i], i);
    asked.requests.back().store = *leases;
  }
  leases_.acquire(std::span(asked.requests));
  for (std::size_t i = 0; i < asked.requests.size(); ++i) {
    AcquireRequest& got = asked.requests[i];
    AcquireRequest& request = batch[asked.of[i]];
    request.outcome = got.outcome;
    request.holder = got.holder;
    request.error = got.error;
    if (got.outcome != AcquireRequest::Outcome::taken) continue;
    request.record.fence = got.record.fence;  // all that one who withdraws needs
    if (got.intent == Intent::withdraw) continue;
    AcquireRequest claim = request;
    claim.outcome = AcquireRequest::Outcome::pending;
    claim.intent = Intent::wait;
    claim.claim_epoch = got.record.fence.epoch;
    claims.add(std::move(claim), asked.of[i]);
  }
  return claims;
}

/// Those whose epoch is not above what the data has seen, with a higher one.
template <record_backend Data, record_backend Leases>
typename Leased<Data, Leases>::Claims Leased<Data, Leases>::too_low(const Claims& claimed) {
  Claims again;
  for (std::size_t i = 0; i < claimed.requests.size(); ++i) {
    const AcquireRequest& claim = claimed.requests[i];
    if (claim.claim_epoch == 0 || claim.outcome != AcquireRequest::Outcome::held) continue;
    AcquireRequest higher = claim;
    higher.store = *leases_of(claim.store);
    higher.least_epoch = claim.holder.epoch + 1;
    higher.claim_epoch = 0;
    again.add(std::move(higher), i);
  }
  if (!again.requests.empty()) leases_.acquire(std::span(again.requests));
  return again;
}

template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::acquire(std::span<AcquireRequest> batch) {
  using Outcome = AcquireRequest::Outcome;
  Claims claims = ask_for_leases(batch);
  for (int tries = 0; !claims.requests.empty(); ++tries) {
    data_.acquire(std::span(claims.requests));
    const Claims higher = tries < 3 ? too_low(claims) : Claims{};
    Claims next;
    std::vector<bool> goes_on(claims.requests.size(), false);
    for (std::size_t i = 0; i < higher.requests.size(); ++i) {
      const AcquireRequest& got = higher.requests[i];
      AcquireRequest& claim = claims.requests[higher.of[i]];
      if (got.outcome == Outcome::taken) {
        goes_on[higher.of[i]] = true;
        claim.outcome = Outcome::pending;
        claim.claim_epoch = got.record.fence.epoch;
        next.add(claim, claims.of[higher.of[i]]);
      } else {
        claim.outcome = got.outcome, claim.holder = got.holder, claim.error = got.error;
      }
    }
    for (std::size_t i = 0; i < claims.requests.size(); ++i) {
      if (goes_on[i]) continue;
      AcquireRequest& to = batch[claims.of[i]];
      to.outcome = claims.requests[i].outcome;
      to.record = std::move(claims.requests[i].record);
      to.holder = claims.requests[i].holder;
      to.error = claims.requests[i].error;
    }
    claims = std::move(next);
  }
}

template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::commit(std::span<CommitRequest> batch) {
  std::vector<LeaseCommit> commits;
  for (CommitRequest& request : batch)
    for (Change& change : request.changes)
      if (const StoreId* leases = leases_of(change.store)) {
        Change mine;
        mine.store = *leases, mine.key = change.key, mine.fence = change.fence;
        mine.lease = change.lease, mine.lease_length = change.lease_length;
        commits.push_back({mine, &change, &request});
        change.data_stays = true;  // where the lease cannot be reached the same bytes go again
      }
  data_.commit(batch);
  commit_leases(commits);
}

/// Renews or gives back the leases of what was written, hears who asked for them, and gives back
/// those of what was fenced: nobody is helped by a lease on a record that cannot be written.
template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::commit_leases(std::vector<LeaseCommit>& commits) {
  using Outcome = CommitRequest::Outcome;
  std::erase_if(commits, [](LeaseCommit& each) {
    const Outcome outcome = each.request->outcome;
    const bool is_fenced =
        outcome == Outcome::fenced && each.of == &each.request->changes[each.request->culprit];
    if (is_fenced) each.mine.lease = LeaseChange::release;
    return !is_fenced && outcome != Outcome::applied && outcome != Outcome::repeated;
  });
  if (commits.empty()) return;
  take_claimed(commits);
  std::vector<CommitRequest> requests;
  for (LeaseCommit& each : commits)
    requests.push_back({.changes = std::span(&each.mine, 1)});
  leases_.commit(std::span(requests));
  for (std::size_t i = 0; i < commits.size(); ++i)
    settle(commits[i], requests[i]);
}

/// A change that claimed its record was given an epoch by the data, and takes the lease under it.
template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::take_claimed(std::vector<LeaseCommit>& commits) {
  std::vector<AcquireRequest> claims;
  for (LeaseCommit& each : commits) {
    if (each.of->claims == persist::Claims::nothing || each.of->epoch == 0) continue;
    each.mine.fence.epoch = each.of->epoch;
    AcquireRequest claim{each.mine.store, each.mine.key, each.mine.fence.owner,
                         each.mine.lease_length};
    claim.claim_epoch = each.of->epoch;
    claims.push_back(std::move(claim));
  }
  if (!claims.empty()) leases_.acquire(std::span(claims));
}

template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::settle(const LeaseCommit& commit, const CommitRequest& answer) {
  using Outcome = CommitRequest::Outcome;
  if (commit.request->outcome == Outcome::fenced) return;
  const bool is_known = answer.outcome == Outcome::applied || answer.outcome == Outcome::repeated;
  if (answer.outcome == Outcome::failed) {
    commit.request->outcome = Outcome::failed;
    commit.request->error =
        Error(Errc::unknown_outcome,
              "the data is written; its lease could not be reached: " + answer.error.message());
  } else if (commit.mine.lease != LeaseChange::release) {
    // Somebody else has the lease and will claim the record: what is written so far is ours.
    commit.of->release_requested = !is_known || commit.mine.release_requested;
  }
}

template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::read(std::span<ReadRequest> batch) {
  data_.read(batch);
  for (ReadRequest& request : batch) {
    const StoreId* leases = leases_of(request.store);
    if (leases == nullptr || request.error.code() != Errc{}) continue;
    ReadRequest lease;
    lease.store = *leases, lease.key = request.key, lease.wants_data = false;
    leases_.read(std::span(&lease, 1));
    request.error = lease.error;
    request.held = lease.held;
    if (lease.found) request.holder = lease.holder;
  }
}

template <record_backend Data, record_backend Leases>
void Leased<Data, Leases>::erase(std::span<EraseRequest> batch) {
  data_.erase(batch);
  for (const EraseRequest& request : batch) {
    const StoreId* leases = leases_of(request.store);
    if (leases == nullptr || request.error.code() != Errc{} || !request.found) continue;
    EraseRequest lease;  // where this fails the lease runs out by itself
    lease.store = *leases, lease.key = request.key;
    leases_.erase(std::span(&lease, 1));
  }
}

}  // namespace persist::inline PERSIST_ABI::backend
