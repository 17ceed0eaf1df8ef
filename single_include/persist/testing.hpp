// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "persist.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// What was counted, in the text format that Prometheus scrapes. Labels are escaped as the format
// asks. What is written are the numbers of one moment, so any thread may write them. Source: the
// Prometheus text exposition format, version 0.0.4.

namespace persist::inline PERSIST_ABI::observe {

namespace detail {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

inline void write_line(std::ostream& to, std::string_view name, std::string_view end, Labels labels,
                       std::string_view value) {
  to << "persist_" << name << end;
  char before = '{';
  for (const auto& [label, text] : labels) {
    to << std::exchange(before, ',') << label << "=\"";
    for (const char each : text) {
      if (each == '\n')
        to << "\\n";
      else if (each == '"' || each == '\\')
        to << '\\' << each;
      else
        to << each;
    }
    to << '"';
  }
  to << "} " << value << '\n';
}
/// A time in seconds, as far as microseconds go.
[[nodiscard]] inline std::string seconds(Duration time) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(time).count();
  const std::string digits = std::to_string(micros % 1'000'000);
  return std::to_string(micros / 1'000'000) + '.' + std::string(6 - digits.size(), '0') + digits;
}

}  // namespace detail

/// Writes what a store has counted (`store.metrics()`), one counter a line:
///
///     persist_saves_total{store="PlayerData",server="eu-1"} 12
inline void write_metrics(std::ostream& to, const Metrics& metrics, std::string_view store,
                          std::string_view server) {
  schema::for_each_field(metrics, [&](std::string_view name, std::uint64_t value) {
    detail::write_line(to, name, "_total", {{"store", store}, {"server", server}},
                       std::to_string(value));
  });
}

/// Writes what a `backend::Metered` has counted (`backend.metrics()`), for each operation that was
/// asked of it: requests, those that failed, and a histogram of the seconds that batches took:
///
///     persist_backend_requests_total{backend="main",operation="commit"} 12
///     persist_backend_failed_total{backend="main",operation="commit"} 0
///     persist_backend_seconds_bucket{backend="main",operation="commit",le="0.000512"} 3
inline void write_metrics(std::ostream& to, const backend::BackendMetrics& metrics,
                          std::string_view backend) {
  for (std::size_t i = 0; i < backend::operations; ++i) {
    const backend::OperationMetrics& of = metrics.all[i];
    if (of.batches == 0) continue;
    const std::string_view operation = backend::name(static_cast<backend::Operation>(i));
    const auto line = [&](std::string_view name, std::string_view end, const std::string& value) {
      detail::write_line(to, name, end, {{"backend", backend}, {"operation", operation}}, value);
    };
    line("backend_requests", "_total", std::to_string(of.requests));
    line("backend_failed", "_total", std::to_string(of.failed));
    std::uint64_t up_to = 0;
    for (std::size_t c = 0; c < of.latency.counts.size(); ++c) {
      up_to += of.latency.counts[c];
      const bool is_last = c + 1 == of.latency.counts.size();
      const std::string limit = is_last ? "+Inf" : detail::seconds(of.latency.limit(c));
      detail::write_line(to, "backend_seconds", "_bucket",
                         {{"backend", backend}, {"operation", operation}, {"le", limit}},
                         std::to_string(up_to));
    }
    line("backend_seconds", "_sum", detail::seconds(of.latency.total));
    line("backend_seconds", "_count", std::to_string(up_to));
  }
}

}  // namespace persist::inline PERSIST_ABI::observe

namespace persist::inline PERSIST_ABI::testing {

/// A request that outlives who sent it: all that it refers to is its own.
template <class Request>
class Parcel;

template <>
class Parcel<CommitRequest> {
 public:
  explicit Parcel(const CommitRequest& from) : changes_(from.changes.begin(), from.changes.end()) {
    for (Change& change : changes_)
      keep(change);
  }
  template <class Backend>
  void arrive(Backend& backend) {
    CommitRequest request{.changes = changes_};
    backend.commit(std::span(&request, 1));
  }

 private:
  /// A deque leaves what is in it where it is.
  struct Kept {
    std::deque<std::string> texts;
    std::deque<Buffer> buffers;
    std::deque<std::vector<std::uint64_t>> numbers;
    std::deque<std::vector<Send>> sends;
    std::deque<std::vector<Receipt>> receipts;
    std::deque<RecordLimits> limits;
    std::deque<HistoryRule> rules;
  };
  std::string_view text(std::string_view from) { return kept_->texts.emplace_back(from); }
  ByteView bytes(ByteView from) { return kept_->buffers.emplace_back(from).view(); }
  template <class T>
  static std::vector<T>& all(std::deque<std::vector<T>>& in, std::span<const T> from) {
    return in.emplace_back(from.begin(), from.end());
  }
  void keep(Change& change) {
    change.key = text(change.key);
    if (change.data != nullptr) change.data = &kept_->buffers.emplace_back(change.data->view());
    if (change.user_ids != nullptr)
      change.user_ids = &kept_->numbers.emplace_back(*change.user_ids);
    if (change.metadata != nullptr)
      change.metadata = &kept_->buffers.emplace_back(change.metadata->view());
    if (change.indexed != nullptr)
      change.indexed = &kept_->buffers.emplace_back(change.indexed->view());
    change.acknowledged = all(kept_->numbers, change.acknowledged);
    change.receipts = all(kept_->receipts, change.receipts);
    change.sends = all(kept_->sends, std::span<const Send>(change.sends));
    for (Send& send : change.sends) {
      send.key = text(send.key);
      send.message.type = text(send.message.type);
      send.message.payload = bytes(send.message.payload);
    }
    if (change.limits != nullptr) change.limits = &kept_->limits.emplace_back(*change.limits);
    if (change.history != nullptr) change.history = &kept_->rules.emplace_back(*change.history);
  }

  std::vector<Change> changes_;
  std::unique_ptr<Kept> kept_ = std::make_unique<Kept>();
};

template <>
class Parcel<AcquireRequest> {
 public:
  explicit Parcel(const AcquireRequest& from) : request_(from), key_(from.key) {}
  template <class Backend>
  void arrive(Backend& backend) {
    request_.key = key_;
    backend.acquire(std::span(&request_, 1));
  }

 private:
  AcquireRequest request_;
  std::string key_;
};

template <>
class Parcel<PostRequest> {
 public:
  explicit Parcel(const PostRequest& from)
      : request_(from), key_(from.key), type_(from.message.type), payload_(from.message.payload) {
    if (from.limits != nullptr) limits_ = *from.limits;
  }
  template <class Backend>
  void arrive(Backend& backend) {
    request_.key = key_;
    request_.message.type = type_;
    request_.message.payload = payload_;
    request_.limits = limits_ ? &*limits_ : nullptr;
    backend.post(std::span(&request_, 1));
  }

 private:
  PostRequest request_;
  std::string key_, type_;
  Buffer payload_;
  std::optional<RecordLimits> limits_;
};

template <>
class Parcel<RelayRequest> {
 public:
  explicit Parcel(const RelayRequest& from)
      : request_(from),
        after_(from.after),
        from_(from.take_from),
        take_(from.take.begin(), from.take.end()) {}
  template <class Backend>
  void arrive(Backend& backend) {
    request_.after = after_, request_.take_from = from_, request_.take = take_;
    backend.relay(std::span(&request_, 1));
  }

 private:
  RelayRequest request_;
  std::string after_, from_;
  std::vector<OutgoingMessage> take_;
};

template <>
class Parcel<EraseRequest> {
 public:
  explicit Parcel(const EraseRequest& from) : request_(from), key_(from.key) {
    if (from.limits != nullptr) limits_ = *from.limits;
  }
  template <class Backend>
  void arrive(Backend& backend) {
    request_.key = key_;
    request_.limits = limits_ ? &*limits_ : nullptr;
    backend.erase(std::span(&request_, 1));
  }

 private:
  EraseRequest request_;
  std::string key_;
  std::optional<RecordLimits> limits_;
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

/// Numbers that follow from a seed alone, the same on every machine and with every standard library
/// (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// One of 0, 1, …, `count` - 1; `count` is not 0. For small counts, as a game has them, none is
  /// noticeably more likely than another.
  constexpr std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }
  constexpr std::uint64_t between(std::uint64_t least, std::uint64_t most) noexcept {
    return least + below(most - least + 1);
  }
  /// True so many times out of a thousand.
  constexpr bool happens(unsigned per_thousand) noexcept { return below(1000) < per_thousand; }
  /// An element of a container that has one.
  template <class C>
  [[nodiscard]] constexpr auto& pick(C& all) noexcept {
    return all[static_cast<std::size_t>(below(std::size(all)))];
  }
  /// Numbers of their own: what is drawn there changes nothing here.
  [[nodiscard]] constexpr Random split() noexcept { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace persist::inline PERSIST_ABI::testing

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

namespace persist::inline PERSIST_ABI::testing {

/// Collects what a law found broken; belongs to no test framework. A law goes on after a failure
/// where that makes sense, so one run tells everything.
class Report {
 public:
  /// Notes a failure, with the line of the law, unless `holds`. Says whether it did.
  bool that(bool holds, std::string_view what, unsigned line = __builtin_LINE()) {
    ++checked_;
    if (!holds)
      failures_.push_back("line " + std::to_string(line) + ": not so: " + std::string(what));
    return holds;
  }
  [[nodiscard]] bool passed() const noexcept { return failures_.empty() && checked_ != 0; }
  [[nodiscard]] const std::vector<std::string>& failures() const noexcept { return failures_; }
  /// All failures, one a line; says so too where a law checked nothing at all.
  [[nodiscard]] std::string text() const {
    std::string all = checked_ == 0 ? "nothing was checked\n" : "";
    for (const std::string& failure : failures_)
      all.append(failure).append("\n");
    return all;
  }

 private:
  std::size_t checked_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

/// A clock that moves only when it is told to, or when somebody waits on it: a wait is over at
/// once and the clock stands at its deadline. So a test of a minute takes no time, and is the same
/// each time.
///
/// Safe to call from any thread; one that is moved while another thread waits never goes back.
class ManualClock final : public Clock {
 public:
  /// Stands at `wall` and an hour after its machine's start.
  explicit ManualClock(WallTime wall = WallTime(std::chrono::hours(24 * 365 * 55))) noexcept
      : wall_at_start_(wall.time_since_epoch()) {}

  [[nodiscard]] TimePoint now() const override { return TimePoint(now_.load()); }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(wall_at_start_.load()) + std::chrono::floor<Calendar>(now() - start);
  }
  /// Jumps to the deadline, unless `wake` was notified before; a deadline that has passed moves
  /// nothing.
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (wake.take()) return;
    Duration before = now_;
    while (before < deadline.time_since_epoch() &&
           !now_.compare_exchange_weak(before, deadline.time_since_epoch())) {
    }
  }
  void advance(Duration by) {
    const Duration forward = (std::max)(by, Duration::zero());
    Duration before = now_;
    while (!now_.compare_exchange_weak(before, before + forward)) {
    }
  }
  /// Sets the calendar alone, as an operator or a time server does: leases must not notice.
  void set_wall(WallTime wall) {
    wall_at_start_ = wall.time_since_epoch() - std::chrono::floor<Calendar>(now() - start);
  }

 private:
  using Calendar = WallTime::duration;
  static constexpr TimePoint start{std::chrono::hours(1)};

  // Without a lock: a simulated evening asks for the time a hundred thousand times.
  std::atomic<Duration> now_{start.time_since_epoch()};
  std::atomic<Calendar> wall_at_start_;
};

}  // namespace persist::inline PERSIST_ABI::testing

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

// The law of batches: a batch is the same as its requests one by one. Random batches go to one
// store as they are and to another request by request; every reply and every record must be equal.

namespace persist::inline PERSIST_ABI::testing::laws {

/// One of the two stores, with the sessions that hold its records. Both sides are given the same
/// draws, so sessions of one place are the same session; only epochs, which need not be
/// consecutive, may differ.
template <class B>
struct Side {
  Side(Driver<B>& d, std::string_view name, bool one_by_one)
      : driver(d.db, d.clock, d.report, name), single(one_by_one) {}

  /// Hands the batch to `operation` as one span, or request by request.
  template <class Request, class Operation>
  void run(std::vector<Request>& batch, Operation operation) {
    const std::span<Request> all(batch);
    if (!single) return operation(driver.db, all);
    for (std::size_t i = 0; i < all.size(); ++i)
      operation(driver.db, all.subspan(i, 1));
  }

  Driver<B> driver;
  bool single;
  std::vector<Holding> sessions;
  std::string replies;  ///< everything that was answered, as text
};

///
/// The sides may be two backends on one clock, to compare one with another.
template <class A, class B>
class RandomBatches {
 public:
  RandomBatches(Driver<A>& batched, Driver<B>& single)
      : batched_(batched, "batched", false), single_(single, "single", true) {}

  void run(std::uint64_t seed) {
    step(batched_, seed);
    step(single_, seed);
    compare("seed " + std::to_string(seed));
  }
  /// Ends all leases and requests and writes every record, so that nothing is left that a backend
  /// may forget when it is opened again.
  void settle() {
    settle(batched_);
    settle(single_);
    compare("settled");
  }
  /// Compares every record as a reader sees it.
  void compare_records(std::string_view when) {
    batched_.replies.clear();
    single_.replies.clear();
    look(batched_);
    look(single_);
    compare(when);
  }

 private:
  using Random = std::mt19937_64;
  static constexpr std::uint64_t keys = 5;

  void compare(std::string_view when) {
    batched_.driver.report.that(batched_.replies == single_.replies,
                                "a batch is its requests one by one; " + std::string(when) + ":\n" +
                                    batched_.replies + "against\n" + single_.replies);
  }
  template <class S>
  static void step(S& side, std::uint64_t seed) {
    Random random(seed);
    side.replies.clear();
    switch (seed % 8) {
      case 0:
      case 1:
        acquire(side, random);
        break;
      case 6:
        post(side, random);
        break;
      case 7:
        (random() % 4 == 0) ? erase(side, random) : relay(side, random);
        break;
      default:
        commit(side, random);
        break;
    }
    look(side);
  }
  template <class S>
  static void settle(S& side) {
    side.replies.clear();
    side.sessions.clear();
    for (std::uint64_t i = 0; i < keys; ++i) {
      const std::string name = "k" + std::to_string(i);
      Holding last = side.driver.take_away(name);
      note(side, {static_cast<std::uint64_t>(
                     side.driver.commit(side.driver.next(last).metadata("settled").release()))});
      side.sessions.push_back(last);
    }
    look(side);
  }
  static std::string key(Random& random) { return "k" + std::to_string(random() % keys); }

  template <class S>
  static void note(S& side, std::initializer_list<std::uint64_t> numbers,
                   std::string_view text = {}) {
    for (const std::uint64_t number : numbers)
      side.replies.append(std::to_string(number)).push_back(' ');
    side.replies.append(text).push_back('\n');
  }

  template <class S>
  static void acquire(S& side, Random& random) {
    std::vector<std::string> names(1 + random() % 6);
    std::vector<AcquireRequest> batch;
    for (std::string& name : names) {
      name = key(random);
      const Owner owner = random() % 4 == 0 && !side.sessions.empty()
                              ? side.sessions[random() % side.sessions.size()].fence.owner
                              : side.driver.somebody();
      AcquireRequest request{side.driver.store, name, owner, minute,
                             static_cast<Intent>(random() % 4)};
      if (random() % 2 == 0) {
        const HeldBy seen = side.driver.read(name).holder;
        request.intent = Intent::steal;
        request.seen_epoch = seen.epoch, request.seen_renewals = seen.renewals;
      }
      batch.push_back(std::move(request));
    }
    side.run(batch, [](auto& b, auto requests) { b.acquire(requests); });
    for (const AcquireRequest& r : batch) {
      note(side,
           {static_cast<std::uint64_t>(r.outcome), r.record.version, r.record.fence.write,
            r.record.load_count, r.record.inbox.size(), r.record.outbox.size(),
            r.record.receipts.size()},
           as_text(r.record.data));
      if (r.outcome == Taken::taken) side.sessions.push_back({std::string(r.key), r.record.fence});
    }
    if (side.sessions.size() > 24)
      side.sessions.erase(side.sessions.begin(), side.sessions.begin() + 8);
  }

  template <class S>
  static void commit(S& side, Random& random) {
    if (side.sessions.empty()) return;
    static constexpr auto limits = [] {
      RecordLimits l;
      l.inbox_messages = 3;
      return l;
    }();
    std::deque<Draft> drafts;
    std::deque<std::vector<Change>> changes;
    std::vector<CommitRequest> batch;
    for (std::uint64_t count = 1 + random() % 6; count != 0; --count) {
      changes.emplace_back();
      for (std::uint64_t partners = 1 + (random() % 4 == 0 && transactional()); partners != 0;
           --partners) {
        Holding& session =
            side.sessions[side.sessions.size() - 1 -
                          random() % (std::min)(side.sessions.size(), std::size_t{8})];
        if (!changes.back().empty() && changes.back()[0].key == session.key) continue;
        if (random() % 8 != 0) session.fence.write += random() % 8 == 0 ? 2 : 1;
        drafts.push_back(some_change(side, session, random).limits(limits));
        changes.back().push_back(drafts.back().bind());
      }
      batch.push_back({changes.back()});
    }
    side.run(batch, [](auto& b, auto requests) { b.commit(requests); });
    for (const CommitRequest& r : batch) {
      note(side, {static_cast<std::uint64_t>(r.outcome), r.culprit});
      for (const Change& c : r.changes) {
        note(side, {c.version, c.release_requested, c.erased, c.landed, c.messages.size()}, c.key);
        if (r.outcome != Outcome::applied && r.outcome != Outcome::repeated) continue;
        for (const Send& send : c.sends)
          note(side, {send.delivered});
      }
    }
  }
  static constexpr bool transactional() {
    return transactional_backend<A> && transactional_backend<B>;
  }

  template <class S>
  static Draft some_change(S& side, const Holding& session, Random& random) {
    Draft draft = side.driver.again(session);
    const std::uint64_t number = session.fence.write;
    if (random() % 2 == 0) draft.data("data" + std::to_string(random() % 1000));
    if (random() % 8 == 0) draft.no_data();
    if (random() % 4 == 0) draft.metadata("meta" + std::to_string(random() % 1000));
    if (random() % 4 == 0) draft.users({random() % 10, random() % 10});
    if (random() % 4 == 0) draft.in_none();
    for (std::uint64_t entries = random() % 3; entries != 0; --entries)
      draft.in(random() % 2 == 0 ? "coins" : "power", some_value(random));
    if (random() % 4 == 0) draft.receipt(random(), static_cast<std::uint32_t>(random() % 5));
    if (random() % 16 == 0) draft.forget_receipts(static_cast<std::uint32_t>(random() % 5));
    if (random() % 2 == 0) draft.acknowledge(1 + random() % 12);
    if (random() % 3 == 0) draft.send(key(random), number, "sent" + std::to_string(number));
    if (random() % 2 == 0) draft.renew();
    if (random() % 10 == 0) draft.release();
    return draft;
  }

  static std::int64_t some_value(Random& random) {
    return static_cast<std::int64_t>(random() % 6) - 2;
  }

  template <class S>
  static void post(S& side, Random& random) {
    std::vector<std::string> names(1 + random() % 5);
    std::vector<PostRequest> batch;
    for (std::string& name : names) {
      name = key(random);
      batch.push_back({side.driver.store,
                       name,
                       {{random() % 12, 1}, 0, 0, side.driver.clock.wall()},
                       {"Gift", 1, 0, {}, as_bytes("posted")},
                       nullptr});
    }
    side.run(batch, [](auto& b, auto requests) { b.post(requests); });
    for (const PostRequest& r : batch)
      note(side, {static_cast<std::uint64_t>(r.error.code()), r.repeated, r.position}, r.key);
  }

  template <class S>
  static void relay(S& side, Random& random) {
    for (const auto& waiting : side.driver.waiting()) {
      std::vector<RelayRequest> batch;
      for (const OutgoingMessage& message : waiting.messages)
        if (random() % 2 == 0)
          batch.push_back({side.driver.store, 64, {}, waiting.key, {&message, 1}});
      side.run(batch, [](auto& b, auto requests) { b.relay(requests); });
      note(side, {waiting.messages.size()}, waiting.key);
    }
  }

  template <class S>
  static void erase(S& side, Random& random) {
    std::vector<std::string> names(1 + random() % 2);
    std::vector<EraseRequest> batch;
    for (std::string& name : names) {
      name = key(random);
      batch.push_back({side.driver.store, name, random() % 2 == 0, nullptr});
    }
    side.run(batch, [](auto& b, auto requests) { b.erase(requests); });
    for (const EraseRequest& r : batch)
      note(side, {static_cast<std::uint64_t>(r.error.code()), r.found, r.sent, r.dropped}, r.key);
  }

  /// Every record as a reader sees it.
  template <class S>
  static void look(S& side) {
    for (std::uint64_t i = 0; i < keys; ++i) {
      const ReadRequest r = side.driver.read("k" + std::to_string(i));
      note(side,
           {r.found, r.held, r.record.version, r.record.has_data, r.record.fence.write,
            r.record.load_count, r.inbox_messages, r.inbox_bytes, r.outbox_messages,
            r.record.user_ids.size(), r.holder.asker.nobody()},
           as_text(r.record.data));
      note(side, {}, as_text(r.record.metadata));
    }
    if constexpr (queries_indexes<A> && queries_indexes<B>) look_at_indexes(side);
  }
  template <class S>
  static void look_at_indexes(S& side) {
    for (const std::string_view index : {"", "coins", "power"}) {
      IndexRequest request{.store = side.driver.store, .index = index, .most = 100};
      side.driver.db.query({&request, 1});
      note(side, {request.size, request.damaged.size()}, index);
      for (const IndexRow& row : request.rows)
        note(side, {static_cast<std::uint64_t>(row.value), row.place}, row.key);
    }
  }

  Side<A> batched_;
  Side<B> single_;
};

template <class B>
void a_batch_is_its_requests_one_by_one(Driver<B>& d) {
  RandomBatches<B, B> batches(d, d);
  for (std::uint64_t seed = 0; seed < 2000 && d.report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) d.clock.advance(minute / 3);
  }
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of a look, of changes that claim, and of a server that comes back.

namespace persist::inline PERSIST_ABI::testing::laws {

/// A writer that holds nothing: what its look saw, and its own name.
struct Looker {
  std::string key;
  Fence fence;
  std::uint64_t version = 0;
};

template <class B>
Looker look(Driver<B>& d, std::string_view key) {
  const Owner me = d.somebody();
  const AcquireRequest seen = d.acquire(key, me, Intent::look);
  d.report.that(seen.outcome == Taken::taken, "a look is always answered");
  return {std::string(key), {seen.record.fence.epoch, me, 0}, seen.record.version};
}
template <class B>
Draft claim_with(Driver<B>& d, Looker& from, Claims how) {
  ++from.fence.write;
  Draft draft(d.store, from.key, from.fence);
  draft.change().claims = how;
  draft.change().seen_version = from.version;
  return draft;
}

template <class B>
void a_look_takes_nothing(Driver<B>& d) {
  const Looker nobody = look(d, "none");
  d.report.that(!d.read("none").found && nobody.version == 0, "a look makes no record");
  Holding mine = d.take("k");
  d.save(mine, "x");
  const AcquireRequest seen = d.acquire("k", d.somebody(), Intent::look);
  d.report.that(seen.outcome == Taken::taken && as_text(seen.record.data) == "x", "it sees all");
  d.report.that(seen.record.fence.epoch == mine.fence.epoch, "under the epoch that is");
  d.report.that(d.read("k").holder.owner == mine.fence.owner, "and the holder holds on");
  d.report.that(!d.read("k").holder.asker.session, "unasked");
  d.save(mine, "y");
}

template <class B>
void a_claim_takes_what_is_as_it_was_seen(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker tool = look(d, "k");
  Draft change = claim_with(d, tool, Claims::anyway).data("y").renew();
  d.report.that(d.commit(change) == Outcome::applied, "it is applied");
  d.report.that(change.change().epoch > mine.fence.epoch, "under a higher epoch, which it learns");
  d.report.that(d.holds_text("k", "y"), "and there");
  d.report.that(d.commit(d.next(mine).data("z")) == Outcome::fenced, "the holder is fenced");
  Holding now{"k", {change.change().epoch, tool.fence.owner, tool.fence.write}};
  d.save(now, "w");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "what it renewed it holds");
}

template <class B>
void a_claim_is_refused_after_a_save_or_an_acquisition(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker before_save = look(d, "k");
  d.save(mine, "y");
  d.report.that(d.commit(claim_with(d, before_save, Claims::anyway).data("z")) == Outcome::fenced,
                "somebody saved since");
  Looker before_taking = look(d, "k");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  Holding other = d.take("k");
  d.report.that(d.commit(claim_with(d, before_taking, Claims::anyway).data("z")) == Outcome::fenced,
                "somebody acquired since");
  d.report.that(d.holds_text("k", "y"), "nothing was written");
  d.save(other, "w");
}

template <class B>
void a_claim_of_the_unleased_waits_for_no_lease(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker writer = look(d, "k");
  Draft refused = claim_with(d, writer, Claims::unleased).data("y");
  d.report.that(d.commit(refused) == Outcome::fenced, "a lease holds it");
  d.report.that(refused.change().holder.owner == mine.fence.owner &&
                    refused.change().holder.left > Duration::zero(),
                "and whose it is is told");
  d.clock.advance(2 * minute);
  if constexpr (!judges_leases<B>)
    d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "nobody knows if it did");
  Looker later = judges_leases<B> ? writer : look(d, "k");
  d.report.that(d.commit(claim_with(d, later, Claims::unleased).data("y")) == Outcome::applied,
                "a lease that ran out holds nothing");
  d.report.that(d.commit(d.next(mine).data("z")) == Outcome::fenced, "its old holder is fenced");
}

template <class B>
void a_claim_that_is_sent_again_is_applied_once(Driver<B>& d) {
  Looker writer = look(d, "k");
  Draft first = claim_with(d, writer, Claims::unleased).data("x");
  d.report.that(d.commit(first) == Outcome::applied, "applied");
  Draft again(d.store, writer.key, writer.fence);
  again.change().claims = Claims::unleased;
  d.report.that(d.commit(again.data("x")) == Outcome::repeated, "its reply was lost: not again");
  Draft last = claim_with(d, writer, Claims::unleased).data("y").release();
  d.report.that(d.commit(last) == Outcome::applied, "its next is a commit like any other");
  Draft released(d.store, writer.key, writer.fence);
  released.change().claims = Claims::unleased;
  d.report.that(d.commit(released.data("y").release()) == Outcome::repeated, "nor the release");
  d.report.that(d.read("k").record.version == 2, "two writes in all");
  Holding other = d.take("k");
  d.save(other, "z");
  Draft late(d.store, writer.key, writer.fence);
  late.change().claims = Claims::unleased;
  d.report.that(d.commit(late.data("y").release()) == Outcome::fenced, "somebody has it since");
  d.report.that(late.change().landed, "and it is known that it had landed");
  d.report.that(d.holds_text("k", "z"), "nothing was written");
}

template <class B>
void of_two_claims_of_one_moment_one_wins(Driver<B>& d) {
  Looker one = look(d, "k");
  Looker two = look(d, "k");
  d.report.that(
      d.commit(claim_with(d, one, Claims::unleased).data("one").release()) == Outcome::applied,
      "the first makes the record");
  d.report.that(
      d.commit(claim_with(d, two, Claims::unleased).data("two").release()) == Outcome::fenced,
      "the second is refused");
  d.report.that(d.holds_text("k", "one"), "and writes nothing");
}

template <class B>
void a_claim_behind_an_erase_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker before = look(d, "k");
  (void)d.erase("k");
  Draft late = claim_with(d, before, Claims::anyway).data("y");
  d.report.that(d.commit(late) == Outcome::fenced && late.change().erased, "it was erased since");
  d.report.that(!d.read("k").record.has_data, "and stays so");
  Looker after = look(d, "k");
  d.report.that(d.commit(claim_with(d, after, Claims::anyway).data("z")) == Outcome::applied,
                "whoever looks at the empty place may fill it");
}

template <class B>
void an_epoch_is_at_least_what_is_asked_for(Driver<B>& d) {
  const auto ask = [&](const Owner& who, std::uint64_t least) {
    AcquireRequest request{d.store, "k", who, minute};
    request.least_epoch = least;
    d.db.acquire({&request, 1});
    return request;
  };
  Holding low = d.take("k");
  const Owner me = low.fence.owner;
  const std::uint64_t least = low.fence.epoch + 5'000'000'000;
  const AcquireRequest raised = ask(me, least);
  d.report.that(raised.outcome == Taken::taken && raised.record.fence.epoch >= least,
                "who has the record under a lower one gets a higher one");
  d.report.that(d.commit(d.next(low).data("x")) == Outcome::fenced, "and writes under that only");
  d.report.that(ask(me, least).record.fence == raised.record.fence, "asked again it is the same");
  Holding mine{"k", raised.record.fence};
  d.save(mine, "y");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  d.report.that(d.take("k").fence.epoch > raised.record.fence.epoch, "later ones are higher still");
}

template <class B>
void an_epoch_given_elsewhere_is_claimed_upwards_only(Driver<B>& d) {
  const auto claim = [&](const Owner& who, std::uint64_t epoch) {
    AcquireRequest request{d.store, "k", who, minute};
    request.claim_epoch = epoch;
    d.db.acquire({&request, 1});
    return request;
  };
  const Owner one = d.somebody(), two = d.somebody();
  const AcquireRequest first = claim(one, 1'000);
  d.report.that(first.outcome == Taken::taken && first.record.fence.epoch == 1'000, "claimed");
  Holding mine{"k", first.record.fence};
  d.save(mine, "x");
  d.report.that(claim(one, 1'000).record.fence == mine.fence, "a repeat is harmless");
  d.report.that(claim(two, 1'000).outcome == Taken::held, "an equal epoch is refused");
  const AcquireRequest late = claim(two, 999);
  d.report.that(late.outcome == Taken::held && late.holder.epoch == 1'000, "so is a lower one");
  d.save(mine, "y");
  d.report.that(claim(two, 1'001).outcome == Taken::taken, "a higher one waits for no lease");
  d.report.that(d.commit(d.next(mine).data("z")) == Outcome::fenced, "and is the fence");
  (void)d.erase("k");
  d.report.that(claim(one, 1'002).outcome == Taken::held || d.take("k").fence.epoch > 1'001,
                "an erase does not take epochs back");
}

template <class B>
void a_server_that_comes_back_reclaims_its_own(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Owner reborn = mine.fence.owner;
  ++reborn.nonce;
  d.report.that(d.acquire("k", reborn).outcome == Taken::held, "held, for who does not reclaim");
  const auto reclaim = [&](const Owner& who) {
    AcquireRequest request{d.store, "k", who, minute};
    request.reclaims = true;
    d.db.acquire({&request, 1});
    return request;
  };
  Owner stranger = reborn;
  stranger.server = ServerId("us-1");
  d.report.that(reclaim(stranger).outcome == Taken::held, "another server's is not reclaimed");
  Owner twin = mine.fence.owner;
  ++twin.session;
  d.report.that(reclaim(twin).outcome == Taken::held, "nor what this very run holds");
  const AcquireRequest got = reclaim(reborn);
  d.report.that(got.outcome == Taken::taken, "its own it gets at once");
  d.report.that(got.record.fence.epoch > mine.fence.epoch, "under a higher epoch");
  d.report.that(d.commit(d.next(mine).data("late")) == Outcome::fenced, "the old run is fenced");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of the fence: who may write, what a repeat is, what stays after an erase.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void an_old_epoch_changes_nothing(Driver<B>& d) {
  Holding old = d.take("k");
  d.save(old, "first");
  Holding now = d.take_away("k");
  Draft late = d.next(old).data("late").metadata("late").renew();
  d.report.that(d.commit(late) == Outcome::fenced, "the old epoch is fenced");
  d.report.that(late.change().holder.owner == now.fence.owner, "and told by whom");
  d.report.that(!late.change().erased && !late.change().landed, "and that it was not written");
  d.report.that(d.holds_text("k", "first"), "nothing was written");
  d.report.that(d.read("k").record.metadata.empty(), "no part of it");
  d.report.that(d.read("k").record.fence == now.fence, "the fence is as it was");
  d.save(now, "second");
}

template <class B>
void a_wrong_owner_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "mine");
  Holding forged = mine;
  forged.fence.owner.session += 1;
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "another session number");
  forged = mine;
  forged.fence.owner.nonce += 1;
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "another random number");
  forged = mine;
  forged.fence.owner.server = ServerId("us-9");
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "another server");
  forged = mine;
  forged.fence.owner = Owner{};
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "nobody");
  d.report.that(d.holds_text("k", "mine"), "nothing was written");
  d.save(mine, "still mine");
}

template <class B>
void an_epoch_never_given_out_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "mine");
  Holding forged = mine;
  forged.fence.epoch = epoch_limit - 1;
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "a later epoch");
  Draft nowhere(d.store, "nowhere", forged.fence);
  d.report.that(d.commit(nowhere.data("x")) == Outcome::fenced,
                "nor for a record that is not there");
  d.report.that(!d.read("nowhere").found, "and it was not made");
  d.report.that(d.holds_text("k", "mine"), "nothing was written");
}

template <class B>
void a_lower_write_number_is_superseded(Driver<B>& d) {
  Holding mine = d.take("k");
  Holding early = mine;
  ++mine.fence.write;
  d.save(mine, "second");
  Draft late = d.next(early).data("first");
  d.report.that(d.commit(late) == Outcome::superseded,
                "a late commit does not land on a newer one");
  d.report.that(d.holds_text("k", "second"), "nothing was written");
  d.report.that(d.read("k").record.version == 1, "the version did not grow");
}

template <class B>
void a_repeated_write_says_applied_and_does_nothing(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "once");
  Draft again = d.again(mine).data("other bytes").metadata("m");
  d.report.that(d.commit(again) == Outcome::repeated, "it says that it was applied");
  d.report.that(again.change().version == 1, "and the version");
  d.report.that(d.holds_text("k", "once"), "nothing was written");
  Draft last = d.next(mine).data("last").release();
  d.report.that(d.commit(last) == Outcome::applied, "the release is applied");
  d.report.that(d.commit(d.again(mine).data("x").release()) == Outcome::repeated,
                "and says so after the release too");
  --mine.fence.write;
  d.report.that(d.commit(d.again(mine).data("x")) == Outcome::superseded,
                "what came before the release is superseded");
  d.report.that(d.holds_text("k", "last"), "nothing was written");
}

template <class B>
void a_commit_after_the_release_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.report.that(d.commit(d.next(mine).data("bye").release()) == Outcome::applied, "released");
  d.report.that(d.commit(d.next(mine).renew()) == Outcome::fenced, "a renewal is refused");
  d.report.that(d.commit(d.next(mine).data("x")) == Outcome::fenced, "a save is refused");
  d.report.that(!d.read("k").held, "nobody holds it");
  d.report.that(d.holds_text("k", "bye"), "nothing was written");
}

template <class B>
void epochs_never_go_back(Driver<B>& d) {
  std::uint64_t last = 0;
  for (int round = 0; round < 12; ++round) {
    Holding holding = d.take("k");
    d.report.that(holding.fence.epoch > last, "each acquire gives a higher epoch");
    d.report.that(holding.fence.epoch < epoch_limit, "below 2^53");
    last = holding.fence.epoch;
    d.save(holding, "x");
    if (round % 3 == 0)
      d.report.that(d.commit(d.next(holding).release()) == Outcome::applied, "released");
    else if (round % 3 == 1)
      d.report.that(d.erase("k").epoch > last, "an erase raises it");
    else
      d.clock.advance(2 * minute);
  }
}

template <class B>
void an_erase_fences_the_open_session(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "secret");
  const EraseRequest erased = d.erase("k");
  d.report.that(erased.found && !failed(erased.error), "it was there");
  d.report.that(erased.epoch > mine.fence.epoch, "the epoch is raised");
  Draft late = d.next(mine).data("late");
  d.report.that(d.commit(late) == Outcome::fenced, "the session is fenced");
  d.report.that(late.change().erased, "and told that the record was erased");
  d.report.that(!d.read("k").record.has_data, "the record is empty");
  d.report.that(d.post("k", 7, "hello").position != 0, "a message may come");
  d.report.that(d.commit(d.again(mine).data("late")) == Outcome::fenced, "still fenced");
  d.report.that(!d.read("k").record.has_data, "the record is still empty");
  d.report.that(!d.erase("never").found, "what is not there is not found");
}

template <class B>
void versions_go_on_after_an_erase(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "1");
  d.save(mine, "2");
  d.erase("k");
  Holding next = d.take("k");
  const ReadRequest empty = d.read("k");
  d.report.that(!empty.record.has_data && empty.record.load_count == 0, "it begins anew");
  Draft first = d.next(next).data("3");
  d.commit(first);
  d.report.that(first.change().version == 3, "but no version is given twice");
  Draft old = d.next(mine).data("x");
  Holding newest = d.take_away("k");
  d.report.that(d.commit(old) == Outcome::fenced && old.change().erased,
                "the session before the erase is told of it");
  Draft stolen = d.next(next).data("x");
  d.report.that(d.commit(stolen) == Outcome::fenced && !stolen.change().erased,
                "one after it is not");
  d.save(newest, "4");
}

template <class B>
void the_last_four_epochs_know_what_landed(Driver<B>& d) {
  std::vector<Holding> past;
  for (int i = 0; i < 5; ++i) {
    past.push_back(d.take("k"));
    d.save(past.back(), "a");
    d.save(past.back(), "b");
    d.clock.advance(2 * minute);
  }
  const auto landed = [&](const Holding& holding, std::uint64_t write) {
    Holding asked = holding;
    asked.fence.write = write;
    Draft draft = d.again(asked).data("x");
    const Outcome outcome = d.commit(draft);
    d.report.that(outcome == Outcome::fenced || outcome == Outcome::superseded, "too late");
    return draft.change().landed;
  };
  for (std::size_t i = 1; i < 4; ++i) {
    d.report.that(landed(past[i], 1) && landed(past[i], 2), "what was applied is known");
    d.report.that(!landed(past[i], 3), "what was not is known too");
  }
  d.report.that(landed(past[4], 1), "of the newest epoch as well");
  d.report.that(d.commit(d.next(past[4]).release()) == Outcome::applied, "released");
  d.report.that(landed(past[1], 2), "four epochs are known when nobody holds it too");
}

template <class B>
void owners_are_never_equal(Driver<B>& d) {
  B copy = d.db;
  d.report.that(copy.same_database(d.db), "a copy shares the open database");
  std::vector<Owner> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(d.db.next_owner(ServerId("a")));
    all.push_back(copy.next_owner(ServerId("a")));
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      d.report.that(!(all[i] == all[j]), "no owner is given twice, through no handle");
  d.report.that(!all[0].nobody(), "an owner is somebody");
  Holding mine = d.take("k");
  d.save(mine, "seen through both");
  Driver<B> other(copy, d.clock, d.report);
  d.report.that(other.holds_text("k", "seen through both"), "records are shared by copies");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of a backend that keeps older states of the data.

namespace persist::inline PERSIST_ABI::testing::laws {

inline constexpr HistoryRule three_newest{.keep = 3};

/// What is kept of a record, newest first: versions, and the data as it is read back.
struct Kept {
  std::vector<KeptVersion> versions;
  std::vector<std::string> texts;

  [[nodiscard]] bool holds(const std::vector<std::string>& wanted) const { return texts == wanted; }
};

template <class B>
[[nodiscard]] ReadRequest read_version(Driver<B>& d, std::string_view key, std::uint64_t version) {
  ReadRequest request{.store = d.store, .key = key, .version = version};
  d.db.read({&request, 1});
  return request;
}
template <class B>
[[nodiscard]] Kept kept_of(Driver<B>& d, std::string_view key) {
  ReadRequest request{.store = d.store, .key = key, .wants_versions = true};
  d.db.read({&request, 1});
  d.report.that(!failed(request.error), "the versions are listed");
  Kept kept{request.versions, {}};
  for (const KeptVersion& each : kept.versions) {
    const ReadRequest one = read_version(d, key, each.version);
    d.report.that(!failed(one.error) && one.record.has_data, "what is listed can be read");
    d.report.that(one.record.version == each.version && one.record.updated == each.at,
                  "and says which state it is");
    d.report.that(one.record.data.size() == each.bytes, "and how large");
    kept.texts.emplace_back(as_text(one.record.data));
  }
  return kept;
}
template <class B>
void save_keeping(Driver<B>& d, Holding& holding, std::string_view text,
                  const HistoryRule& rule = three_newest) {
  d.report.that(d.commit(d.next(holding).data(text).history(rule)) == Outcome::applied,
                "the holder may save");
}

template <class B>
void what_is_replaced_is_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "first");
  const WallTime written = d.clock.wall();
  d.report.that(kept_of(d, "k").versions.empty(), "nothing was there before");
  const std::uint64_t first = d.read("k").record.version;
  d.clock.advance(minute / 2);
  save_keeping(d, mine, "second");
  const Kept kept = kept_of(d, "k");
  d.report.that(kept.holds({"first"}), "what was there is kept");
  if (kept.versions.empty()) return;
  d.report.that(kept.versions[0].version == first, "under the version that it had");
  d.report.that(kept.versions[0].at == written && kept.versions[0].until == d.clock.wall(),
                "with the times when it was written and replaced");
  d.report.that(d.holds_text("k", "second"), "and the new data is what is there");
  const ReadRequest now = read_version(d, "k", d.read("k").record.version);
  d.report.that(!failed(now.error) && as_text(now.record.data) == "second",
                "which can be read under its version too");
  (void)d.commit(d.next(mine).metadata("m").history(three_newest));
  d.report.that(kept_of(d, "k").holds({"first"}), "what writes no data keeps none");
}

template <class B>
void without_a_rule_nothing_is_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c"})
    d.save(mine, text);
  d.report.that(kept_of(d, "k").versions.empty(), "there is no rule");
}

template <class B>
void a_write_without_a_rule_leaves_the_history(Driver<B>& d) {
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c"})
    save_keeping(d, mine, text);
  d.save(mine, "d");
  d.report.that(kept_of(d, "k").holds({"b", "a"}), "nothing joined and nothing left");
  save_keeping(d, mine, "e");
  d.report.that(kept_of(d, "k").holds({"d", "b", "a"}), "and it goes on");
  (void)d.commit(d.next(mine).release());
  d.report.that(kept_of(d, "k").holds({"d", "b", "a"}), "the release leaves it too");
}

template <class B>
void a_repeated_commit_keeps_nothing_twice(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  save_keeping(d, mine, "b");
  for (int i = 0; i < 2; ++i)
    d.report.that(d.commit(d.again(mine).data("b").history(three_newest)) == Outcome::repeated,
                  "it is known");
  d.report.that(kept_of(d, "k").holds({"a"}), "and nothing was kept again");
}

template <class B>
void a_refused_commit_keeps_nothing(Driver<B>& d) {
  Holding old = d.take("k");
  save_keeping(d, old, "a");
  Holding now = d.take_away("k");
  d.report.that(d.commit(d.next(old).data("b").history(three_newest)) == Outcome::fenced,
                "an old epoch is refused");
  d.report.that(kept_of(d, "k").versions.empty(), "and keeps nothing");
  save_keeping(d, now, "c");
  d.report.that(kept_of(d, "k").holds({"a"}), "the newest one does");
  --now.fence.write;
  d.report.that(d.commit(d.again(now).data("d").history(three_newest)) == Outcome::superseded,
                "a lower write number is refused");
  d.report.that(kept_of(d, "k").holds({"a"}), "and keeps nothing");
}

template <class B>
void the_rule_says_what_stays(Driver<B>& d) {
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c", "d", "e"})
    save_keeping(d, mine, text);
  d.report.that(kept_of(d, "k").holds({"d", "c", "b"}), "the three newest stay");
  save_keeping(d, mine, "f", {.keep = 1});
  d.report.that(kept_of(d, "k").holds({"e"}), "a smaller rule drops more");
  save_keeping(d, mine, "larger", {.keep = 9, .bytes = 2});
  save_keeping(d, mine, "g", {.keep = 9, .bytes = 2});
  d.report.that(kept_of(d, "k").versions.empty(), "what is larger than all may be is not kept");
  const HistoryRule hourly{.every = 60 * minute, .for_ = 180 * minute};
  for (const std::string_view text : {"h", "i", "j", "k", "l", "m"}) {
    d.clock.advance(30 * minute);
    save_keeping(d, mine, text, hourly);
  }
  const Kept kept = kept_of(d, "k");
  for (std::size_t i = 1; i < kept.versions.size(); ++i)
    d.report.that(detail::period_of(kept.versions[i].at, hourly.every) <
                      detail::period_of(kept.versions[i - 1].at, hourly.every),
                  "of each period one stays");
  d.report.that(kept.texts.size() >= 3, "and of each period there is one");
}

template <class B>
void what_is_removed_is_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  (void)d.commit(d.next(mine).no_data().history(three_newest));
  d.report.that(!d.read("k").record.has_data, "the data is gone");
  d.report.that(kept_of(d, "k").holds({"a"}), "and kept");
  d.report.that(read_version(d, "k", d.read("k").record.version).error == Errc::not_found,
                "that nothing was there is no state");
  save_keeping(d, mine, "b");
  d.report.that(kept_of(d, "k").holds({"a"}), "nor is it kept as one");
}

template <class B>
void an_erase_takes_the_history_with_it(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  save_keeping(d, mine, "b");
  (void)d.erase("k");
  d.report.that(kept_of(d, "k").versions.empty(), "nothing is left");
  Holding again = d.take("k");
  save_keeping(d, again, "c");
  save_keeping(d, again, "d");
  d.report.that(kept_of(d, "k").holds({"c"}), "and nothing comes back");
}

template <class B>
void a_state_that_is_not_kept_is_not_found(Driver<B>& d) {
  d.report.that(!read_version(d, "none", 7).found, "there is no such record");
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c", "d", "e"})
    save_keeping(d, mine, text);
  const std::uint64_t now = d.read("k").record.version;
  for (const std::uint64_t gone : {now + 1, now - 4}) {
    const ReadRequest read = read_version(d, "k", gone);
    d.report.that(read.error == Errc::not_found, "it is not kept");
    const std::string words = read.error.message();
    for (std::uint64_t there = now - 3; there <= now; ++there)
      d.report.that(words.find(' ' + std::to_string(there)) != words.npos,
                    "and the answer says which are");
  }
}

template <class B>
void states_of_one_batch_are_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  Draft drafts[] = {d.next(mine).data("b"), d.next(mine).data("c"), d.next(mine).no_data(),
                    d.next(mine).data("d"), d.next(mine).data("e").release()};
  std::vector<CommitRequest> batch;
  for (Draft& draft : drafts)
    batch.push_back({{&draft.history(three_newest).bind(), 1}});
  d.db.commit(batch);
  for (const CommitRequest& each : batch)
    d.report.that(each.outcome == Outcome::applied, "all are applied");
  d.report.that(kept_of(d, "k").holds({"d", "c", "b"}), "and each replaced the one before");
  d.report.that(d.holds_text("k", "e"), "the last is what is there");
}

template <class B>
void a_claim_keeps_what_it_replaces(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  Looker tool = look(d, "k");
  Draft change = claim_with(d, tool, Claims::anyway).data("b").history(three_newest);
  d.report.that(d.commit(change) == Outcome::applied, "the claim is applied");
  d.report.that(kept_of(d, "k").holds({"a"}), "and what it replaced is kept");
  Looker anew = look(d, "new");
  Draft first = claim_with(d, anew, Claims::anyway).data("x").history(three_newest);
  d.report.that(d.commit(first) == Outcome::applied, "a claim makes a record");
  d.report.that(kept_of(d, "new").versions.empty(), "that has no older state");
}

template <class B>
void a_history_belongs_to_its_record(Driver<B>& d) {
  Holding one = d.take("k");
  Holding two = d.take("l");
  save_keeping(d, one, "a");
  save_keeping(d, two, "x");
  save_keeping(d, one, "b");
  save_keeping(d, two, "y");
  Driver<B> other(d.db, d.clock, d.report, "other");
  Holding there = other.take("k");
  save_keeping(other, there, "p");
  save_keeping(other, there, "q");
  d.report.that(kept_of(d, "k").holds({"a"}) && kept_of(d, "l").holds({"x"}),
                "each record has its own");
  d.report.that(kept_of(other, "k").holds({"p"}), "and each store");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of a backend that keeps ordered indexes.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
[[nodiscard]] IndexRequest query(Driver<B>& d, IndexRequest request) {
  request.store = d.store;
  d.db.query({&request, 1});
  d.report.that(!failed(request.error), "an index can be looked into");
  return request;
}
/// A page as text: "key=value@place" each.
[[nodiscard]] inline std::string rows(const IndexRequest& answer) {
  std::string all;
  for (const IndexRow& row : answer.rows)
    all += (all.empty() ? "" : " ") + row.key + "=" + std::to_string(row.value) + "@" +
           std::to_string(row.place);
  return all;
}
/// The whole of an index from its lowest entry on.
template <class B>
[[nodiscard]] std::string whole(Driver<B>& d, std::string_view index) {
  return rows(query(d, IndexRequest{.index = index, .most = 1000}));
}
/// Saves a new record that is in an index, and lets it go.
template <class B>
void list(Driver<B>& d, std::string_view key, std::string_view index, std::int64_t value) {
  Holding holding = d.take(key);
  d.report.that(
      d.commit(d.next(holding).data("data").in(index, value).release()) == Outcome::applied,
      "a record is saved with its entry");
}

template <class B>
void an_index_is_ordered_by_value_and_then_by_key(Driver<B>& d) {
  using Limits = std::numeric_limits<std::int64_t>;
  list(d, "b", "coins", 5);
  list(d, "d", "coins", -3);
  list(d, "a", "coins", 5);
  list(d, "e", "coins", (Limits::max)());
  list(d, "c", "coins", (Limits::min)());
  const std::string low = std::to_string((Limits::min)()), high = std::to_string((Limits::max)());
  d.report.that(whole(d, "coins") == "c=" + low + "@0 d=-3@1 a=5@2 b=5@3 e=" + high + "@4",
                "the lowest comes first, and of one value the lower key");
  const IndexRequest falls = query(d, {.index = "coins", .key = "b", .falls = true, .most = 3});
  d.report.that(rows(falls) == "e=" + high + "@4 b=5@3 a=5@2", "and from the other end the other");
  d.report.that(falls.size == 5 && falls.found && falls.row == IndexRow{"b", 5, 3},
                "a key's place is known, and how many there are");
  const IndexRequest none = query(d, {.index = "coins", .key = "z"});
  d.report.that(!none.found && none.size == 5 && none.rows.empty(), "who is not in it has none");
  const IndexRequest other = query(d, {.index = "power", .key = "b", .most = 9, .around = true});
  d.report.that(!other.found && other.size == 0 && other.rows.empty(),
                "an index that nobody is in is empty");
}

template <class B>
void a_page_goes_on_behind_where_the_last_one_ended(Driver<B>& d) {
  for (const char* key : {"a", "b", "c", "d", "e"})
    list(d, key, "coins", key[0] == 'e' ? 9 : 7);
  const auto after = [&](bool falls, std::int64_t value, std::string key) {
    return rows(query(d, {.index = "coins",
                          .falls = falls,
                          .most = 2,
                          .after = IndexPosition{value, std::move(key)}}));
  };
  d.report.that(after(false, 7, "b") == "c=7@2 d=7@3", "up");
  d.report.that(after(true, 7, "d") == "c=7@2 b=7@1", "and down");
  d.report.that(after(false, 7, "bb") == "c=7@2 d=7@3" && after(true, 7, "bb") == "b=7@1 a=7@0",
                "also behind what is not there any more");
  d.report.that(after(false, 9, "e").empty() && after(true, 7, "a").empty(), "to both ends");
  const IndexRequest only = query(d, {.index = "coins", .most = 9, .only = 7});
  d.report.that(rows(only) == "a=7@0 b=7@1 c=7@2 d=7@3", "entries of one value");
  const IndexRequest behind = query(
      d, {.index = "coins", .falls = true, .most = 9, .after = IndexPosition{7, "c"}, .only = 7});
  d.report.that(rows(behind) == "b=7@1 a=7@0", "and a page of them");
  d.report.that(query(d, {.index = "coins", .most = 9, .only = 8}).rows.empty(), "or none");
}

template <class B>
void the_rows_around_a_key_have_it_in_their_middle(Driver<B>& d) {
  for (const char* key : {"a", "b", "c", "d", "e"})
    list(d, key, "coins", key[0]);
  const auto around = [&](std::string_view key, std::size_t most, bool falls = false) {
    return rows(
        query(d, {.index = "coins", .key = key, .falls = falls, .most = most, .around = true}));
  };
  d.report.that(around("c", 1) == "b=98@1 c=99@2 d=100@3", "one on each side");
  d.report.that(around("c", 1, true) == "d=100@3 c=99@2 b=98@1", "the other way round");
  d.report.that(around("a", 1) == "a=97@0 b=98@1" && around("e", 1) == "d=100@3 e=101@4",
                "at the ends there are fewer");
  d.report.that(around("c", 0) == "c=99@2", "alone");
  d.report.that(around("c", 100).size() == whole(d, "coins").size(), "or all");
  d.report.that(around("z", 2).empty(), "around nobody there is nobody");
}

template <class B>
void entries_come_with_their_commit_or_not_at_all(Driver<B>& d) {
  Holding old = d.take("k");
  d.report.that(d.commit(d.next(old).data("one").in("coins", 1)) == Outcome::applied, "saved");
  Holding now = d.take_away("k");
  d.report.that(d.commit(d.next(old).data("late").in("coins", 2)) == Outcome::fenced,
                "an old epoch is refused");
  d.report.that(whole(d, "coins") == "k=1@0", "and changes no index");
  d.report.that(d.commit(d.next(now).data("two").in("coins", 3).in("power", 4)) == Outcome::applied,
                "the new one is not");
  d.report.that(whole(d, "coins") == "k=3@0" && whole(d, "power") == "k=4@0",
                "its entries stand for all before");
  Draft repeat = d.again(now).data("two").in("coins", 5);
  d.report.that(d.commit(repeat) == Outcome::repeated, "the same write again is known");
  d.report.that(whole(d, "coins") == "k=3@0", "and does nothing");
  if constexpr (transactional_backend<B>) {
    Holding partner = d.take("l");
    Draft stale = d.next(old).data("three").in("coins", 6);
    Draft theirs = d.next(partner).data("three").in("coins", 6);
    Change changes[] = {theirs.bind(), stale.bind()};
    CommitRequest request{changes};
    d.db.commit({&request, 1});
    d.report.that(request.outcome == Outcome::fenced && whole(d, "coins") == "k=3@0",
                  "where a partner is refused no index changes");
  }
}

template <class B>
void entries_stay_until_a_commit_brings_others(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.commit(d.next(mine).data("one").in("coins", 1).in("power", 2));
  d.save(mine, "two");
  d.report.that(d.commit(d.next(mine).metadata("more").renew()) == Outcome::applied, "saved");
  d.report.that(whole(d, "coins") == "k=1@0" && whole(d, "power") == "k=2@0",
                "a commit that names none leaves them");
  (void)d.commit(d.next(mine).data("three").in("power", 3));
  d.report.that(whole(d, "coins").empty() && whole(d, "power") == "k=3@0", "other entries");
  (void)d.commit(d.next(mine).data("four").in_none());
  d.report.that(whole(d, "power").empty(), "none");
  (void)d.commit(d.next(mine).data("five").in("coins", 5).users({8}));
  (void)d.commit(d.next(mine).no_data());
  d.report.that(whole(d, "coins").empty(), "what has no data is in no board");
  d.report.that(whole(d, "") == "k=8@0", "and keeps its users");
  d.report.that(
      d.commit(d.next(mine).in("coins", 6)) == Outcome::applied && whole(d, "coins") == "k=6@0",
      "entries can come alone");
}

template <class B>
void an_erase_takes_a_record_out_of_every_index(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.commit(d.next(mine).data("one").in("coins", 1).users({7, 8}));
  list(d, "l", "coins", 2);
  (void)d.erase("k");
  d.report.that(whole(d, "coins") == "l=2@0" && whole(d, "").empty(), "it is in none");
  Holding again = d.take("k");
  d.save(again, "new");
  d.report.that(whole(d, "coins") == "l=2@0" && whole(d, "").empty(),
                "nor is a new record of that key");
}

template <class B>
void user_ids_are_an_index_of_their_own(Driver<B>& d) {
  constexpr std::uint64_t largest = ~std::uint64_t{0};
  Holding k = d.take("k"), l = d.take("l");
  (void)d.commit(d.next(k).data("k").users({largest, 7, 7}));
  (void)d.commit(d.next(l).data("l").users({7}));
  const auto keys_of = [&](std::uint64_t user) {
    return rows(query(d, {.most = 9, .only = user_value(user)}));
  };
  d.report.that(keys_of(largest) == "k=-1@0" && keys_of(7) == "k=7@1 l=7@2",
                "each user's records, each once");
  d.report.that(keys_of(8).empty() && keys_of(0).empty(), "and nobody else's");
  d.save(k, "more");
  d.report.that(keys_of(largest) == "k=-1@0", "a save leaves them");
  (void)d.commit(d.next(k).users({8}));
  d.report.that(keys_of(largest).empty() && keys_of(7) == "l=7@0" && keys_of(8) == "k=8@1",
                "other users");
  (void)d.commit(d.next(k).users({}));
  d.report.that(whole(d, "") == "l=7@0", "or none");
}

template <class B>
void an_index_belongs_to_its_store(Driver<B>& d) {
  list(d, "k", "coins", 1);
  Driver<B> other(d.db, d.clock, d.report, "other");
  d.report.that(whole(other, "coins").empty(), "another store's is empty");
  list(other, "k", "coins", 2);
  d.report.that(whole(d, "coins") == "k=1@0" && whole(other, "coins") == "k=2@0",
                "and has its own entries");
}

template <class B>
void entries_of_one_batch_are_all_in(Driver<B>& d) {
  Holding k = d.take("k"), l = d.take("l");
  Draft first = d.next(k).data("one").in("coins", 1), second = d.next(l).data("one").in("coins", 2),
        third = d.next(k).data("two").in("coins", 3);
  CommitRequest batch[] = {{{&first.bind(), 1}}, {{&second.bind(), 1}}, {{&third.bind(), 1}}};
  d.db.commit(batch);
  d.report.that(whole(d, "coins") == "l=2@0 k=3@1", "the last of each record counts");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of leases and of requests to let go. A backend that has no clock to judge leases by
// (`judges_leases`) holds to what is left of them.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void acquire_is_exclusive(Driver<B>& d) {
  Holding mine = d.take("k");
  d.clock.advance(std::chrono::seconds(15));
  const AcquireRequest other = d.acquire("k", d.somebody());
  d.report.that(other.outcome == Taken::held, "a second one is told that it is held");
  d.report.that(other.holder.owner == mine.fence.owner, "by whom");
  d.report.that(other.holder.epoch == mine.fence.epoch, "under which epoch");
  d.report.that(other.holder.lease == minute, "how long its lease is");
  if constexpr (judges_leases<B>) {
    d.report.that(other.holder.age == std::chrono::seconds(15), "since when");
    d.report.that(other.holder.left == std::chrono::seconds(45), "for how long");
  }
  d.save(mine, "x");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::taken, "then it is free");
}

template <class B>
void a_repeated_acquire_gives_the_same_epoch(Driver<B>& d) {
  const Owner me = d.somebody();
  const AcquireRequest first = d.acquire("k", me);
  const AcquireRequest second = d.acquire("k", me);
  d.report.that(second.outcome == Taken::taken, "own: taken again");
  d.report.that(first.record.fence == second.record.fence, "under the same epoch");
  Holding mine{"k", first.record.fence};
  d.save(mine, "x");
  const AcquireRequest third = d.acquire("k", me);
  d.report.that(third.record.fence == mine.fence, "with the write number it has reached");
  Owner twin = me;
  twin.server = ServerId("us-1");
  d.report.that(d.acquire("k", twin).outcome == Taken::held, "own means all parts of the owner");
}

template <class B>
void an_expired_lease_is_free_for_others(Driver<B>& d) {
  Holding mine = d.take("k");
  d.clock.advance(minute - Duration(1));
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "held until the very end");
  d.clock.advance(Duration(1));
  if constexpr (!judges_leases<B>) {
    d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held,
                  "and beyond it: who watches takes over, and nobody else");
    return;
  }
  const ReadRequest expired = d.read("k");
  d.report.that(!expired.held, "then nobody holds it");
  d.report.that(expired.holder.owner == mine.fence.owner, "but expired is not cleared");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::taken, "and it can be taken");
  d.report.that(d.commit(d.next(mine).data("x")) == Outcome::fenced, "which fences the first");
}

template <class B>
void an_expired_lease_nobody_took_is_renewed_by_the_next_commit(Driver<B>& d) {
  Holding mine = d.take("k");
  d.clock.advance(5 * minute);
  d.report.that(d.commit(d.next(mine).data("x").renew()) == Outcome::applied,
                "expiry alone never ends a session");
  d.report.that(d.read("k").held, "and it holds again");
  d.clock.advance(5 * minute);
  d.report.that(d.commit(d.next(mine).renew()) == Outcome::applied, "a renewal alone does too");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "for others as well");
  d.report.that(d.read("k").record.version == 1, "a renewal is no new version");
}

template <class B>
void a_commit_that_keeps_the_lease_does_not_renew_it(Driver<B>& d) {
  Holding mine = d.take("k");
  const std::uint64_t renewals = d.read("k").holder.renewals;
  d.clock.advance(minute / 2);
  d.save(mine, "x");
  d.clock.advance(minute / 2);
  d.report.that(d.read("k").holder.renewals == renewals, "it counts for no renewal");
  if constexpr (judges_leases<B>)
    d.report.that(!d.read("k").held, "the lease ran from the acquire");
}

template <class B>
void a_lease_of_no_length_holds_nobody_up(Driver<B>& d) {
  Holding first = d.take("k", Duration::zero());
  d.save(first, "x");
  Holding second = d.take("k", Duration::zero());
  d.report.that(d.commit(d.next(first).data("y")) == Outcome::fenced, "the newest writes");
  d.save(second, "z");
}

template <class B>
void a_late_steal_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  const AcquireRequest seen = d.acquire("k", d.somebody());
  d.report.that(d.commit(d.next(mine).renew()) == Outcome::applied, "renewed");
  const AcquireRequest late = d.steal("k", seen.holder);
  d.report.that(late.outcome == Taken::held, "who renewed since is not robbed");
  const AcquireRequest good = d.steal("k", late.holder);
  d.report.that(good.outcome == Taken::taken, "what is seen as it is can be taken");
  d.report.that(d.steal("k", late.holder).outcome == Taken::held, "once");
  d.report.that(d.commit(d.next(mine).data("x")) == Outcome::fenced, "the first is fenced");
}

template <class B>
void a_request_is_seen_by_the_holder(Driver<B>& d) {
  Holding mine = d.take("k");
  const Owner asker = d.somebody();
  d.report.that(d.acquire("k", asker).holder.asker.nobody(), "waiting is not asking");
  const AcquireRequest asked = d.acquire("k", asker, Intent::request);
  d.report.that(asked.outcome == Taken::held && asked.holder.asker == asker, "asked");
  Draft save = d.next(mine).data("x");
  d.report.that(d.commit(save) == Outcome::applied, "the holder still saves");
  d.report.that(save.change().release_requested, "and learns of it");
  const AcquireRequest kept = d.acquire("k", asker, Intent::keep_request);
  d.report.that(kept.outcome == Taken::held && kept.holder.asker == asker, "a retry finds its own");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  const AcquireRequest got = d.acquire("k", asker, Intent::keep_request);
  d.report.that(got.outcome == Taken::taken && as_text(got.record.data) == "x", "handed over");
}

template <class B>
void while_a_request_stands_commits_save_but_do_not_renew(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.acquire("k", d.somebody(), Intent::request);
  const std::uint64_t renewals = d.read("k").holder.renewals;
  d.clock.advance(minute - std::chrono::seconds(1));
  d.report.that(d.commit(d.next(mine).data("saved").renew()) == Outcome::applied, "it saves");
  d.report.that(d.holds_text("k", "saved"), "for real");
  d.clock.advance(std::chrono::seconds(1));
  d.report.that(d.read("k").holder.renewals == renewals, "who watches hears nothing");
  if constexpr (judges_leases<B>)
    d.report.that(!d.read("k").held, "an asker waits one lease at most");
}

template <class B>
void a_newer_asker_replaces_the_older(Driver<B>& d) {
  Holding mine = d.take("k");
  const Owner first = d.somebody();
  const Owner second = d.somebody();
  (void)d.acquire("k", first, Intent::request);
  (void)d.acquire("k", second, Intent::request);
  const AcquireRequest retry = d.acquire("k", first, Intent::keep_request);
  d.report.that(retry.holder.asker == second, "a retry finds the newer one's in its place");
  (void)d.acquire("k", first, Intent::withdraw);
  d.report.that(d.read("k").holder.asker == second, "and cannot withdraw it");
  const AcquireRequest withdrawn = d.acquire("k", second, Intent::withdraw);
  d.report.that(withdrawn.outcome == Taken::held, "withdrawing takes nothing");
  d.report.that(d.read("k").holder.asker.nobody(), "its own asker can withdraw it");
  Draft save = d.next(mine).renew();
  d.commit(save);
  d.report.that(!save.change().release_requested, "the holder learns that too");
}

template <class B>
void a_record_whose_lease_ran_out_goes_to_the_newest_asker(Driver<B>& d) {
  Holding mine = d.take("k");
  const Owner first = d.somebody();
  const Owner second = d.somebody();
  (void)d.acquire("k", first, Intent::request);
  (void)d.acquire("k", second, Intent::request);
  d.clock.advance(std::chrono::hours(1));
  const AcquireRequest older = d.acquire("k", first, Intent::keep_request);
  d.report.that(older.outcome == Taken::held, "a retry of the older one takes nothing");
  d.report.that(older.holder.asker == second, "and learns of the newer one");
  const AcquireRequest newest = d.acquire("k", second, Intent::keep_request);
  d.report.that(newest.outcome == (judges_leases<B> ? Taken::taken : Taken::held),
                "the newest takes it");
}

template <class B>
void a_request_belongs_to_its_epoch(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.acquire("k", d.somebody(), Intent::request);
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "released");
  Holding next = d.take("k");
  Draft save = d.next(next).data("x");
  d.commit(save);
  d.report.that(!save.change().release_requested, "a release clears it");
  (void)d.acquire("k", d.somebody(), Intent::request);
  Holding thief = d.take_away("k");
  d.report.that(d.read("k").holder.asker.nobody(), "an acquire clears it");
  (void)d.acquire("k", d.somebody(), Intent::request);
  d.erase("k");
  Holding anew = d.take("k");
  d.report.that(d.read("k").holder.asker.nobody(), "an erase clears it");
}

template <class B>
void a_request_for_a_free_record_takes_it(Driver<B>& d) {
  const AcquireRequest got = d.acquire("k", d.somebody(), Intent::request);
  d.report.that(got.outcome == Taken::taken, "there is nobody to ask");
  d.report.that(d.read("k").holder.asker.nobody(), "and no request is left");
  const AcquireRequest nothing = d.acquire("free", d.somebody(), Intent::withdraw);
  d.report.that(nothing.outcome == Taken::held, "withdrawing takes nothing, ever");
  d.report.that(!d.read("free").held, "not even what is free");
  d.report.that(!d.read("free").found, "nor is a record made of it");
  const AcquireRequest own = d.acquire("k", got.owner, Intent::withdraw);
  d.report.that(own.outcome == Taken::taken && own.record.fence == got.record.fence,
                "one who has the record without having heard of it is told, to give it back");
  d.clock.advance(2 * minute);
  d.report.that(d.acquire("k", d.somebody(), Intent::withdraw).outcome == Taken::held,
                "what has expired is not taken either");
  d.report.that(d.read("k").record.fence == got.record.fence, "and stays as it was");
}

template <class B>
void the_calendar_does_not_touch_leases(Driver<B>& d) {
  const WallTime before = d.clock.wall();
  Holding mine = d.take("k");
  d.clock.set_wall(before + std::chrono::hours(24 * 365));
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "a calendar that leaps");
  d.clock.set_wall(before - std::chrono::hours(24 * 365));
  d.clock.advance(minute);
  d.report.that(
      d.acquire("k", d.somebody()).outcome == (judges_leases<B> ? Taken::taken : Taken::held),
      "or goes back");
  d.clock.set_wall(before);
}

template <class B>
void watchers_are_woken(Driver<B>& d) {
  if constexpr (watched_backend<B>) {
    const auto queue = std::make_shared<WakeQueue>();
    d.db.watch(d.store, queue);
    const auto told = [&](std::string_view key, Hint why) {
      std::vector<Woken> hints;
      queue->drain(hints);
      for (const Woken& one : hints)
        if (one.key == key && one.why == why) return true;
      return false;
    };
    Holding mine = d.take("k");
    (void)d.acquire("k", d.somebody(), Intent::request);
    d.report.that(told("k", Hint::asked), "the holder is woken by a request");
    d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "released");
    d.report.that(told("k", Hint::freed), "who asked is woken by the release");
    Holding next = d.take("k");
    (void)d.post("k", 1, "hello");
    d.report.that(told("k", Hint::message), "the holder is woken by a message");
  } else {
    d.report.that(true, "this backend wakes nobody");
  }
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of messages: once in, once out, known again, never dropped.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void a_message_waits_until_it_is_acknowledged(Driver<B>& d) {
  const PostRequest posted = d.post("k", 1, "hello");
  d.report.that(posted.position != 0 && !posted.repeated, "posted to a record that does not exist");
  d.report.that(d.read("k").found && d.read("k").inbox_messages == 1, "it makes the record");
  const AcquireRequest got = d.acquire("k", d.somebody());
  if (!d.report.that(got.record.inbox.size() == 1, "a load brings it")) return;
  const Message& message = got.record.inbox[0];
  d.report.that(as_text(message.payload) == "hello" && message.type == "Gift" &&
                    message.codec == 1 && message.position == posted.position,
                "as it was sent");
  Holding mine{"k", got.record.fence};
  Draft save = d.next(mine).data("with hello").acknowledge(posted.position).seen(posted.position);
  d.report.that(d.commit(save) == Outcome::applied && save.change().messages.empty(), "handled");
  d.report.that(d.read("k").inbox_messages == 0, "it is out in the same commit");
  d.report.that(d.read("k").inbox_bytes == 0, "and counts no more");
}

template <class B>
void an_inbox_is_read_by_who_asks_for_it(Driver<B>& d) {
  const PostRequest posted = d.post("k", 1, "hello");
  d.post("k", 2, "again");
  ReadRequest asks;
  asks.store = d.store;
  asks.key = "k";
  asks.wants_inbox = true;
  d.db.read({&asks, 1});
  if (!d.report.that(asks.found && asks.record.inbox.size() == 2, "all that waits")) return;
  const Message& message = asks.record.inbox[0];
  d.report.that(message.position == posted.position && as_text(message.payload) == "hello" &&
                    message.type == "Gift" && message.codec == 1,
                "as it was sent, in the order it came");
  d.report.that(d.read("k").record.inbox.empty(), "and nobody who does not ask gets it");
  d.report.that(d.read("k").inbox_messages == 2, "to read takes nothing out");
}

template <class B>
void an_acknowledgement_and_its_change_are_one_write(Driver<B>& d) {
  const PostRequest posted = d.post("k", 1, "hello");
  Holding old = d.take("k");
  Holding now = d.take_away("k");
  d.report.that(d.commit(d.next(old).data("x").acknowledge(posted.position)) == Outcome::fenced,
                "refused");
  d.report.that(d.read("k").inbox_messages == 1 && !d.read("k").record.has_data,
                "the message stays where its effect was refused");
  d.report.that(d.commit(d.next(now).data("y").acknowledge(posted.position)) == Outcome::applied,
                "applied");
  d.report.that(d.commit(d.again(now).data("y").acknowledge(posted.position)) == Outcome::repeated,
                "a repeat");
  d.report.that(d.read("k").inbox_messages == 0 && d.holds_text("k", "y"), "both, once");
  d.report.that(
      d.commit(d.next(now).acknowledge(posted.position).acknowledge(99)) == Outcome::applied,
      "what is out already is passed over");
}

template <class B>
void new_messages_come_with_each_commit(Driver<B>& d) {
  Holding mine = d.take("k");
  const PostRequest first = d.post("k", 1, "a");
  const PostRequest second = d.post("k", 2, "b");
  d.report.that(second.position > first.position, "positions rise");
  Draft save = d.next(mine).data("x");
  d.commit(save);
  d.report.that(save.change().messages.size() == 2, "a commit fetches what is new");
  Draft renewal = d.next(mine).renew().seen(first.position);
  d.commit(renewal);
  d.report.that(renewal.change().messages.size() == 1 &&
                    renewal.change().messages[0].position == second.position,
                "behind what the session has seen");
}

template <class B>
void a_full_inbox_refuses_and_drops_nothing(Driver<B>& d) {
  RecordLimits limits;
  limits.inbox_messages = 2;
  d.post("k", 1, "a", &limits);
  d.post("k", 2, "b", &limits);
  const PostRequest refused = d.post("k", 3, "c", &limits);
  d.report.that(refused.error == Errc::full, "a third is refused");
  const PostRequest again = d.post("k", 1, "a", &limits);
  d.report.that(again.repeated && !failed(again.error), "a repeat is answered as the first was");
  const AcquireRequest got = d.acquire("k", d.somebody());
  d.report.that(got.record.inbox.size() == 2, "what was in is in");
  Holding mine{"k", got.record.fence};
  d.commit(d.next(mine).acknowledge(got.record.inbox[0].position));
  d.report.that(!failed(d.post("k", 3, "c", &limits).error), "and there is room when one is out");
  RecordLimits small;
  small.inbox_bytes = 200;
  d.report.that(d.post("b", 4, std::string(150, 'x'), &small).error == Errc::full,
                "bytes are counted too");
}

template <class B>
void an_id_is_known_after_its_message_is_gone(Driver<B>& d) {
  const MessageOrigin origin{{7, 7}, 0, 0, d.clock.wall()};
  const PostRequest first = d.post("k", origin, "gift");
  Holding mine = d.take("k");
  d.commit(d.next(mine).data("x").acknowledge(first.position));
  const PostRequest again = d.post("k", origin, "gift");
  d.report.that(again.repeated && again.position == first.position, "answered as the first was");
  d.report.that(d.read("k").inbox_messages == 0, "and not put in again");
  RecordLimits limits;
  d.clock.advance(limits.repeats_known - std::chrono::hours(1));
  d.report.that(d.post("k", origin, "gift").repeated, "for as long as it is promised");
  d.clock.advance(std::chrono::hours(2));
  d.post("k", 8, "another");
  const PostRequest late = d.post("k", origin, "gift");
  d.report.that(late.repeated || late.error == Errc::refused, "later it is refused, never posted");
  d.report.that(d.read("k").inbox_messages == 1, "the other one alone is in");
  d.report.that(d.post("fresh", origin, "gift").error == Errc::refused,
                "an id too old to be known is refused anywhere");
}

template <class B>
void a_forgotten_id_is_refused_whatever_the_calendar_says(Driver<B>& d) {
  const WallTime then = d.clock.wall();
  const MessageOrigin origin{{7, 7}, 0, 0, then};
  d.post("k", origin, "gift");
  d.clock.set_wall(then + std::chrono::hours(24 * 8));
  for (std::uint64_t other = 1000; other < 1200; ++other)
    d.post("k", other, "another");
  d.clock.set_wall(then + std::chrono::hours(1));
  const PostRequest late = d.post("k", origin, "gift");
  d.report.that(late.repeated || late.error == Errc::refused, "put forward and back");
  d.report.that(d.read("k").inbox_messages == 201, "it is in once");
  d.report.that(!failed(d.post("k", 1, "new").error), "what is tried first now is taken");
}

template <class B>
void a_refused_post_makes_no_record(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  d.report.that(d.post("k", 1, "a", &none).error == Errc::full, "no room");
  d.clock.advance(std::chrono::hours(24 * 365));
  d.report.that(d.post("k", MessageOrigin{{1, 0}, 0, 0, WallTime{}}, "a").error == Errc::refused,
                "too late");
  Holding sender = d.take("sender");
  d.commit(d.next(sender).data("x").send("k", 1, "a").limits(none));
  d.report.that(d.read("sender").outbox_messages == 1, "what was sent waits");
  d.report.that(!d.read("k").found, "there is still no record");
}

template <class B>
void a_numbered_message_is_known_for_ever(Driver<B>& d) {
  const MessageOrigin third{{1, 2}, 5, 3, {}};
  d.report.that(!failed(d.post("k", third, "c").error), "taken");
  Holding mine = d.take("k");
  d.commit(d.next(mine).acknowledge(1));
  d.clock.advance(std::chrono::hours(24 * 400));
  d.report.that(d.post("k", third, "c").repeated, "the same number");
  d.report.that(d.post("k", MessageOrigin{{1, 2}, 5, 2, {}}, "b").repeated, "a lower one");
  d.report.that(d.post("k", MessageOrigin{{1, 2}, 4, 9, {}}, "z").repeated,
                "one of an older epoch");
  d.report.that(!d.post("k", MessageOrigin{{1, 2}, 5, 4, {}}, "d").repeated, "the next is new");
  d.report.that(!d.post("k", MessageOrigin{{1, 2}, 6, 1, {}}, "e").repeated, "a new epoch's too");
  d.report.that(!d.post("k", MessageOrigin{{9, 9}, 1, 1, {}}, "f").repeated,
                "another sender's too");
  d.report.that(d.read("k").inbox_messages == 3, "three are in");
}

template <class B>
void a_sent_message_leaves_with_its_cause(Driver<B>& d) {
  Holding mine = d.take("sender");
  Draft save = d.next(mine).data("paid").send("receiver", 1, "gift");
  d.report.that(d.commit(save) == Outcome::applied, "one commit");
  d.report.that(save.change().sends[0].delivered, "delivers where it can reach");
  d.report.that(d.read("receiver").inbox_messages == 1, "it is there");
  Draft again = d.again(mine).data("paid").send("receiver", 1, "gift");
  d.report.that(d.commit(again) == Outcome::repeated, "a repeat");
  d.report.that(again.change().sends[0].delivered, "says the same");
  d.report.that(d.read("receiver").inbox_messages == 1, "and sends nothing");
  Holding thief = d.take_away("sender");
  d.report.that(d.commit(d.next(mine).data("x").send("receiver", 2, "gift")) == Outcome::fenced,
                "refused");
  d.report.that(d.read("receiver").inbox_messages == 1, "nothing leaves with a refused commit");
  const AcquireRequest got = d.acquire("receiver", d.somebody());
  d.report.that(!got.record.inbox.empty() && got.record.inbox[0].origin.is_numbered() &&
                    got.record.inbox[0].origin.epoch == mine.fence.epoch &&
                    got.record.inbox[0].origin.source == key_hash(d.birth, "sender"),
                "it names its sender by hash, epoch and number");
}

template <class B>
void a_save_never_fails_because_a_receiver_is_full(Driver<B>& d) {
  RecordLimits limits;
  limits.inbox_messages = 1;
  Holding mine = d.take("sender");
  Draft save = d.next(mine).data("x").send("receiver", 1, "a").send("receiver", 2, "b");
  d.report.that(d.commit(save.limits(limits)) == Outcome::applied, "the save goes through");
  d.report.that(save.change().sends[0].delivered && !save.change().sends[1].delivered,
                "what has no room waits");
  d.report.that(d.read("sender").outbox_messages == 1, "in the sender's outbox");
  Holding receiver = d.take("receiver");
  d.commit(d.next(receiver).acknowledge(1));
  Draft later = d.next(mine).data("y").send("receiver", 3, "c");
  d.report.that(d.commit(later.limits(limits)) == Outcome::applied, "saved");
  d.report.that(!later.change().sends[0].delivered,
                "a later message does not overtake one that waits, though there is room");
  const auto waiting = d.waiting();
  if (!d.report.that(waiting.size() == 1 && waiting[0].messages.size() == 2, "both wait")) return;
  d.report.that(waiting[0].key == "sender" && waiting[0].messages[0].number == 2 &&
                    waiting[0].messages[1].number == 3 && waiting[0].messages[0].key == "receiver",
                "in the order they were sent");
  const AcquireRequest next = d.steal("sender", d.read("sender").holder);
  d.report.that(next.record.outbox == std::vector<std::uint64_t>({2, 3}), "a load learns of them");
}

template <class B>
void a_message_whose_reply_was_lost_is_sent_again_and_is_there_once(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = d.take("sender");
  const auto save = [&](const RecordLimits& limits) {
    Draft draft = d.next(mine).data("x").send("a", 1, "one").send("b", 2, "two").limits(limits);
    d.commit(draft);
    return draft.change().sends[0].delivered;
  };
  for (int twice = 0; twice < 2; ++twice) {
    d.report.that(!save(none), "it waits");
    d.report.that(d.read("sender").outbox_messages == 2, "and each is there once");
  }
  const auto waiting = d.waiting();
  if (!d.report.that(waiting.size() == 1, "one record's")) return;
  d.take_out("sender", waiting[0].messages);
  for (int twice = 0; twice < 2; ++twice)
    d.report.that(save({}) && d.read("a").inbox_messages == 1, "it is delivered once");
}

template <class B>
void a_relay_is_harmless_when_repeated(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = d.take("sender");
  d.commit(d.next(mine).data("x").send("receiver", 1, "a").send("receiver", 2, "b").limits(none));
  const Hash128 self = key_hash(d.birth, "sender");
  for (int twice = 0; twice < 2; ++twice) {
    for (const auto& waiting : d.waiting())
      for (const OutgoingMessage& m : waiting.messages) {
        PostRequest post{d.store, m.key, {self, m.epoch, m.number, {}}, m.view(), nullptr};
        d.db.post({&post, 1});
        d.report.that(!failed(post.error) && post.repeated == (twice == 1), "posted once");
      }
  }
  const auto waiting = d.waiting();
  if (!d.report.that(waiting.size() == 1, "it waits until it is taken out")) return;
  d.take_out("sender", std::span(waiting[0].messages).first(1));
  d.report.that(d.read("sender").outbox_messages == 1, "one is out");
  d.take_out("sender", waiting[0].messages);
  d.take_out("sender", waiting[0].messages);
  d.take_out("nobody", waiting[0].messages);
  d.report.that(d.waiting().empty() && d.read("sender").outbox_messages == 0, "all are out");
  const AcquireRequest got = d.acquire("receiver", d.somebody());
  d.report.that(got.record.inbox.size() == 2 && as_text(got.record.inbox[0].payload) == "a" &&
                    as_text(got.record.inbox[1].payload) == "b",
                "each is in once, in order");
  d.save(mine, "needs no lease: the sender's session goes on");
}

template <class B>
void waiting_records_are_listed_in_pages(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  for (const char* key : {"a", "b", "c"}) {
    Holding mine = d.take(key);
    d.commit(d.next(mine).data("x").send("receiver", 1, key).limits(none));
  }
  const auto first = d.waiting(2);
  if (!d.report.that(first.size() == 2, "no more than asked for")) return;
  const auto rest = d.waiting(2, first[1].key);
  d.report.that(rest.size() == 1 && rest[0].key != first[0].key && rest[0].key != first[1].key,
                "and those behind it");
}

template <class B>
void an_erase_sends_what_waits_first(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = d.take("sender");
  d.commit(d.next(mine).data("x").send("receiver", 1, "a").limits(none));
  const EraseRequest refused = d.erase("sender", false, &none);
  d.report.that(refused.error == Errc::full && d.holds_text("sender", "x"),
                "no room: nothing is erased");
  d.save(mine, "y");
  const EraseRequest erased = d.erase("sender");
  d.report.that(erased.found && erased.sent == 1 && erased.dropped == 0, "sent, then erased");
  d.report.that(!d.read("sender").found && d.read("receiver").inbox_messages == 1, "both");
  d.report.that(d.waiting().empty(), "nothing waits any more");
  Holding next = d.take("second");
  d.commit(d.next(next).data("x").send("receiver", 1, "b").limits(none));
  const EraseRequest dropped = d.erase("second", true, &none);
  d.report.that(dropped.dropped == 1 && !d.read("second").found,
                "or dropped and counted when told");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of what a record holds, of a store's header, and of commits over several records.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void a_load_brings_what_was_saved(Driver<B>& d) {
  Holding mine = d.take("k");
  d.commit(d.next(mine).data("data").metadata("meta").users({7, 9}));
  d.commit(d.next(mine).release());
  const AcquireRequest got = d.acquire("k", d.somebody());
  d.report.that(got.record.has_data && as_text(got.record.data) == "data", "data");
  d.report.that(as_text(got.record.metadata) == "meta", "metadata");
  d.report.that(got.record.user_ids == std::vector<std::uint64_t>({7, 9}), "user ids");
  d.report.that(got.record.version == 1, "version");
  Holding next{"k", got.record.fence};
  d.save(next, "more");
  const ReadRequest now = d.read("k");
  d.report.that(as_text(now.record.metadata) == "meta" && now.record.user_ids.size() == 2,
                "what a commit does not name stays");
  d.commit(d.next(next).users({}).metadata(""));
  d.report.that(d.read("k").record.user_ids.empty() && d.read("k").record.metadata.empty() &&
                    d.holds_text("k", "more"),
                "and can be emptied alone");
  d.report.that(d.read("k").record.version == 2, "the version grows with data only");
  ReadRequest brief{d.store, "k", false};
  d.db.read({&brief, 1});
  d.report.that(brief.record.has_data && brief.record.data.empty(), "a read may leave data out");
}

template <class B>
void data_can_be_removed(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Draft empty = d.next(mine).no_data();
  d.report.that(d.commit(empty) == Outcome::applied && empty.change().version == 2, "removed");
  d.report.that(d.read("k").found && !d.read("k").record.has_data, "the record stays, empty");
  Draft zero = d.next(mine).data("");
  d.commit(zero);
  d.report.that(d.read("k").record.has_data && d.read("k").record.data.empty(),
                "no bytes are not no data");
}

template <class B>
void times_are_the_backends(Driver<B>& d) {
  Holding mine = d.take("k");
  const WallTime begin = d.clock.wall();
  d.save(mine, "x");
  d.clock.advance(minute);
  d.commit(d.next(mine).renew());
  d.report.that(d.read("k").record.updated == begin, "a renewal is no update");
  d.save(mine, "y");
  const ReadRequest now = d.read("k");
  d.report.that(now.record.created == begin, "created by the first save");
  d.report.that(now.record.updated == begin + minute, "updated by the last");
  d.report.that(now.record.now == d.clock.wall(), "a reply says what time it is");
  Draft import = d.next(mine).data("z");
  import.change().created = begin - std::chrono::hours(1000);
  import.change().load_count = 41;
  d.commit(import);
  const ReadRequest imported = d.read("k");
  d.report.that(imported.record.created == begin - std::chrono::hours(1000), "an import sets it");
  d.report.that(imported.record.load_count == 41, "and the load count");
}

template <class B>
void the_first_commit_of_an_epoch_counts_a_load(Driver<B>& d) {
  Holding first = d.take("k");
  d.report.that(d.read("k").record.load_count == 0, "an acquire alone does not count");
  d.commit(d.next(first).data("x"));
  d.commit(d.next(first).data("y"));
  d.report.that(d.read("k").record.load_count == 1, "the first commit does, the second not");
  d.commit(d.next(first).release());
  Holding second = d.take("k");
  d.commit(d.next(second).release());
  d.report.that(d.read("k").record.load_count == 2, "a clean session's release counts");
  d.commit(d.again(second).release());
  d.report.that(d.read("k").record.load_count == 2, "a repeat does not");
}

template <class B>
void receipts_are_kept_until_forgotten(Driver<B>& d) {
  Holding mine = d.take("k");
  std::vector<Receipt> all;
  for (std::uint32_t i = 1; i <= 60; ++i) {
    d.commit(d.next(mine).receipt(i, i / 10));
    all.push_back({{i, i}, i / 10});
  }
  const auto kept = [&] { return d.acquire("k", mine.fence.owner).record; };
  d.report.that(kept().receipts == all, "all, in the order they came");
  d.report.that(kept().receipts_forgotten == 0, "none is forgotten yet");
  d.commit(d.next(mine).forget_receipts(2).receipt(100, 9));
  std::erase_if(all, [](const Receipt& r) { return r.day <= 2; });
  all.push_back({{100, 100}, 9});
  d.report.that(kept().receipts == all, "those of a day and before are forgotten");
  d.report.that(kept().receipts_forgotten == 2, "and it is known up to when");
  d.commit(d.next(mine).forget_receipts(1));
  d.report.that(kept().receipts_forgotten == 2 && kept().receipts == all, "which never goes back");
}

template <class B>
void a_scan_finds_each_record_with_data_once(Driver<B>& d)
  requires scans_keys<B>
{
  std::set<std::string> expected;
  for (int i = 0; i < 25; ++i) {
    Holding mine = d.take("key" + std::to_string(i));
    if (i % 5 == 4) continue;
    d.save(mine, "x");
    expected.insert(mine.key);
  }
  d.post("mail only", 1, "hello");
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    std::set<std::string> seen;
    ScanRequest page{d.store, "", most};
    for (int pages = 0; pages < 40 && !page.done; ++pages) {
      page.after = page.next;
      d.db.scan({&page, 1});
      d.report.that(page.keys.size() <= most, "a page is no larger than asked for");
      for (const std::string& key : page.keys)
        d.report.that(seen.insert(key).second, "no key twice");
    }
    d.report.that(page.done && seen == expected, "all keys with data, and no other");
  }
}

template <class B>
void a_scan_of_inboxes_finds_each_record_in_which_messages_wait(Driver<B>& d)
  requires scans_keys<B>
{
  std::set<std::string> expected;
  for (int i = 0; i < 12; ++i) {
    Holding mine = d.take("key" + std::to_string(i));
    if (i % 3 != 0) d.save(mine, "x");
    d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "it is given back");
    if (i % 2 != 0) continue;
    d.post(mine.key, 1, "hello");
    expected.insert(mine.key);
  }
  d.post("mail only", 1, "hello");
  expected.insert("mail only");
  for (const std::size_t most : {std::size_t{1}, std::size_t{5}, std::size_t{1000}}) {
    std::set<std::string> seen;
    ScanRequest page{d.store, "", most};
    page.of_inboxes = true;
    for (int pages = 0; pages < 40 && !page.done; ++pages) {
      page.after = page.next;
      d.db.scan({&page, 1});
      seen.insert(page.keys.begin(), page.keys.end());
    }
    d.report.that(page.done && seen == expected, "those with messages, with data or without");
  }
}

template <class B>
void a_store_is_found_by_its_name(Driver<B>& d) {
  Driver<B> same(d.db, d.clock, d.report);
  Driver<B> other(d.db, d.clock, d.report, "other");
  d.report.that(same.store == d.store && same.birth == d.birth, "one name, one store");
  d.report.that(!(other.store == d.store) && other.birth != d.birth, "another name, another one");
  Holding mine = d.take("k");
  d.save(mine, "mine");
  d.report.that(same.holds_text("k", "mine"), "records of one");
  d.report.that(!other.read("k").found, "are not the other's");
  Holding theirs = other.take("k");
  other.save(theirs, "theirs");
  d.report.that(d.holds_text("k", "mine") && other.holds_text("k", "theirs"), "nor mixed up");
}

template <class B>
void a_header_is_checked(Driver<B>& d) {
  OpenStoreRequest lock{"laws", LockKind::none, {}};
  d.db.open_store({&lock, 1});
  d.report.that(lock.error == Errc::invalid, "another lock kind is invalid");
  OpenStoreRequest known{"laws", LockKind::lease, d.birth};
  d.db.open_store({&known, 1});
  d.report.that(!failed(known.error), "the birth id that was known is fine");
  OpenStoreRequest foreign{"laws", LockKind::lease, Hash128{1, 2}};
  d.db.open_store({&foreign, 1});
  d.report.that(foreign.error == Errc::refused, "another birth id is refused");
  OpenStoreRequest gone{"gone", LockKind::lease, Hash128{1, 2}};
  d.db.open_store({&gone, 1});
  d.report.that(gone.error == Errc::refused, "so is a header that is missing where one was known");
  OpenStoreRequest made{"gone", LockKind::none, {}};
  d.db.open_store({&made, 1});
  d.report.that(!failed(made.error), "which was not made by asking");
}

template <class B>
void changes_of_one_commit_are_all_or_nothing(Driver<B>& d) {
  if constexpr (transactional_backend<B>) {
    Holding a = d.take("a"), b = d.take("b"), c = d.take("c");
    const auto all = [&](Draft x, Draft y, Draft z) {
      Change changes[] = {x.bind(), y.bind(), z.bind()};
      CommitRequest request{changes};
      d.db.commit({&request, 1});
      return std::pair(request.outcome, request.culprit);
    };
    const auto first =
        all(d.next(a).data("1"), d.next(b).data("1").send("d", 1, "gift"), d.next(c).data("1"));
    d.report.that(first.first == Outcome::applied, "all");
    d.report.that(d.holds_text("a", "1") && d.holds_text("b", "1") && d.holds_text("c", "1") &&
                      d.read("d").inbox_messages == 1,
                  "with what they send");
    const auto again = all(d.again(a).data("x"), d.again(b).data("x"), d.again(c).data("x"));
    d.report.that(again.first == Outcome::repeated, "a repeat of all is one");
    Holding thief = d.take_away("b");
    const auto refused =
        all(d.next(a).data("2").send("d", 1, "x"), d.next(b).data("2"), d.next(c).data("2"));
    d.report.that(refused == std::pair(Outcome::fenced, std::size_t{1}), "one is fenced");
    d.report.that(
        d.holds_text("a", "1") && d.holds_text("c", "1") && d.read("d").inbox_messages == 1,
        "and none is written");
    d.save(a, "3");
    d.save(c, "3");
    d.save(thief, "3");
  } else {
    d.report.that(true, "this backend makes no promise over several records");
  }
}

template <class B>
void a_message_to_oneself_is_new_at_once(Driver<B>& d) {
  Holding mine = d.take("k");
  Draft save = d.next(mine).data("x").send("k", 1, "to myself");
  d.report.that(d.commit(save) == Outcome::applied && save.change().sends[0].delivered, "sent");
  d.report.that(save.change().messages.size() == 1, "a message to oneself is new at once");
}

template <class B>
void every_key_byte_is_kept(Driver<B>& d) {
  std::string key;
  for (int byte = 1; byte < 256; ++byte)
    key.push_back(static_cast<char>(byte));
  Holding mine = d.take(key);
  d.save(mine, "all");
  Holding path = d.take("../../etc/passwd");
  d.save(path, "text");
  d.report.that(d.holds_text(key, "all") && d.holds_text("../../etc/passwd", "text"),
                "a key is bytes and nothing else");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

// The laws of a backend that holds schemas.

namespace persist::inline PERSIST_ABI::testing::laws {

/// A commit of data that needs that schema, which is only named or sent too.
template <class B>
CommitRequest save_with_schema(Driver<B>& d, Holding& holding, const Schema& schema, bool sends) {
  Draft draft = d.next(holding).data("data");
  draft.change().schema = &schema;
  draft.change().sends_schema = sends;
  CommitRequest request{{&draft.bind(), 1}};
  d.db.commit({&request, 1});
  request.changes = {};
  return request;
}
template <class B>
[[nodiscard]] SchemaRequest read_schema(Driver<B>& d, const Hash128& id) {
  SchemaRequest request{d.store, id};
  d.db.read_schemas({&request, 1});
  return request;
}
[[nodiscard]] inline Schema schema_of(std::string_view text) {
  return {schema_id(as_bytes(text)), as_bytes(text)};
}

template <class B>
void a_schema_nobody_sent_is_refused_and_one_that_was_sent_stays(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding mine = d.take("k");
  d.report.that(read_schema(d, schema.id).error == Errc::unknown_schema, "nobody sent it yet");
  const CommitRequest refused = save_with_schema(d, mine, schema, false);
  d.report.that(refused.outcome == Outcome::failed && refused.error == Errc::unknown_schema,
                "what only names it is refused");
  d.report.that(!d.read("k").record.has_data, "and nothing is written");
  --mine.fence.write;
  d.report.that(save_with_schema(d, mine, schema, true).outcome == Outcome::applied,
                "the same commit with the schema is applied");
  d.report.that(as_text(read_schema(d, schema.id).bytes) == "names and kinds", "it is kept");
  Holding other = d.take("l");
  d.report.that(save_with_schema(d, other, schema, false).outcome == Outcome::applied,
                "and from then on naming it is enough");
  (void)d.erase("k");
  (void)d.erase("l");
  d.report.that(!failed(read_schema(d, schema.id).error), "it stays when its records are erased");
}

template <class B>
void a_schema_comes_with_its_commit_or_not_at_all(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding old = d.take("k");
  Holding now = d.take_away("k");
  d.report.that(save_with_schema(d, old, schema, true).outcome == Outcome::fenced,
                "an old epoch is refused");
  d.report.that(read_schema(d, schema.id).error == Errc::unknown_schema, "and brings nothing");
  const Schema false_name{schema.id, as_bytes("other names")};
  d.report.that(save_with_schema(d, now, false_name, true).error == Errc::invalid,
                "a schema under another's name is refused");
  d.report.that(read_schema(d, schema.id).error == Errc::unknown_schema, "and not kept");
}

template <class B>
void a_schema_belongs_to_its_store(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding mine = d.take("k");
  (void)save_with_schema(d, mine, schema, true);
  Driver<B> other(d.db, d.clock, d.report, "other");
  d.report.that(read_schema(other, schema.id).error == Errc::unknown_schema,
                "another store does not hold it");
}

template <class B>
void a_claim_whose_partner_cannot_be_read_makes_no_record(Driver<B>& d) {
  if constexpr (transactional_backend<B>) {
    const Schema schema = schema_of("names and kinds");
    Looker writer = look(d, "new");
    Holding partner = d.take("k");
    Draft claims = claim_with(d, writer, Claims::unleased).data("data");
    Draft names = d.next(partner).data("data");
    names.change().schema = &schema;
    Change changes[] = {claims.bind(), names.bind()};
    CommitRequest request{changes};
    d.db.commit({&request, 1});
    d.report.that(request.outcome == Outcome::failed, "a schema is missing");
    d.report.that(!d.read("new").found, "of the other nothing is there");
  }
}

template <class B>
void schemas_of_one_batch_are_known_to_what_follows(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding first = d.take("k");
  Holding second = d.take("l");
  Draft sends = d.next(first).data("data");
  Draft names = d.next(second).data("data");
  for (Draft* draft : {&sends, &names})
    draft->change().schema = &schema;
  sends.change().sends_schema = true;
  CommitRequest batch[] = {{{&sends.bind(), 1}}, {{&names.bind(), 1}}};
  d.db.commit(batch);
  d.report.that(batch[0].outcome == Outcome::applied && batch[1].outcome == Outcome::applied,
                "both are applied");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws

namespace persist::inline PERSIST_ABI::testing {

/// One sentence that must be true of a backend, and how to find out.
template <record_backend B>
struct BackendLaw {
  const char* sentence;
  void (*run)(laws::Driver<B>&);

  /// Tries it on a backend that is fresh, or holds nothing in a store named "laws", and whose
  /// leases `clock` judges.
  [[nodiscard]] Report operator()(B& backend, ManualClock& clock) const {
    Report report;
    laws::Driver<B> driver(backend, clock, report);
    run(driver);
    return report;
  }
};

/// Who may write, and until when.
template <record_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> fence_and_lease_laws() {
  using namespace laws;
  return {
      {"an old epoch's commit is refused and writes nothing", an_old_epoch_changes_nothing},
      {"the right epoch with a wrong owner is refused", a_wrong_owner_is_refused},
      {"an epoch that was never given out is refused", an_epoch_never_given_out_is_refused},
      {"a lower write number is refused", a_lower_write_number_is_superseded},
      {"a repeated write says applied and does nothing, before and after the release",
       a_repeated_write_says_applied_and_does_nothing},
      {"a renewal after the release is refused", a_commit_after_the_release_is_refused},
      {"epochs never go back", epochs_never_go_back},
      {"an erase fences the open session and leaves the record empty",
       an_erase_fences_the_open_session},
      {"versions go on after an erase", versions_go_on_after_an_erase},
      {"the last four epochs know what landed", the_last_four_epochs_know_what_landed},
      {"owners are never equal and copies share the database", owners_are_never_equal},
      {"acquire is exclusive", acquire_is_exclusive},
      {"a repeated acquire gives the same epoch", a_repeated_acquire_gives_the_same_epoch},
      {"an expired lease is free for others", an_expired_lease_is_free_for_others},
      {"an expired lease that nobody took is renewed by the next commit",
       an_expired_lease_nobody_took_is_renewed_by_the_next_commit},
      {"a commit that keeps the lease does not renew it",
       a_commit_that_keeps_the_lease_does_not_renew_it},
      {"a lease of no length holds nobody up", a_lease_of_no_length_holds_nobody_up},
      {"a late steal is refused", a_late_steal_is_refused},
      {"a request to let go is seen by the holder", a_request_is_seen_by_the_holder},
      {"while a request stands commits save but do not renew",
       while_a_request_stands_commits_save_but_do_not_renew},
      {"a newer asker replaces the older one", a_newer_asker_replaces_the_older},
      {"a record whose lease ran out goes to the newest asker",
       a_record_whose_lease_ran_out_goes_to_the_newest_asker},
      {"a request belongs to its epoch", a_request_belongs_to_its_epoch},
      {"a request for a free record takes it", a_request_for_a_free_record_takes_it},
      {"the calendar does not touch leases", the_calendar_does_not_touch_leases},
      {"watchers are woken", watchers_are_woken},
      {"a look takes nothing", a_look_takes_nothing},
      {"a claim takes what is as it was seen", a_claim_takes_what_is_as_it_was_seen},
      {"a claim is refused after a save or an acquisition",
       a_claim_is_refused_after_a_save_or_an_acquisition},
      {"a claim of the unleased is refused while a lease holds the record",
       a_claim_of_the_unleased_waits_for_no_lease},
      {"a claim that is sent again is applied once", a_claim_that_is_sent_again_is_applied_once},
      {"of two claims of one moment one wins", of_two_claims_of_one_moment_one_wins},
      {"a claim behind an erase is refused", a_claim_behind_an_erase_is_refused},
      {"a server that comes back reclaims its own", a_server_that_comes_back_reclaims_its_own},
      {"an epoch is at least what is asked for", an_epoch_is_at_least_what_is_asked_for},
      {"an epoch that was given elsewhere is claimed upwards only",
       an_epoch_given_elsewhere_is_claimed_upwards_only},
  };
}

/// What a record holds and what comes to it.
template <record_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> content_laws() {
  using namespace laws;
  return {
      {"a message waits until it is acknowledged", a_message_waits_until_it_is_acknowledged},
      {"an inbox is read by who asks for it", an_inbox_is_read_by_who_asks_for_it},
      {"an acknowledgement and its change are one write",
       an_acknowledgement_and_its_change_are_one_write},
      {"new messages come with each commit", new_messages_come_with_each_commit},
      {"a full inbox refuses and drops nothing", a_full_inbox_refuses_and_drops_nothing},
      {"an id is known after its message is gone", an_id_is_known_after_its_message_is_gone},
      {"a forgotten id is refused whatever the calendar says",
       a_forgotten_id_is_refused_whatever_the_calendar_says},
      {"a refused post makes no record", a_refused_post_makes_no_record},
      {"a numbered message is known for ever", a_numbered_message_is_known_for_ever},
      {"a sent message leaves with its cause", a_sent_message_leaves_with_its_cause},
      {"a save never fails because a receiver is full",
       a_save_never_fails_because_a_receiver_is_full},
      {"a message whose reply was lost is sent again and is there once",
       a_message_whose_reply_was_lost_is_sent_again_and_is_there_once},
      {"a relay is harmless when repeated", a_relay_is_harmless_when_repeated},
      {"records whose outbox waits are listed in pages", waiting_records_are_listed_in_pages},
      {"an erase sends what waits first", an_erase_sends_what_waits_first},
      {"a load brings what was saved", a_load_brings_what_was_saved},
      {"data can be removed", data_can_be_removed},
      {"times are the backend's", times_are_the_backends},
      {"the first commit of an epoch counts a load", the_first_commit_of_an_epoch_counts_a_load},
      {"receipts are kept until they are forgotten", receipts_are_kept_until_forgotten},
      {"a store is found by its name", a_store_is_found_by_its_name},
      {"a store's header is checked", a_header_is_checked},
      {"the changes of one commit are all or nothing", changes_of_one_commit_are_all_or_nothing},
      {"a message to oneself is new at once", a_message_to_oneself_is_new_at_once},
      {"every byte of a key is kept", every_key_byte_is_kept},
      {"a batch is equal to its requests one by one", a_batch_is_its_requests_one_by_one},
  };
}

/// What a backend that names its keys does.
template <scans_keys B>
[[nodiscard]] std::vector<BackendLaw<B>> scan_laws() {
  using namespace laws;
  return {
      {"a scan finds each record with data once", a_scan_finds_each_record_with_data_once},
      {"a scan of inboxes finds each record in which messages wait",
       a_scan_of_inboxes_finds_each_record_in_which_messages_wait},
  };
}

/// What a backend that holds schemas does with them.
template <holds_schemas B>
[[nodiscard]] std::vector<BackendLaw<B>> schema_laws() {
  using namespace laws;
  return {
      {"a schema nobody sent is refused and one that was sent stays",
       a_schema_nobody_sent_is_refused_and_one_that_was_sent_stays},
      {"a schema comes with its commit or not at all",
       a_schema_comes_with_its_commit_or_not_at_all},
      {"a schema belongs to its store", a_schema_belongs_to_its_store},
      {"a claim whose partner cannot be read makes no record",
       a_claim_whose_partner_cannot_be_read_makes_no_record},
      {"schemas of one batch are known to what follows",
       schemas_of_one_batch_are_known_to_what_follows},
  };
}

/// What a backend that keeps indexes does with them.
template <queries_indexes B>
[[nodiscard]] std::vector<BackendLaw<B>> index_laws() {
  using namespace laws;
  return {
      {"an index is ordered by value and then by key",
       an_index_is_ordered_by_value_and_then_by_key},
      {"a page goes on behind where the last one ended",
       a_page_goes_on_behind_where_the_last_one_ended},
      {"the rows around a key have it in their middle",
       the_rows_around_a_key_have_it_in_their_middle},
      {"entries come with their commit or not at all",
       entries_come_with_their_commit_or_not_at_all},
      {"entries stay until a commit brings others", entries_stay_until_a_commit_brings_others},
      {"an erase takes a record out of every index", an_erase_takes_a_record_out_of_every_index},
      {"user ids are an index of their own", user_ids_are_an_index_of_their_own},
      {"an index belongs to its store", an_index_belongs_to_its_store},
      {"entries of one batch are all in", entries_of_one_batch_are_all_in},
  };
}

/// What a backend that keeps older states of the data does with them.
template <versioned_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> history_laws() {
  using namespace laws;
  return {
      {"what is replaced is kept in the same commit", what_is_replaced_is_kept},
      {"where nothing is to be kept nothing is", without_a_rule_nothing_is_kept},
      {"a write without a rule leaves the history as it is",
       a_write_without_a_rule_leaves_the_history},
      {"a repeated commit keeps nothing twice", a_repeated_commit_keeps_nothing_twice},
      {"a commit that is refused keeps nothing", a_refused_commit_keeps_nothing},
      {"the rule says what stays", the_rule_says_what_stays},
      {"what is removed is kept", what_is_removed_is_kept},
      {"an erase takes the history with it", an_erase_takes_the_history_with_it},
      {"a state that is not kept is not found", a_state_that_is_not_kept_is_not_found},
      {"states of one batch are kept like others", states_of_one_batch_are_kept},
      {"a claim keeps what it replaces", a_claim_keeps_what_it_replaces},
      {"a history belongs to its record", a_history_belongs_to_its_record},
  };
}

/// What every backend promises. Give each law a backend of its own; a law that does not pass says
/// in its report which sentence broke, with the line in the law.
template <record_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> backend_laws() {
  std::vector<BackendLaw<B>> all = fence_and_lease_laws<B>();
  for (const BackendLaw<B>& law : content_laws<B>())
    all.push_back(law);
  if constexpr (scans_keys<B>)
    for (const BackendLaw<B>& law : scan_laws<B>())
      all.push_back(law);
  if constexpr (holds_schemas<B>)
    for (const BackendLaw<B>& law : schema_laws<B>())
      all.push_back(law);
  if constexpr (queries_indexes<B>)
    for (const BackendLaw<B>& law : index_laws<B>())
      all.push_back(law);
  if constexpr (versioned_backend<B>)
    for (const BackendLaw<B>& law : history_laws<B>())
      all.push_back(law);
  return all;
}

}  // namespace persist::inline PERSIST_ABI::testing

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

// What lies between a simulated server and its records.

namespace persist::inline PERSIST_ABI::testing {

using SimulatedDatabase = Witness<backend::Memory>;
using SimulatedLine = Faulty<SimulatedDatabase>;
/// The lock policy of an evening whose leases live in a database of their own.
using SimulatedExternal = lock::External<SimulatedLine>;

/// A server's lines: to the database, and with `lock::External` to that of its leases, on each of
/// which other things go wrong.
template <class Lock>
class SimulatedLines {
 public:
  static constexpr bool are_two = requires { typename Lock::leases; };

  SimulatedLines(const SimulatedDatabase& data, const SimulatedDatabase& leases,
                 Stragglers& stragglers, Faults faults)
      : data_(data, stragglers, faults), leases_(leases, stragglers, faults) {}

  /// Makes a store at their end.
  template <class Players>
  void open(std::optional<Players>& players, StoreOptions told) const {
    if constexpr (are_two)
      players.emplace("players", data_, leases_, std::move(told));
    else
      players.emplace("players", data_, std::move(told));
  }
  void set_faults(Faults faults) noexcept {
    data_.set_faults(faults);
    leases_.set_faults(faults);
  }
  /// Whether nothing gets through, to the data or to the leases.
  void cut(bool data, bool leases) noexcept {
    data_.cut(data);
    leases_.cut(leases);
  }
  [[nodiscard]] bool is_cut() const noexcept { return data_.is_cut() || leases_.is_cut(); }
  /// The database was put back, and what stood in for it on its way.
  void forget_reads() noexcept {
    data_.forget_reads();
    leases_.forget_reads();
  }
  /// Whether the database has no room left for data.
  void fill(bool is_full) noexcept { data_.fill(is_full); }

 private:
  SimulatedLine data_, leases_;
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

/// The spill folders of the servers of an evening, in a folder of their own that goes with this,
/// and an account of what lies in them: by the files alone, whatever a store says of them.
class SpillFolders {
 public:
  /// What an entry writes, of one record.
  struct Write {
    std::string key;
    Fence fence;
    bool claims = false;
    bool gives_back = false;
  };
  enum class Fate : std::uint8_t { waits, gone, refused };
  struct Entry {
    spill::FileName name;  ///< while it waits
    std::vector<Write> writes;
    std::uint64_t follows = 0;
    bool may_be_late = false;  ///< what it follows may have given the record back before
    Fate fate = Fate::waits;
    TimePoint started{};        ///< when whoever wrote it was
    bool is_forgotten = false;  ///< the database was put back since to what it was before

    [[nodiscard]] bool writes_to(std::string_view key) const {
      for (const Write& write : writes)
        if (write.key == key) return true;
      return false;
    }
    [[nodiscard]] bool is_of(std::uint64_t session) const {
      for (const Write& write : writes)
        if (write.fence.owner.session == session) return true;
      return false;
    }
    [[nodiscard]] std::string file() const {
      spill::FileName now = name;
      if (fate == Fate::refused) now.end = spill::FileName::refused;
      return now.text();
    }
  };

  explicit SpillFolders(std::size_t servers) : known_(servers) {
    std::error_code ignored;
    const std::filesystem::path below = std::filesystem::temp_directory_path(ignored);
    do
      root_ = below / ("persist-evening-" + std::to_string(persist::detail::os::random_bits()));
    while (!std::filesystem::create_directory(root_, ignored) && !ignored);
  }
  SpillFolders(const SpillFolders&) = delete;
  SpillFolders& operator=(const SpillFolders&) = delete;
  ~SpillFolders() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] bool is_usable() const {
    std::error_code ignored;
    return std::filesystem::is_directory(root_, ignored);
  }
  /// For `StoreOptions::spill`.
  [[nodiscard]] std::string of(std::size_t server) const {
    return (root_ / std::to_string(server)).string();
  }
  /// The text without what no two evenings have in common.
  [[nodiscard]] std::string without_root(std::string text) const {
    const std::string root = root_.string();
    for (auto at = text.find(root); at != text.npos; at = text.find(root, at))
      text.replace(at, root.size(), "…");
    return text;
  }
  /// A server that is killed writes nothing more: until `show` its folder is elsewhere.
  void hide(std::size_t server) { move(of(server), of(server) + ".away"); }
  void show(std::size_t server) { move(of(server) + ".away", of(server)); }

  [[nodiscard]] std::vector<Entry>& entries(std::size_t server) { return known_[server]; }
  [[nodiscard]] bool waits(std::size_t server, const Entry& entry) const {
    return is_there(server, entry.name, spill::FileName::waits) ||
           is_there(server, entry.name, spill::FileName::partial);
  }
  /// Takes what is new in the folder into the account, those that can be read. Says how many.
  std::size_t meet(std::size_t server, TimePoint started) {
    const persist::detail::os::Files files;
    const auto names = spill::list_entries(files, of(server));
    std::size_t met = 0;
    for (const spill::FileName& name : names ? *names : std::vector<spill::FileName>()) {
      if (find(server, name.number) != nullptr) continue;
      const auto read = spill::read_entry(files, spill::path_in(of(server), name.text()));
      if (!read) continue;
      Entry entry;
      entry.name = name, entry.follows = read->follows, entry.started = started;
      for (const spill::Part& part : read->parts)
        entry.writes.push_back({part.key, part.fence, part.claims != Claims::nothing,
                                part.lease == LeaseChange::release});
      if (const Entry* before = find(server, entry.follows))
        entry.may_be_late = std::any_of(before->writes.begin(), before->writes.end(),
                                        [](const Write& write) { return write.gives_back; });
      known_[server].push_back(std::move(entry));
      ++met;
    }
    return met;
  }
  /// Those of which something has become since the last call.
  std::vector<Entry*> settled(std::size_t server) {
    std::vector<Entry*> all;
    for (Entry& entry : known_[server]) {
      if (entry.fate != Fate::waits || waits(server, entry)) continue;
      entry.fate =
          is_there(server, entry.name, spill::FileName::refused) ? Fate::refused : Fate::gone;
      all.push_back(&entry);
    }
    return all;
  }
  /// A number is given again once its entry is gone.
  [[nodiscard]] Entry* find(std::size_t server, std::uint64_t number) {
    for (Entry& entry : known_[server])
      if (entry.name.number == number && entry.fate != Fate::gone) return &entry;
    return nullptr;
  }
  /// The process died when the entry was whole and had no name yet.
  void unname(std::size_t server, const Entry& entry) {
    move(path(server, entry.name), path(server, entry.name, spill::FileName::partial));
  }
  /// Whether all that was spilled of a session has left the journal.
  [[nodiscard]] bool is_all_gone(std::size_t server, std::uint64_t session) const {
    for (const Entry& entry : known_[server])
      if (entry.fate != Fate::gone && entry.is_of(session)) return false;
    return true;
  }
  /// The database is put back to what it was `then`. What was spilled by a server that ran then is
  /// taken out of its folder.
  void forget(std::size_t server, TimePoint then) {
    std::erase_if(known_[server], [&](Entry& entry) {
      if (entry.fate != Fate::waits) return false;
      entry.is_forgotten = true;
      if (entry.started > then) return false;
      for (const std::string_view end : {spill::FileName::waits, spill::FileName::partial})
        (void)persist::detail::os::Files().remove(path(server, entry.name, end));
      return true;
    });
  }

 private:
  [[nodiscard]] std::string path(std::size_t server, spill::FileName name,
                                 std::string_view end = spill::FileName::waits) const {
    name.end = end;
    return spill::path_in(of(server), name.text());
  }
  [[nodiscard]] bool is_there(std::size_t server, const spill::FileName& name,
                              std::string_view end) const {
    std::error_code ignored;
    return std::filesystem::exists(path(server, name, end), ignored);
  }
  static void move(const std::string& from, const std::string& to) {
    std::error_code ignored;
    std::filesystem::rename(from, to, ignored);
  }

  std::filesystem::path root_;
  std::vector<std::vector<Entry>> known_;  ///< by server
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

/// The clock of one machine among several that share a world: it started at another moment, runs a
/// little faster or slower, and its calendar is wrong by as much as it likes. Moves when the
/// world's does; whoever waits on it moves the world.
///
/// Safe to call from any thread. `world` must outlive it.
class SkewedClock final : public Clock {
 public:
  /// `drift` in millionths: 100 is fast by 8.6 seconds a day.
  explicit SkewedClock(Clock& world, std::int64_t drift = 0, Duration booted_before = {},
                       std::chrono::milliseconds calendar_ahead = {}) noexcept
      : world_(world),
        drift_(drift),
        begin_(world.now()),
        mine_(TimePoint{} + std::chrono::hours(1) + booted_before),
        ahead_(calendar_ahead) {}

  [[nodiscard]] TimePoint now() const override {
    const Duration passed = world_.now() - begin_;
    return mine_ + passed + passed / 1'000'000 * drift_;
  }
  [[nodiscard]] WallTime wall() const override { return world_.wall() + ahead_; }
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (deadline <= mine_) return world_.wait_until(begin_, wake);  // as far back as it may be
    const Duration wanted = deadline - mine_;
    const Duration less = wanted / (1'000'000 + drift_) * drift_;
    const bool is_for_ever = less < Duration::zero() && wanted > Duration::max() + less;
    // Rounding may have put it some nanoseconds too early.
    const Duration there = is_for_ever ? Duration::max() : wanted - less;
    world_.wait_until(after(after(begin_, there), std::chrono::milliseconds(1)), wake);
  }

 private:
  Clock& world_;
  std::int64_t drift_;
  TimePoint begin_;  ///< by the world's clock
  TimePoint mine_;   ///< what this one showed then
  std::chrono::milliseconds ahead_;
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

struct SimulationOptions {
  std::uint64_t seed = 1;
  std::size_t servers = 3;
  std::size_t players = 5;
  Duration length = std::chrono::minutes(20);  ///< of the evening; then all is mended and checked
  Faults faults{
      .refused = 15, .no_reply = 15, .late = 15, .twice = 15, .slow = 3, .unwatched = 500};
  bool reclaims = false;       ///< a server that is started again takes back what it held
  bool spills = false;         ///< a server that is stopped spills what it cannot save
  bool keeps_history = false;  ///< a line for each thing that happens
};

/// What an evening came to.
struct SimulationReport {
  std::vector<std::string> violations;  ///< of a promise; empty is well
  std::string history;
  std::uint64_t digest = 0;  ///< of the history, kept or not: the same for the same seed
  std::size_t loads = 0, saves = 0, handovers = 0, lost = 0;
  std::size_t crashes = 0, pauses = 0, cuts = 0, full = 0, restores = 0, erased = 0;
  std::size_t stops = 0;      ///< in good order
  std::size_t forgotten = 0;  ///< times that all leases were, where they have their own database
  std::size_t spilled = 0, replayed = 0, refused = 0;  ///< entries of spill journals
};

/// The servers of a simulation, the database under them and who plays where; what happens to them
/// is in `SimulatedTrouble`, and what is played on them in `Simulation`.
template <class Game, class Lock>
class SimulatedWorld {
 public:
  using Line = SimulatedLine;
  using Players = Store<std::uint64_t, typename Game::Save, Line, Lock>;
  using Session = typename Players::Session;
  using Data = typename Players::DataType;
  using Records = std::map<std::uint64_t, Data>;

 protected:
  using Lines = SimulatedLines<Lock>;
  static constexpr bool may_be_put_back = requires(Game& game) { game.put_back(); };
  static constexpr bool hears_of_erasures =
      requires(Game& game, const Data* data) { game.erased(std::uint64_t{}, data); };

  struct Server {
    Server(Clock& world, Random& random)
        : clock(world, static_cast<std::int64_t>(random.below(400)) - 200,
                std::chrono::hours(random.below(1000)),
                std::chrono::minutes(random.below(10'000))) {}
    SkewedClock clock;
    std::optional<Lines> lines;
    std::optional<Players> players;
    std::vector<Connection> connections;
    std::vector<Session> ghosts;     ///< of players who gave this server up and went elsewhere
    std::vector<Session> forgotten;  ///< loaded before the database was put back
    std::vector<Session> unsaved;    ///< that ended so when the server was stopped
    std::set<std::uint64_t> told;    ///< sessions whose end was told
    std::set<std::uint64_t> saving;  ///< sessions of which a save is under way
    std::string id;
    std::uint64_t first_session = 0;  ///< those of this start have higher numbers
    TimePoint started{};
    TimePoint still_until{};  ///< stands still, or is down
    TimePoint cut_until{};
  };
  /// Where a player is.
  struct Place {
    std::size_t server = 0;
    std::optional<typename Players::Loading> loading;
    std::optional<Session> session;
  };

  SimulatedWorld(Game& game, SimulationOptions options)
      : game_(game), options_(options), random_(options.seed) {
    for (std::size_t i = 0; i < options.servers; ++i)
      servers_.emplace_back(world_, random_);
    places_.resize(options.players);
    if (options.spills) spills_.emplace(options.servers);
  }
  SimulatedWorld(const SimulatedWorld&) = delete;
  SimulatedWorld& operator=(const SimulatedWorld&) = delete;

  ~SimulatedWorld() = default;

  void open() {
    store_ = make_store(database_, "players");
    if constexpr (Lines::are_two) {
      (void)make_store(leases_, "players#leases");
      no_leases_.emplace(leases_.backup());
    }
    if constexpr (hears_of_erasures) watch_erasures();
  }
  /// Starts a server; where its database does not answer it is tried again.
  void start(std::size_t index) {
    Server& server = servers_[index];
    ++starts_;
    server.id = "server " + std::to_string(index);
    if (!options_.reclaims) server.id += "." + std::to_string(starts_);
    server.first_session = database_.next_owner({}).session;
    StoreOptions told;
    told.server_id = server.id;
    told.reclaim = options_.reclaims;
    told.clock = &server.clock;
    told.close_deadline = Duration::zero();
    if (spills_) told.spill = spills_->of(index);
    told.log.sink = [this, index](LogLevel, std::string_view text) {
      note(index, "log", spills_ ? spills_->without_root(std::string(text)) : std::string(text));
    };
    if constexpr (requires { game_.choose(told); }) game_.choose(told);
    server.lines.emplace(database_, leases_, stragglers_, faults_of_a_start());
    server.lines->fill(world_.now() < full_until_);
    server.lines->open(server.players, told);
    if (const auto open = server.players->status(); !open) {
      note(index, "cannot start", open.error().message());
      server.players.reset();
      server.still_until = some_seconds(5);
      return;
    }
    server.lines->set_faults(is_mended_ ? Faults{} : options_.faults);
    server.started = world_.now();
    game_.begin(*server.players);
    listen(index);
    note(index, "starts");
  }
  /// Where something may have been spilled it is sent through worse than what comes later.
  [[nodiscard]] Faults faults_of_a_start() const {
    const unsigned often = spills_ && !is_mended_ ? 150 : 0;
    return {.refused = often,
            .no_reply = often,
            .late = often,
            .twice = often,
            .unwatched = options_.faults.unwatched};
  }
  void listen(std::size_t index) {
    Server& server = servers_[index];
    Players& players = *server.players;
    server.connections.push_back(
        players.on_saving([this, index](Session& session, Data&, Reason reason) {
          note(index, "saving", session.id(), name(reason));
          // One that has nothing to save is not spilled, and may still be given back.
          const bool may_be_nothing = reason == Reason::shutdown && !session.is_dirty();
          if (!servers_[index].saving.insert(number_of(session)).second)
            violation(index, std::string(session.id()) + " was saved, and nobody was told how");
          if (may_be_nothing) servers_[index].saving.erase(number_of(session));
          game_.saving(session);
        }));
    server.connections.push_back(
        players.on_saved([this, index](Session& session, const Result<Saved>& saved) {
          note(index, saved ? "saved" : "not saved", session.id(),
               saved ? std::to_string(saved->version) : saved.error().message());
          servers_[index].saving.erase(number_of(session));
          if (!saved) return;
          ++report_.saves;
          game_.saved(session);
        }));
    server.connections.push_back(
        players.on_released([this, index](Session& session, Reason reason, bool was_saved) {
          note(index, was_saved ? "released" : "released unsaved", session.id(), name(reason));
          report_.handovers += reason == Reason::handover ? 1U : 0U;
          report_.lost += reason == Reason::lost ? 1U : 0U;
          servers_[index].told.insert(number_of(session));
          if (!was_saved && reason == Reason::shutdown) {
            servers_[index].unsaved.push_back(session);
            // Now: the same server may still send it.
            if (spills_) report_.spilled += spills_->meet(index, servers_[index].started);
          }
          if (servers_[index].saving.erase(number_of(session)) != 0 && was_saved)
            violation(index, std::string(session.id()) + " ended, and nobody was told of its save");
          if constexpr (requires { game_.ended(session, was_saved); })
            game_.ended(session, was_saved);
        }));
  }

  [[nodiscard]] TimePoint some_seconds(std::uint64_t most) {
    return world_.now() + std::chrono::seconds(random_.between(1, most));
  }
  void crash(std::size_t index) {
    Server& server = servers_[index];
    note(index, "crashes");
    server.connections.clear();
    server.lines->cut(true, true);
    if (spills_) spills_->hide(index);
    is_crashing_ = true;
    empty(index);
    server.players.reset();
    is_crashing_ = false;
    if (spills_) spills_->show(index);
    server.told.clear();
    server.saving.clear();
  }
  /// Nobody plays there any more.
  void empty(std::size_t index) {
    for (Place& place : places_) {
      if (place.server != index) continue;
      place.loading.reset();
      place.session.reset();
    }
    servers_[index].ghosts.clear();
    servers_[index].forgotten.clear();
    servers_[index].id.clear();  // what it sent may still arrive
  }

  /// Says what an erased record held.
  void watch_erasures() {
    Lines(database_, leases_, stragglers_, Faults{}).open(auditor_, StoreOptions{.clock = &world_});
    database_.on_erase([this](std::string_view key) -> std::function<void()> {
      std::uint64_t player = 0;
      std::from_chars(key.data(), key.data() + key.size(), player);
      auto held = std::make_shared<Result<Peeked<Data>>>(auditor_->peek(player));
      return [this, player, held] {
        ++report_.erased;
        note_database("erased", std::to_string(player));
        game_.erased(player, *held ? &(*held)->data : nullptr);
      };
    });
  }
  void violation(std::size_t server, std::string what) {
    note(server, "VIOLATION", what);
    report_.violations.push_back(std::move(what));
  }

  /// What stays the same of a session that takes its record with its first save only.
  [[nodiscard]] static std::uint64_t number_of(const Session& session) {
    const std::string instance = session.instance_id();
    std::uint64_t number = 0;
    std::from_chars(instance.data() + instance.find('-') + 1, instance.data() + instance.size(),
                    number);
    return number;
  }
  /// Whether what the session writes would be accepted now.
  bool holds(const Session& session) {
    ReadRequest read;
    read.store = store_, read.key = session.id(), read.wants_data = false;
    database_.read(std::span(&read, 1));
    // By its owner too: what was put back gives out an epoch again.
    const Fence& fence = read.record.fence;
    return session.instance_id() ==
           std::to_string(fence.epoch) + "-" + std::to_string(fence.owner.session);
  }
  [[nodiscard]] static StoreId make_store(SimulatedDatabase& in, std::string_view name) {
    OpenStoreRequest open;
    open.name = name, open.lock = Lock::kind;
    in.open_store(std::span(&open, 1));
    return open.store;
  }
  template <class... Words>
  void note(std::size_t server, const Words&... words) {
    note_of(std::to_string(server), words...);
  }
  template <class... Words>
  void note_database(const Words&... words) {
    note_of("database", words...);
  }
  template <class... Words>
  void note_of(const std::string& who, const Words&... words) {
    if (is_crashing_) return;
    std::string line = std::to_string(
        std::chrono::floor<std::chrono::milliseconds>(world_.now().time_since_epoch()).count());
    line += " " + who;
    ((line += " ", line += words), ...);
    for (const char c : line)
      digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    if (options_.keeps_history) report_.history += line + '\n';
  }

  Game& game_;
  SimulationOptions options_;
  Random random_;
  ManualClock world_;
  SimulatedDatabase database_{backend::Memory(world_)};
  SimulatedDatabase leases_{backend::Memory(world_)};  ///< of `lock::External`
  StoreId store_;
  Stragglers stragglers_{world_, random_.split()};
  std::deque<Server> servers_;
  std::vector<Place> places_;
  std::optional<SpillFolders> spills_;
  std::optional<Players> auditor_;
  std::optional<SimulatedDatabase::Backup> backup_, no_leases_;
  TimePoint backed_up_{};
  TimePoint full_until_{};
  SimulationReport report_;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  std::size_t starts_ = 0;
  bool is_mended_ = false;
  bool is_crashing_ = false;
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

/// What goes wrong with the servers of a simulation and with the database under them, what comes of
/// servers that are stopped, and of what they spilled.
template <class Game, class Lock>
class SimulatedTrouble : protected SimulatedWorld<Game, Lock> {
  using World = SimulatedWorld<Game, Lock>;

 protected:
  using typename World::Lines;
  using typename World::Place;
  using typename World::Players;
  using typename World::Server;
  using typename World::Session;
  using World::crash, World::database_, World::full_until_, World::game_, World::is_mended_,
      World::note, World::note_database, World::options_, World::places_, World::random_,
      World::report_, World::servers_, World::some_seconds, World::spills_, World::store_,
      World::stragglers_, World::violation, World::world_;

  SimulatedTrouble(Game& game, SimulationOptions options) : World(game, options) {}
  ~SimulatedTrouble() = default;

  void open() {
    World::open();
    if (!spills_) return;
    if (!spills_->is_usable())
      report_.violations.emplace_back("no folder could be made for what is spilled");
    database_.on_take(
        [this](std::string_view key, const Fence& fence) { look_who_takes(key, fence); });
  }
  /// Starts a server, which sends what an earlier one spilled.
  void start(std::size_t index) {
    World::start(index);
    if (!spills_ || !servers_[index].players) return;
    look_at_spilled(index);
    check_told(index);
  }

  /// What happens to servers.
  void trouble(std::size_t index) {
    Server& server = servers_[index];
    const std::uint64_t dice = random_.below(10'000);
    if (dice < 15) {
      ++report_.crashes;
      look_at_spilled(index);
      crash(index);
      server.still_until = some_seconds(180);
    } else if (dice < 40) {
      ++report_.pauses;
      note(index, "stands still");
      server.still_until = some_seconds(150);
    } else if (dice < 80) {
      cut(index);
    } else if (dice < 95) {
      // Often because the database is away.
      const std::uint64_t why = random_.below(4);
      if (why < 2) cut(index);
      if (why == 2) fill(some_seconds(90));
      stop(index);
    }
  }
  void cut(std::size_t index) {
    Server& server = servers_[index];
    if (server.lines->is_cut()) return;
    ++report_.cuts;
    // One of two, or both.
    const std::uint64_t which = Lines::are_two ? random_.below(3) : 0;
    note(index, which == 0   ? "is cut off"
                : which == 1 ? "is cut off from the leases"
                             : "is cut off from the data");
    server.lines->cut(which != 1, which != 2);
    server.cut_until = some_seconds(150);
  }
  void trouble_with_the_database() {
    const std::uint64_t dice = random_.below(100'000);
    if (full_until_ != TimePoint{} && world_.now() >= full_until_) fill(TimePoint{});
    if (dice < 20) {
      ++report_.full;
      fill(some_seconds(90));
    }
    if constexpr (Lines::are_two)
      if (dice >= 80 && dice < 100) forget_leases();
    if constexpr (World::may_be_put_back) {
      if (dice >= 20 && dice < 70) {
        note_database("is backed up");
        this->backup_.emplace(database_.backup());
        this->backed_up_ = world_.now();
        game_.backed_up();
      } else if (dice >= 70 && dice < 80 && this->backup_) {
        put_back();
      }
    }
  }
  void fill(TimePoint until) {
    full_until_ = until;
    const bool is_full = world_.now() < until;
    note_database(is_full ? "has no room left" : "has room again");
    for (Server& server : servers_)
      if (server.lines) server.lines->fill(is_full);
  }
  void forget_leases() {
    ++report_.forgotten;
    note_database("of the leases has lost its memory");
    this->leases_.restore(*this->no_leases_);
  }
  /// The database is what it was at the last backup. Whoever held a record then may write to it as
  /// if nothing had happened, so servers that ran then are ended first, and what such a one had
  /// spilled is thrown away; one that was started since goes on, with sessions that nobody knows of
  /// any more.
  void put_back() {
    ++report_.restores;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      Server& server = servers_[i];
      look_at_spilled(i);
      if (spills_) spills_->forget(i, this->backed_up_);
      if (!server.players) continue;
      if (server.started <= this->backed_up_) {
        crash(i);
        server.still_until = some_seconds(60);
      }
      for (Place& place : places_) {
        if (place.server != i) continue;
        place.loading.reset();
        if (place.session) server.forgotten.push_back(*std::exchange(place.session, std::nullopt));
      }
      for (Session& ghost : std::exchange(server.ghosts, {}))
        server.forgotten.push_back(ghost);
    }
    for (Server& server : servers_)
      if (server.lines) server.lines->forget_reads();
    spilled_.clear();
    stragglers_.drop_all();
    database_.restore(*this->backup_);
    note_database("is put back");
    if constexpr (World::may_be_put_back) game_.put_back();
  }

  /// Stops a server in good order: it has ten seconds to save and give back what it holds, and of
  /// what it could not save it says so, or spills it.
  void stop(std::size_t index) {
    Server& server = servers_[index];
    ++report_.stops;
    look_at_spilled(index);
    const std::size_t known = spills_ ? spills_->entries(index).size() : 0;
    note(index, "is stopped");
    const std::size_t left = server.players->close_all(std::chrono::seconds(10));
    server.players.reset();
    note(index, "has stopped; not saved:", std::to_string(left));
    server.connections.clear();
    for (const std::uint64_t session : server.saving)
      violation(index, "session " + std::to_string(session) +
                           " was saved before the server stopped, and nobody was told how");
    if (server.unsaved.size() > left)
      violation(index, std::to_string(server.unsaved.size()) +
                           " sessions were told that they are not saved, and it counted " +
                           std::to_string(left));
    if (spills_) look_what_is_spilled(index, known);
    this->empty(index);
    server.unsaved.clear();
    server.told.clear();
    server.saving.clear();
    server.still_until = some_seconds(60);
  }
  /// What could not be saved when the server was stopped has to be in its journal, or to have been:
  /// `known` entries are older.
  void look_what_is_spilled(std::size_t index, std::size_t known) {
    using Entry = SpillFolders::Entry;
    report_.spilled += spills_->meet(index, servers_[index].started);
    std::vector<Entry>& entries = spills_->entries(index);
    for (std::size_t i = known; i < entries.size(); ++i) {
      note(index, "has spilled", entries[i].file());
      // It was killed before it named what was whole.
      if (random_.happens(100)) spills_->unname(index, entries[i]);
    }
    for (const Session& session : servers_[index].unsaved) {
      const bool is_spilled = std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
        return entry.is_of(World::number_of(session));
      });
      if (!is_spilled && session.is_dirty())
        violation(index, std::string(session.id()) + " was neither saved nor spilled");
      if (!is_spilled) continue;
      spilled_.insert_or_assign(World::number_of(session), session);
      if constexpr (requires { game_.spilled(session); }) game_.spilled(session);
    }
  }

  /// A record that waits for what was spilled of it is not loaded by the server that has to send
  /// that first.
  void look_who_takes(std::string_view key, const Fence& fence) {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (fence.owner.server.view() != servers_[i].id ||
          fence.owner.session <= servers_[i].first_session)
        continue;
      for (const SpillFolders::Entry& entry : spills_->entries(i))
        if (entry.writes_to(key) && entry.fate == SpillFolders::Fate::waits &&
            spills_->waits(i, entry))
          violation(i, std::string(key) + " was taken before " + entry.file() + " was sent");
    }
  }
  /// What has become of what a server had spilled.
  void look_at_spilled(std::size_t index) {
    if (!spills_) return;
    const std::vector<SpillFolders::Entry*> settled = spills_->settled(index);
    for (SpillFolders::Entry* entry : settled)
      judge(index, *entry);
    if (!settled.empty() && servers_[index].players) check_told(index);
  }
  void judge(std::size_t index, const SpillFolders::Entry& entry) {
    using Write = SpillFolders::Write;
    const auto any = [&](auto&& is_so) {
      return std::any_of(entry.writes.begin(), entry.writes.end(), is_so);
    };
    const bool is_gone = entry.fate == SpillFolders::Fate::gone;
    report_.refused += is_gone ? 0U : 1U;
    note(index, is_gone ? "has sent" : "has kept", entry.file());
    if (entry.is_forgotten) return;
    const bool was_erased = any(
        [&](const Write& write) { return database_.was_erased(store_, write.key, write.fence); });
    const bool is_overtaken = any([&](const Write& write) {
      return write.claims || !database_.is_newest(store_, write.key, write.fence);
    });
    const bool is_there = !any(
        [&](const Write& write) { return !database_.has_landed(store_, write.key, write.fence); });
    if (is_gone && !is_there && !was_erased)
      violation(index, entry.file() + " is gone, and was never written");
    const SpillFolders::Entry* before = spills_->find(index, entry.follows);
    const bool stands_alone = before == nullptr || before->fate != SpillFolders::Fate::refused;
    if (!is_gone && !is_overtaken && stands_alone && !entry.may_be_late)
      violation(index, entry.file() + " was refused, and nobody has written since");
    if (!is_gone || !is_there) return;
    ++report_.replayed;
    if (!was_erased)
      for (const Write& write : entry.writes)
        replayed(index, write.fence.owner.session);
  }
  void replayed(std::size_t index, std::uint64_t number) {
    const auto session = spilled_.find(number);
    if (session == spilled_.end() || !spills_->is_all_gone(index, number)) return;
    if constexpr (requires { game_.replayed(session->second); }) game_.replayed(session->second);
    spilled_.erase(session);
  }
  /// A server says what is left of what it, or an earlier one, had spilled.
  void check_told(std::size_t index) {
    const auto told = servers_[index].players->spilled();
    if (!told) return violation(index, "has no spill journal: " + told.error().message());
    for (const SpillFolders::Entry& entry : spills_->entries(index)) {
      if (entry.fate == SpillFolders::Fate::gone) continue;
      const auto state =
          entry.fate == SpillFolders::Fate::waits ? Spilled::State::waits : Spilled::State::refused;
      const bool is_told = std::any_of(told->begin(), told->end(), [&](const Spilled& each) {
        return each.state == state && each.file == entry.file();
      });
      if (!is_told) violation(index, "does not tell that " + entry.file() + " is left");
    }
  }
  /// In the end nothing waits.
  void check_all_sent() {
    for (std::size_t i = 0; spills_ && i < servers_.size(); ++i) {
      look_at_spilled(i);
      if (servers_[i].players) check_told(i);
      for (const SpillFolders::Entry& entry : spills_->entries(i))
        if (entry.fate == SpillFolders::Fate::waits) violation(i, "never sent " + entry.file());
    }
  }

 private:
  std::map<std::uint64_t, Session> spilled_;  ///< ended, of which something lies in a journal
};

}  // namespace persist::inline PERSIST_ABI::testing

namespace persist::inline PERSIST_ABI::testing {

/// An evening of a game, on several servers at once, from one seed on one thread: players join,
/// play, leave and hop, servers crash, stand still for longer than a lease and lose their line to
/// the database, replies get lost and requests arrive late and twice, the database is slow, full,
/// and put back to an earlier state; servers are stopped, and spill what they cannot save. The same
/// seed is the same evening.
///
/// What must hold for any game is checked here and by `Witness`: nobody writes under an old fence,
/// of the sessions of one player one can write, and each save that was begun and each session that
/// ended said how. The rest is the game's.
///
/// `Game` is the game's own code:
///
/// * `Save`: its data policy;
/// * `begin(players)`: a server starts; connects handlers;
/// * `loaded(session, violations)`: somebody has joined;
/// * `play(players, session, others, random)`: does one thing that a player does; returns a word
///   for the history;
/// * `saving(session)`, `saved(session)`: a save is being made of what there is now, and has been
///   acknowledged;
/// * `end(records, violations)`: all is quiet; what the records of all players hold in the end.
///
/// and, where it has them,
///
/// * `ended(session, was_saved)`: a session is over, and whether all that it held is saved;
/// * `spilled(session)`, `replayed(session)`: what a session held when its server was stopped lies
///   in the journal, and has been sent from there;
/// * `audit(players, records, violations)`: all is quiet, and there is a server that can be asked;
/// * `erased(player, data)`: a record was erased that held this, or null;
/// * `choose(options)`: what its stores are opened with, as their history;
/// * `mended()`: nothing goes wrong any more;
/// * `backed_up()`, `put_back()`: the database is what it was at the last `backed_up`: what was
///   acknowledged since is gone. A game without them never sees that.
template <class Game, class Lock = lock::Lease<conflict::Request>>
class Simulation : private SimulatedTrouble<Game, Lock> {
  using World = SimulatedTrouble<Game, Lock>;

 public:
  using typename World::Players;
  using typename World::Records;
  using typename World::Session;

  explicit Simulation(Game& game, SimulationOptions options = {}) : World(game, options) {}

  SimulationReport run() {
    this->open();
    for (std::size_t i = 0; i < servers_.size(); ++i)
      start(i);
    const TimePoint end = world_.now() + options_.length;
    while (world_.now() < end)
      step();
    mend();
    settle(std::chrono::minutes(10));
    for (std::size_t player = 0; player < places_.size(); ++player)
      leave(player);
    for (Server& server : servers_) {
      for (Session& ghost : std::exchange(server.ghosts, {}))
        (void)ghost.request_release();
      server.forgotten.clear();
    }
    settle(std::chrono::minutes(10));
    audit();
    report_.digest = this->digest_;
    return std::move(report_);
  }

 private:
  using typename World::Place;
  using typename World::Server;
  using World::database_, World::fill, World::full_until_, World::game_, World::holds,
      World::is_mended_, World::note, World::options_, World::places_, World::random_,
      World::report_, World::servers_, World::start, World::stragglers_, World::trouble,
      World::violation, World::world_;

  void step() {
    world_.advance(std::chrono::milliseconds(random_.between(20, 400)));
    stragglers_.arrive();
    if (!is_mended_) this->trouble_with_the_database();
    const std::size_t index = static_cast<std::size_t>(random_.below(servers_.size()));
    Server& server = servers_[index];
    if (world_.now() < server.still_until) return;
    if (!server.players) start(index);
    if (!server.players) return;
    if (server.lines->is_cut() && world_.now() >= server.cut_until) {
      note(index, "is connected again");
      server.lines->cut(false, false);
    }
    server.players->poll();
    this->look_at_spilled(index);
    if (!is_mended_) trouble(index);
    if (server.players && world_.now() >= server.still_until) play(index);
  }

  void play(std::size_t index) {
    play_ghosts(index);
    const std::size_t player = static_cast<std::size_t>(random_.below(places_.size()));
    Place& place = places_[player];
    if (place.loading) return finish_loading(player);
    if (!place.session) return random_.happens(200) ? join(player, index) : void();
    if (place.server != index) return give_up(player, index);
    if (!place.session->is_active()) return has_ended(index, *std::exchange(place.session, {}));
    const std::uint64_t dice = random_.below(1000);
    if (dice < 20) return leave(player);
    if (dice < 40) {
      leave(player);
      return join(player, static_cast<std::size_t>(random_.below(servers_.size())));
    }
    std::vector<Session> others;
    for (Place& other : places_)
      if (&other != &place && other.session && other.server == index)
        others.push_back(*other.session);
    note(index, game_.play(*servers_[index].players, *place.session, others, random_),
         place.session->id());
  }
  /// A server that does not answer is left by its players; it does not know, and plays on with
  /// them when it can.
  void give_up(std::size_t player, std::size_t index) {
    Place& place = places_[player];
    Server& left = servers_[place.server];
    if (!left.players || (world_.now() >= left.still_until && !left.lines->is_cut())) return;
    if (!random_.happens(100)) return;
    note(place.server, "is given up by", place.session->id());
    left.ghosts.push_back(*std::exchange(place.session, std::nullopt));
    join(player, index);
  }
  void play_ghosts(std::size_t index) {
    Server& server = servers_[index];
    for (std::vector<Session>* all : {&server.ghosts, &server.forgotten}) {
      if (all->empty()) continue;
      Session ghost = random_.pick(*all);
      if (!ghost.is_active()) {
        std::erase(*all, ghost);
        has_ended(index, ghost);
      } else if (all == &server.forgotten) {
        (void)ghost.request_save({.force = true});
      } else {
        std::vector<Session> nobody;
        note(index, "a ghost", game_.play(*server.players, ghost, nobody, random_), ghost.id());
      }
    }
  }
  void has_ended(std::size_t index, const Session& session) {
    if (!servers_[index].told.contains(World::number_of(session)))
      violation(index, std::string(session.id()) + " ended, and nobody was told");
  }
  void join(std::size_t player, std::size_t index) {
    Server& server = servers_[index];
    if (!server.players || world_.now() < server.still_until) return;
    places_[player].server = index;
    typename Players::LoadOptions how;
    if (random_.happens(100)) how.conflict = Conflict::steal;
    if (random_.happens(100)) how.conflict = Conflict::refuse;
    note(index, "joins", std::to_string(player));
    places_[player].loading.emplace(server.players->begin_load(player, how));
  }
  void finish_loading(std::size_t player) {
    Place& place = places_[player];
    if (world_.now() < servers_[place.server].still_until || !place.loading->ready()) return;
    auto loaded = place.loading->take();
    place.loading.reset();
    note(place.server, loaded ? "has joined" : "could not join", std::to_string(player),
         loaded ? "" : loaded.error().message());
    if (!loaded) return;
    ++report_.loads;
    place.session = *loaded;
    // Somebody may have stolen it meanwhile, or this server stood still: then it will be lost.
    if (!holds(*place.session)) return note(place.server, "has it no more", place.session->id());
    for (Server& other : servers_)
      for (const Session& ghost : other.ghosts)
        if (ghost != *place.session && ghost.id() == place.session->id() && ghost.is_active() &&
            holds(ghost))
          violation(place.server, std::string(ghost.id()) + " can be written by two sessions");
    const std::size_t known = report_.violations.size();
    game_.loaded(*place.session, report_.violations);
    if (report_.violations.size() != known)
      note(place.server, "VIOLATION", report_.violations.back());
  }
  void leave(std::size_t player) {
    Place& place = places_[player];
    place.loading.reset();
    if (!place.session) return;
    note(place.server, "leaves", place.session->id());
    (void)place.session->request_release();
    place.session.reset();
  }
  /// Nothing goes wrong any more, and what was on its way has arrived.
  void mend() {
    is_mended_ = true;
    if constexpr (requires { game_.mended(); }) game_.mended();
    stragglers_.arrive_all();
    for (Server& server : servers_) {
      server.still_until = server.cut_until = {};
      if (server.lines) server.lines->set_faults({});
    }
    if (full_until_ != TimePoint{}) fill(TimePoint{});
  }
  void settle(Duration time) {
    for (const TimePoint end = world_.now() + time; world_.now() < end;) {
      world_.advance(std::chrono::seconds(1));
      stragglers_.arrive();
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        if (!servers_[i].players) start(i);
        servers_[i].lines->cut(false, false);
        servers_[i].players->poll();
        this->look_at_spilled(i);
      }
    }
  }
  /// Loads everybody once more on one server, so that what waits for them is handled, and looks at
  /// what is stored.
  void audit() {
    Players& players = *servers_.front().players;
    std::vector<Session> all;
    for (std::uint64_t player = 0; player < places_.size(); ++player) {
      auto session = players.load(player, {.conflict = Conflict::refuse});
      if (session)
        all.push_back(*session);
      else
        report_.violations.push_back("in the end nobody can load: " + session.error().message());
    }
    settle(std::chrono::minutes(5));
    for (Session& session : all) {
      if (session.waiting_messages() != 0)
        report_.violations.push_back(std::string(session.id()) + " has messages that wait");
      if (auto released = session.release(); !released)
        report_.violations.push_back("in the end nobody can release: " +
                                     released.error().message());
    }
    Records records;
    for (std::uint64_t player = 0; player < places_.size(); ++player) {
      auto record = players.peek(player);
      if (record)
        records.emplace(player, std::move(record->data));
      else if (!record.is(Errc::not_found))
        report_.violations.push_back("in the end nobody can read: " + record.error().message());
    }
    if constexpr (requires { game_.audit(players, records, report_.violations); })
      game_.audit(players, records, report_.violations);
    game_.end(records, report_.violations);
    this->check_all_sent();
    for (auto* database : {&database_, &this->leases_})
      for (std::string& seen : database->violations())
        report_.violations.push_back(std::move(seen));
  }
};

}  // namespace persist::inline PERSIST_ABI::testing
