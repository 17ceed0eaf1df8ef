#pragma once

#include <persist/backend/concept.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace test {

/// A backend that fails when the test says so: before it did anything, or after it did all of it
/// and only the reply is lost. Copies share what is planned and what was counted.
template <class Inner>
class FlakyBackend {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = persist::versioned_backend<Inner>;

  struct Fault {
    persist::Errc code;
    bool applied = false;  ///< it was done, and only the reply is lost
  };
  struct Script {
    std::deque<Fault> commits;            ///< one per commit request, in order; then all is well
    std::optional<persist::Errc> data;    ///< how every commit with data fails
    std::deque<Fault> acquires;           ///< one per acquire request
    std::deque<Fault> posts_fail;         ///< one per message
    std::deque<Fault> takes_fail;         ///< one per request that takes messages out of an outbox
    std::function<void()> during_commit;  ///< runs while a batch is out, once
    std::function<void()> during_acquire;
    std::function<void()> during_post;   ///< before it arrives, once
    std::function<void()> before_erase;  ///< before it arrives, once
    std::function<void()> after_erase;   ///< runs when it was done, before its reply, once
    /// Runs before waiting messages are listed, once.
    std::function<void(const persist::RelayRequest&)> before_list;
    std::size_t opens = 0;
    std::size_t commit_batches = 0;
    std::size_t commit_requests = 0;
    std::size_t changes = 0;
    std::size_t acquire_batches = 0;
    std::size_t acquire_requests = 0;
    std::size_t posts = 0;
    std::size_t post_batches = 0;
    std::size_t take_batches = 0;
  };

  explicit FlakyBackend(Inner inner)
      : inner_(std::move(inner)), script_(std::make_shared<Script>()) {}

  [[nodiscard]] Script& script() noexcept { return *script_; }
  /// The next `times` commits fail.
  void fail_commits(persist::Errc code, std::size_t times = 1) {
    script_->commits.insert(script_->commits.end(), times, Fault{code});
  }
  void fail_acquires(persist::Errc code, std::size_t times = 1) {
    script_->acquires.insert(script_->acquires.end(), times, Fault{code});
  }
  /// The next commit is applied, and nobody hears of it.
  void lose_reply() { script_->commits.push_back({persist::Errc::unknown_outcome, true}); }

  [[nodiscard]] bool same_database(const FlakyBackend& other) const noexcept {
    return inner_.same_database(other.inner_);
  }
  [[nodiscard]] persist::Result<void> status() const { return inner_.status(); }
  [[nodiscard]] persist::Owner next_owner(persist::ServerId server) {
    return inner_.next_owner(server);
  }
  void open_store(std::span<persist::OpenStoreRequest> batch) {
    script_->opens += batch.size();
    inner_.open_store(batch);
  }
  void acquire(std::span<persist::AcquireRequest> batch) {
    ++script_->acquire_batches;
    if (const auto meanwhile = std::exchange(script_->during_acquire, nullptr)) meanwhile();
    for (persist::AcquireRequest& request : batch) {
      ++script_->acquire_requests;
      if (!fails(script_->acquires, request)) inner_.acquire(std::span(&request, 1));
    }
  }
  void commit(std::span<persist::CommitRequest> batch) {
    ++script_->commit_batches;
    if (const auto meanwhile = std::exchange(script_->during_commit, nullptr)) meanwhile();
    for (persist::CommitRequest& request : batch) {
      ++script_->commit_requests;
      script_->changes += request.changes.size();
      if (script_->data && has_data(request)) script_->commits.push_front({*script_->data});
      if (!fails(script_->commits, request)) inner_.commit(std::span(&request, 1));
    }
  }
  void read(std::span<persist::ReadRequest> batch) { inner_.read(batch); }
  void post(std::span<persist::PostRequest> batch) {
    ++script_->post_batches;
    if (const auto meanwhile = std::exchange(script_->during_post, nullptr)) meanwhile();
    script_->posts += batch.size();
    for (persist::PostRequest& request : batch)
      if (!fails(script_->posts_fail, request)) inner_.post(std::span(&request, 1));
  }
  void relay(std::span<persist::RelayRequest> batch) {
    script_->take_batches += batch.empty() || batch[0].take_from.empty() ? 0U : 1U;
    if (!batch.empty() && batch[0].take_from.empty())
      if (const auto first = std::exchange(script_->before_list, nullptr)) first(batch[0]);
    for (persist::RelayRequest& request : batch)
      if (request.take_from.empty() || !fails(script_->takes_fail, request))
        inner_.relay(std::span(&request, 1));
  }
  void erase(std::span<persist::EraseRequest> batch) {
    if (const auto first = std::exchange(script_->before_erase, nullptr)) first();
    inner_.erase(batch);
    if (const auto then = std::exchange(script_->after_erase, nullptr)) then();
  }
  void scan(std::span<persist::ScanRequest> batch) { inner_.scan(batch); }
  void read_schemas(std::span<persist::SchemaRequest> batch)
    requires persist::holds_schemas<Inner>
  {
    inner_.read_schemas(batch);
  }
  void query(std::span<persist::IndexRequest> batch)
    requires persist::queries_indexes<Inner>
  {
    inner_.query(batch);
  }
  void watch(persist::StoreId store, std::weak_ptr<persist::WakeQueue> queue)
    requires persist::watched_backend<Inner>
  {
    inner_.watch(store, std::move(queue));
  }

 private:
  static bool has_data(const persist::CommitRequest& request) {
    return std::any_of(request.changes.begin(), request.changes.end(),
                       [](const persist::Change& each) { return each.data != nullptr; });
  }
  template <class Request>
  bool fails(std::deque<Fault>& faults, Request& request) {
    if (faults.empty()) return false;
    const Fault fault = faults.front();
    faults.pop_front();
    if (fault.applied) {
      if constexpr (std::is_same_v<Request, persist::CommitRequest>)
        inner_.commit(std::span(&request, 1));
      else if constexpr (std::is_same_v<Request, persist::AcquireRequest>)
        inner_.acquire(std::span(&request, 1));
      else if constexpr (std::is_same_v<Request, persist::PostRequest>)
        inner_.post(std::span(&request, 1));
      else
        inner_.relay(std::span(&request, 1));
    }
    if constexpr (requires { request.outcome; }) request.outcome = Request::Outcome::failed;
    request.error = persist::Error(fault.code, "the test says so");
    return true;
  }

  Inner inner_;
  std::shared_ptr<Script> script_;
};

}  // namespace test
