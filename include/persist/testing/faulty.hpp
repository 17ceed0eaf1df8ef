#pragma once

#include <persist/backend/concept.hpp>
#include <persist/testing/parcel.hpp>
#include <persist/testing/random.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>

namespace persist::inline PERSIST_ABI::testing {

/// How often what goes wrong between a server and its database; in a thousand requests.
struct Faults {
  unsigned refused = 0;   ///< nothing was done: `unavailable`
  unsigned no_reply = 0;  ///< all was done, and nobody hears of it: `unknown_outcome`
  unsigned late = 0;      ///< `unknown_outcome`, and it arrives later, perhaps behind what was sent
                          ///< after it
  unsigned twice = 0;     ///< all is well, and later the same request arrives once more
  Duration latest = std::chrono::minutes(2);  ///< how much later
};

/// What is on its way to a database although nobody waits for it any more.
class Stragglers {
 public:
  Stragglers(Clock& clock, Random random) : clock_(clock), random_(random) {}

  template <class Request, class Backend>
  void add(const Request& request, Backend& to, Duration latest) {
    const auto millis = std::chrono::floor<std::chrono::milliseconds>(latest).count();
    const Duration delay =
        std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(millis) + 1));
    auto parcel = std::make_shared<Parcel<Request>>(request);
    waiting_.emplace(clock_.now() + delay, [parcel, to]() mutable { parcel->arrive(to); });
  }
  /// Whatever has come to its time arrives, in that order.
  void arrive() { arrive_until(clock_.now()); }
  void arrive_all() { arrive_until(TimePoint::max()); }
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
  [[nodiscard]] Random& random() noexcept { return random_; }

 private:
  void arrive_until(TimePoint now) {
    while (!waiting_.empty() && waiting_.begin()->first <= now)
      waiting_.extract(waiting_.begin()).mapped()();
  }

  Clock& clock_;
  Random random_;
  std::multimap<TimePoint, std::function<void()>> waiting_;  ///< by when it arrives
};

/// A server's connection to its database, on which things go wrong as the seed has it: copies share
/// one connection; another server's is made of the same `Inner` anew. For tests.
///
/// Requests of a batch meet their faults one by one, and reach `Inner` one by one. For one thread.
template <class Inner>
class Faulty {
 public:
  static constexpr bool is_transactional = transactional_backend<Inner>;

  Faulty(Inner inner, Stragglers& stragglers, Faults faults = {})
      : inner_(std::move(inner)), state_(std::make_shared<State>(State{stragglers, faults})) {}

  void set_faults(Faults faults) noexcept { state_->faults = faults; }
  /// Whether anything gets through at all.
  void cut(bool is_cut) noexcept { state_->is_cut = is_cut; }
  [[nodiscard]] bool is_cut() const noexcept { return state_->is_cut; }

  [[nodiscard]] bool same_database(const Faulty& other) const noexcept {
    return inner_.same_database(other.inner_);
  }
  [[nodiscard]] Result<void> status() const { return inner_.status(); }
  [[nodiscard]] Owner next_owner(ServerId server) { return inner_.next_owner(server); }
  void open_store(std::span<OpenStoreRequest> batch) { each(batch, &Inner::open_store); }
  void acquire(std::span<AcquireRequest> batch) { each(batch, &Inner::acquire); }
  void commit(std::span<CommitRequest> batch) { each(batch, &Inner::commit); }
  void read(std::span<ReadRequest> batch) { each(batch, &Inner::read); }
  void post(std::span<PostRequest> batch) { each(batch, &Inner::post); }
  void relay(std::span<RelayRequest> batch) { each(batch, &Inner::relay); }
  void erase(std::span<EraseRequest> batch) { each(batch, &Inner::erase); }
  void scan(std::span<ScanRequest> batch) { each(batch, &Inner::scan); }
  void read_schemas(std::span<SchemaRequest> batch)
    requires holds_schemas<Inner>
  {
    each(batch, &Inner::read_schemas);
  }

 private:
  struct State {
    Stragglers& stragglers;
    Faults faults;
    bool is_cut = false;
  };
  template <class Request>
  static constexpr bool changes_something = requires { Parcel<Request>(std::declval<Request>()); };

  template <class Request>
  void each(std::span<Request> batch, void (Inner::*operation)(std::span<Request>)) {
    for (Request& request : batch)
      one(request, [&] { (inner_.*operation)(std::span(&request, 1)); });
  }
  template <class Request, class F>
  void one(Request& request, F&& go) {
    if (state_->is_cut) return fail(request, Errc::unavailable);
    const Faults& faults = state_->faults;
    const std::uint64_t dice = state_->stragglers.random().below(1000);
    if (dice < faults.refused) return fail(request, Errc::unavailable);
    if constexpr (changes_something<Request>) {
      const std::uint64_t no_reply = faults.refused + faults.no_reply;
      const std::uint64_t late = no_reply + faults.late;
      if (dice < no_reply) {
        Parcel<Request>(request).arrive(inner_);
        return fail(request, Errc::unknown_outcome);
      }
      if (dice < late) {
        state_->stragglers.add(request, inner_, faults.latest);
        return fail(request, Errc::unknown_outcome);
      }
      if (dice < late + faults.twice) state_->stragglers.add(request, inner_, faults.latest);
    }
    go();
  }
  /// Nothing of a reply has been written into the request, and it still has all that it brought.
  template <class Request>
  static void fail(Request& request, Errc code) {
    if constexpr (requires { request.outcome; }) request.outcome = Request::Outcome::failed;
    request.error = Error(code, "the test's network");
  }

  Inner inner_;
  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::testing
