#pragma once

#include <persist/backend/forwarded.hpp>
#include <persist/testing/parcel.hpp>
#include <persist/testing/random.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI::testing {

/// How often what goes wrong between a server and its database; in a thousand requests.
struct Faults {
  unsigned refused = 0;   ///< nothing was done: `unavailable`
  unsigned no_reply = 0;  ///< all was done, and nobody hears of it: `unknown_outcome`
  unsigned late = 0;      ///< `unknown_outcome`, and it arrives later, perhaps behind what was sent
                          ///< after it
  unsigned twice = 0;     ///< all is well, and later the same request arrives once more
  unsigned slow = 0;      ///< the clock moves on before it is done, and again before its reply
  unsigned stale = 0;     ///< a read is answered as the one before it on that line was
  unsigned unwatched = 0;                       ///< a store that wants to be woken never is
  Duration latest = std::chrono::minutes(2);    ///< how much later
  Duration slowest = std::chrono::seconds(40);  ///< how long each half takes at most
};

/// Whether a database that has no room left can do it all the same, as `File` can: acquisitions and
/// renewals write nothing there.
[[nodiscard]] inline bool needs_room(const CommitRequest& request) noexcept {
  return std::any_of(request.changes.begin(), request.changes.end(), [](const Change& change) {
    return change.writes() || change.lease == LeaseChange::release;
  });
}
[[nodiscard]] inline bool needs_room(const RelayRequest& request) noexcept {
  return !request.take_from.empty();
}
template <class Request>
[[nodiscard]] constexpr bool needs_room(const Request&) noexcept {
  return std::is_same_v<Request, PostRequest> || std::is_same_v<Request, EraseRequest>;
}

/// What is on its way to a database although nobody waits for it any more.
class Stragglers {
 public:
  Stragglers(Clock& clock, Random random) : clock_(clock), random_(random) {}

  template <class Request, class Backend>
  void add(const Request& request, Backend& to, Duration latest) {
    const TimePoint then = clock_.now() + up_to(latest);
    auto parcel = std::make_shared<Parcel<Request>>(request);
    waiting_.emplace(then, [parcel, to]() mutable { parcel->arrive(to); });
  }
  /// Time passes, and what comes to its time arrives.
  void let_pass(Duration at_most) {
    Wake nobody;
    clock_.wait_until(clock_.now() + up_to(at_most), nobody);
    arrive();
  }
  /// Whatever has come to its time arrives, in that order.
  void arrive() { arrive_until(clock_.now()); }
  void arrive_all() { arrive_until(TimePoint::max()); }
  /// Nothing of it ever arrives.
  void drop_all() noexcept { waiting_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
  [[nodiscard]] Random& random() noexcept { return random_; }

 private:
  [[nodiscard]] Duration up_to(Duration most) {
    const auto millis = std::chrono::floor<std::chrono::milliseconds>(most).count();
    return std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(millis) + 1));
  }
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
template <record_backend Inner>
class Faulty : public backend::Forwarded<Faulty<Inner>, Inner> {
 public:
  Faulty(Inner inner, Stragglers& stragglers, Faults faults = {})
      : backend::Forwarded<Faulty, Inner>(std::move(inner)),
        state_(std::make_shared<State>(State{stragglers, faults})) {}

  void set_faults(Faults faults) noexcept { state_->faults = faults; }
  /// Whether anything gets through at all.
  void cut(bool is_cut) noexcept { state_->is_cut = is_cut; }
  [[nodiscard]] bool is_cut() const noexcept { return state_->is_cut; }
  /// Nothing gets through any more once `step` more requests have; the one after them is the last
  /// to arrive, or the first that does not. For tests that take a server away at every step of
  /// what it does, until it does all of it.
  void die_at(std::uint64_t step, bool last_arrives) noexcept {
    state_->steps_left = step, state_->last_arrives = last_arrives;
  }
  /// Whether the database has no room left: what would write is refused with `io`, as `File` does,
  /// and acquisitions and renewals go on.
  void fill(bool is_full) noexcept { state_->is_full = is_full; }
  /// No reply to a read comes again: the database was put back, and its copies with it.
  void forget_reads() noexcept { state_->reads.clear(); }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue)
    requires watched_backend<Inner>
  {
    if (!state_->stragglers.random().happens(state_->faults.unwatched))
      this->inner_.watch(store, std::move(queue));
  }

 private:
  friend backend::Forwarded<Faulty, Inner>;

  struct State {
    Stragglers& stragglers;
    Faults faults;
    bool is_cut = false;
    bool is_full = false;
    std::uint64_t steps_left = std::numeric_limits<std::uint64_t>::max();
    bool last_arrives = false;
    /// The last reply to each read, by what was asked.
    std::map<std::tuple<std::uint32_t, std::string, bool, bool, std::uint64_t>, ReadRequest>
        reads{};
  };
  template <class Request>
  static constexpr bool changes_something = requires { Parcel<Request>(std::declval<Request>()); };

  template <class Request, class Go>
  void around(backend::Operation, std::span<Request> batch, Go go) {
    for (Request& request : batch)
      one(request, [&] { go(std::span(&request, 1)); });
  }
  template <class Request, class F>
  void one(Request& request, F&& go) {
    if (state_->steps_left-- == 0) {
      state_->is_cut = true;
      if constexpr (changes_something<Request>)
        if (state_->last_arrives) Parcel<Request>(request).arrive(this->inner_);
    }
    if (state_->is_cut) return fail(request, Errc::unavailable);
    const Faults& faults = state_->faults;
    const std::uint64_t dice = state_->stragglers.random().below(1000);
    if (dice < faults.refused) return fail(request, Errc::unavailable);
    if (state_->is_full && needs_room(request)) {
      fail(request, Errc::io);
      request.error = std::move(request.error).with_os(ENOSPC);
      return;
    }
    if constexpr (std::is_same_v<Request, ReadRequest>) {
      return read_one(request, dice < faults.refused + faults.stale);
    }
    if constexpr (changes_something<Request>) {
      const std::uint64_t no_reply = faults.refused + faults.no_reply;
      const std::uint64_t late = no_reply + faults.late;
      if (dice < no_reply) {
        Parcel<Request>(request).arrive(this->inner_);
        return fail(request, Errc::unknown_outcome);
      }
      if (dice < late) {
        state_->stragglers.add(request, this->inner_, faults.latest);
        return fail(request, Errc::unknown_outcome);
      }
      const std::uint64_t twice = late + faults.twice;
      if (dice < twice) state_->stragglers.add(request, this->inner_, faults.latest);
      if (dice >= twice && dice < twice + faults.slow) {
        const Duration slowest = faults.slowest;
        state_->stragglers.let_pass(slowest);
        go();
        return state_->stragglers.let_pass(slowest);
      }
    }
    go();
  }
  void read_one(ReadRequest& request, bool is_stale) {
    const auto asked = std::tuple(request.store.index, std::string(request.key), request.wants_data,
                                  request.wants_versions, request.version);
    const auto before = state_->reads.find(asked);
    if (is_stale && before != state_->reads.end()) {
      const std::string_view key = request.key;
      request = before->second;
      request.key = key;
      return;
    }
    this->inner_.read(std::span(&request, 1));
    if (!failed(request.error)) state_->reads.insert_or_assign(asked, request);
  }
  template <class Request>
  static void fail(Request& request, Errc code) {
    backend::refuse(request, Error(code, "the test's network"));
  }

  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::testing
