#pragma once

#include <persist/backend/concept.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// A database that is watched: keeps its own account of who took which record last, and says where
/// an answer of `Inner` does not agree with it. It knows nothing of how a backend decides.
///
/// * An epoch is given out once, and each is higher than those before.
/// * A commit is applied only under the newest epoch and its owner, before its release, each once
///   and none behind one with a higher number.
/// * Who has a record is not told that somebody else has it.
///
/// Copies share one account. Stands between the database and everything that may send to it, so
/// that late and repeated requests come by it too. For tests, for one thread.
template <class Inner>
class Witness {
 public:
  static constexpr bool is_transactional = transactional_backend<Inner>;
  static constexpr bool keeps_history = versioned_backend<Inner>;
  static constexpr bool judges_leases = persist::judges_leases<Inner>;

  explicit Witness(Inner inner) : inner_(std::move(inner)), state_(std::make_shared<State>()) {}

  /// What was seen that must not be, in words; the caller may take it.
  [[nodiscard]] std::vector<std::string>& violations() const noexcept { return state_->violations; }
  /// `before` is called with the key of a record that is to be erased, and what it returns when
  /// that is done.
  void on_erase(std::function<std::function<void()>(std::string_view)> before) {
    state_->on_erase = std::move(before);
  }

  /// `taken` is called with the key of a record that somebody has taken, and under which fence.
  void on_take(std::function<void(std::string_view, const Fence&)> taken) {
    state_->on_take = std::move(taken);
  }
  /// Whether that write of that session, or a later one, was applied; whoever has the record now.
  [[nodiscard]] bool has_landed(StoreId store, std::string_view key, const Fence& fence) const {
    const Account* account = find(store, key);
    if (account == nullptr) return false;
    const auto written = account->written.find(fence.owner.session);
    return written != account->written.end() && fence.write <= written->second;
  }
  /// Whether nobody has taken the record since that session did.
  [[nodiscard]] bool is_newest(StoreId store, std::string_view key, const Fence& fence) const {
    const Account* account = find(store, key);
    return account != nullptr && account->fence.epoch == fence.epoch &&
           account->fence.owner == fence.owner;
  }
  /// Whether the record was erased after that epoch had been given out.
  [[nodiscard]] bool was_erased(StoreId store, std::string_view key, const Fence& since) const {
    const Account* account = find(store, key);
    return account != nullptr && account->erased > since.epoch;
  }

  [[nodiscard]] bool same_database(const Witness& other) const noexcept {
    return inner_.same_database(other.inner_);
  }
  [[nodiscard]] Result<void> status() const { return inner_.status(); }
  [[nodiscard]] Owner next_owner(ServerId server) { return inner_.next_owner(server); }
  void open_store(std::span<OpenStoreRequest> batch) { inner_.open_store(batch); }
  void acquire(std::span<AcquireRequest> batch) {
    inner_.acquire(batch);
    for (const AcquireRequest& request : batch)
      if (request.outcome == AcquireRequest::Outcome::taken && request.intent != Intent::look)
        taken(request);
  }
  void commit(std::span<CommitRequest> batch) {
    for (CommitRequest& request : batch) {
      inner_.commit(std::span(&request, 1));
      if (request.outcome == CommitRequest::Outcome::applied)
        for (const Change& change : request.changes)
          applied(change);
      else if (request.outcome == CommitRequest::Outcome::fenced)
        fenced(request.changes[request.culprit]);
    }
  }
  void read(std::span<ReadRequest> batch) { inner_.read(batch); }
  void post(std::span<PostRequest> batch) { inner_.post(batch); }
  void relay(std::span<RelayRequest> batch) { inner_.relay(batch); }
  void erase(std::span<EraseRequest> batch) {
    for (EraseRequest& request : batch) {
      const auto after = state_->on_erase ? state_->on_erase(request.key) : std::function<void()>();
      inner_.erase(std::span(&request, 1));
      if (failed(request.error) || !request.found) continue;
      Account& account = of(request.store, request.key);
      if (request.epoch <= account.fence.epoch)
        say(request.key, "was erased under an epoch that is not higher than its own");
      account.fence = {request.epoch, {}, 0}, account.is_held = false;
      account.erased = request.epoch;
      if (after) after();
    }
  }
  void scan(std::span<ScanRequest> batch)
    requires scans_keys<Inner>
  {
    inner_.scan(batch);
  }
  void read_schemas(std::span<SchemaRequest> batch)
    requires holds_schemas<Inner>
  {
    inner_.read_schemas(batch);
  }
  void query(std::span<IndexRequest> batch)
    requires queries_indexes<Inner>
  {
    inner_.query(batch);
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue)
    requires watched_backend<Inner>
  {
    inner_.watch(store, std::move(queue));
  }

 private:
  /// Of one record: the newest epoch, whose it is, and how far that has written.
  struct Account {
    Fence fence;
    bool is_held = false;
    std::uint64_t erased = 0;                        ///< the epoch that an erase left
    std::map<std::uint64_t, std::uint64_t> written;  ///< the last write of each session
  };
  using Accounts = std::map<std::pair<std::uint32_t, std::string>, Account, std::less<>>;
  struct State {
    Accounts accounts;
    std::vector<std::string> violations;
    std::function<std::function<void()>(std::string_view)> on_erase;
    std::function<void(std::string_view, const Fence&)> on_take;
  };

 public:
  /// A database that can be put back to an earlier state, with what is known of it then.
  struct Backup {
    typename Inner::Backup database;
    Accounts accounts;
  };
  [[nodiscard]] Backup backup() const { return {inner_.backup(), state_->accounts}; }
  void restore(const Backup& from) {
    inner_.restore(from.database);
    state_->accounts = from.accounts;
  }

 private:
  Account& of(StoreId store, std::string_view key) {
    return state_->accounts[{store.index, std::string(key)}];
  }
  const Account* find(StoreId store, std::string_view key) const {
    const auto found = state_->accounts.find({store.index, std::string(key)});
    return found == state_->accounts.end() ? nullptr : &found->second;
  }
  void say(std::string_view key, const std::string& what) {
    state_->violations.push_back(std::string(key) + " " + what);
  }
  static std::string words(const Fence& fence) {
    return "epoch " + std::to_string(fence.epoch) + " of session " +
           std::to_string(fence.owner.session) + ", write " + std::to_string(fence.write);
  }

  void taken(const AcquireRequest& request) {
    Account& account = of(request.store, request.key);
    const Fence& fence = request.record.fence;
    const bool is_again =
        account.is_held && account.fence.epoch == fence.epoch && account.fence.owner == fence.owner;
    if (is_again) return;
    if (fence.epoch <= account.fence.epoch)
      say(request.key, "was given out under " + words(fence) + ", after " + words(account.fence));
    given(request.key, account, fence);
  }
  void given(std::string_view key, Account& account, const Fence& fence) {
    account.fence = fence, account.is_held = true;
    if (state_->on_take) state_->on_take(key, fence);
  }
  void applied(const Change& change) {
    Account& account = of(change.store, change.key);
    const Fence& now = account.fence;
    if (change.claims != Claims::nothing) return claimed(change, account);
    if (!account.is_held || change.fence.epoch != now.epoch || change.fence.owner != now.owner)
      say(change.key, "was written under " + words(change.fence) + ", after " + words(now) +
                          (account.is_held ? "" : " had let it go"));
    else if (change.fence.write <= now.write)
      say(change.key, "was written under " + words(change.fence) + ", behind " + words(now));
    account.fence.write = change.fence.write;
    account.written[change.fence.owner.session] = change.fence.write;
    if (change.lease == LeaseChange::release) account.is_held = false;
  }
  /// A change that takes the record itself, if that is as it was seen.
  void claimed(const Change& change, Account& account) {
    const bool is_again = account.is_held && change.fence.owner == account.fence.owner;
    if (is_again ? change.epoch != account.fence.epoch || change.fence.write < account.fence.write
                 : change.fence.epoch != account.fence.epoch || change.epoch <= change.fence.epoch)
      say(change.key,
          "was claimed under " + words(change.fence) + ", after " + words(account.fence));
    account.written[change.fence.owner.session] = change.fence.write;
    const Fence fence{change.epoch, change.fence.owner, change.fence.write};
    if (is_again)
      account.fence = fence;
    else
      given(change.key, account, fence);
    account.is_held = change.lease != LeaseChange::release;
  }
  void fenced(const Change& change) {
    const Account& account = of(change.store, change.key);
    if (account.is_held && change.fence.epoch == account.fence.epoch &&
        change.fence.owner == account.fence.owner)
      say(change.key, "was refused to who has it: " + words(change.fence));
  }

  Inner inner_;
  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::testing
