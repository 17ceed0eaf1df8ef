#pragma once

#include <persist/backend/file/job.hpp>
#include <persist/backend/postgres/ahead.hpp>
#include <persist/backend/postgres/options.hpp>
#include <persist/backend/postgres/schema.hpp>
#include <persist/backend/postgres/tables.hpp>
#include <persist/backend/postgres/wakes.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// A request of any kind that writes.
using Asked = std::variant<OpenStoreRequest*, AcquireRequest*, CommitRequest*, PostRequest*,
                           RelayRequest*, EraseRequest*>;

/// Which stores this process knows, so that another database in the place of theirs is noticed.
class Births {
 public:
  void learn(const OpenStoreRequest& request) {
    const std::lock_guard hold(mutex_);
    if (!failed(request.error)) births_[request.store.index] = request.birth;
  }
  [[nodiscard]] std::map<std::uint32_t, Hash128> all() const {
    const std::lock_guard hold(mutex_);
    return births_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint32_t, Hash128> births_;
};

/// What is done over one connection, which comes back when it was lost. Not synchronised.
class Link {
 public:
  Link(std::string uri, const PostgresOptions& options, std::uint64_t nonce, Births& births)
      : uri_(std::move(uri)), options_(options), nonce_(nonce), births_(births) {
    connection().schema = options.schema;
    connection().is_pooled = options.pooled;
    connection().wire.on_wait = options.on_wait;
  }

  [[nodiscard]] Error open(bool makes_tables);
  template <class Request>
  void read(std::span<Request> batch) {
    begin_call();
    run(batch, false);
  }
  void write(std::vector<Asked>& all) {
    begin_call();
    engine_.hints.clear();
    if (can_be_claimed(all)) claim(all);
    if (!all.empty()) run(std::span(all), true);
  }
  [[nodiscard]] std::vector<StoreInfo> stores();
  [[nodiscard]] std::uint64_t round_trips() const noexcept {
    return engine_.connection.round_trips();
  }
  /// Whom to wake, after a call that wrote.
  [[nodiscard]] const std::vector<rows::Hinted>& hints() const noexcept { return engine_.hints; }

 private:
  static constexpr int most_tries = 20;

  [[nodiscard]] Connection& connection() noexcept { return engine_.connection; }
  void begin_call() { connection().deadline = persist::after(here_now(), options_.patience); }
  void connect_again();
  void check_births();

  static void list(Asked& asked, std::vector<Place>& to) {
    std::visit([&](auto* request) { list_places(*request, to); }, asked);
  }
  template <class Request>
  static void list(Request& request, std::vector<Place>& to) {
    list_places(request, to);
  }
  void perform(Asked& asked) {
    std::visit([&](auto* request) { perform(*request); }, asked);
  }
  template <class Request>
  void perform(Request& request) {
    engine_.perform(file::renewed(request));
    if constexpr (std::is_same_v<Request, OpenStoreRequest>)
      if (connection().good()) births_.learn(request);
  }
  static void fail(Asked& asked, const Error& error) {
    std::visit([&](auto* request) { file::fail(*request, error); }, asked);
  }
  template <class Request>
  static void fail(Request& request, const Error& error) {
    file::fail(request, error);
  }

  [[nodiscard]] static bool can_be_claimed(const std::vector<Asked>& all);
  void claim(std::vector<Asked>& all);
  template <class Request>
  void run(std::span<Request> batch, bool writes);
  template <class Request>
  [[nodiscard]] bool can_trust(std::span<Request> batch, const std::vector<Place>& places);
  template <class Request>
  [[nodiscard]] static bool is_one_look([[maybe_unused]] std::span<Request> batch);
  template <class Request>
  void transact(std::span<Request> batch, const std::vector<bool>& left_out, bool writes,
                bool may_trust);
  /// Tells other servers, when and if the transaction is there for them to see.
  void notify() {
    for (const rows::Hinted& hint : engine_.hints) {
      if (hint.nonce == nonce_) continue;
      const std::string channel = channel_of(hint.nonce), words = spell_hint(hint);
      Query q(notify_);
      (q << std::string_view(channel) << std::string_view(words)).run();
    }
  }
  void hear_time(Query& time) {
    if (time.row()) time_.heard(time.integer());
  }

  std::string uri_;
  PostgresOptions options_;
  std::uint64_t nonce_;
  Births& births_;
  ServerTime time_{options_.clock};
  Engine engine_{time_};
  Ahead ahead_{engine_.connection};
  TimePoint next_try_{};
  Duration backoff_{};
  Error refused_{Errc{}};  ///< why the last try to connect failed

  Statement begin_{engine_.connection, "BEGIN ISOLATION LEVEL READ COMMITTED"};
  Statement look_{engine_.connection, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"};
  Statement commit_{engine_.connection, "COMMIT"};
  Statement now_{engine_.connection,
                 "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"};
  Statement notify_{engine_.connection,
                    "SELECT pg_notify(convert_from(?1, 'UTF8'), convert_from(?2, 'UTF8'))"};
  Statement births_sql_{engine_.connection, "SELECT id, birth FROM persist_store"};
};

inline Error Link::open(bool makes_tables) {
  Connection& c = connection();
  begin_call();
  if (Error error = c.wire.open(uri_, c.deadline); failed(error)) return error;
  c.opened();
  for (int tries = 0; makes_tables && tries < most_tries; ++tries) {
    Maker(c, options_.creates).look_and_make();
    if (!c.is_contended()) break;
  }
  if (!c.good()) return c.error();
  c.start_over();
  Query time(now_);
  hear_time(time);
  c.end(nullptr, false);
  return c.good() ? Error(Errc{}) : c.error();
}

/// Once per call at most, and not sooner after a failure than the last pause and as much again.
inline void Link::connect_again() {
  Connection& c = connection();
  if (c.wire.is_open()) return;
  if (here_now() < next_try_) return c.refuse(refused_);
  refused_ = c.wire.open(uri_, c.deadline);
  if (!failed(refused_)) {
    c.opened();
    check_births();
    refused_ = c.error();
  }
  if (!failed(refused_)) return void(backoff_ = Duration{});
  constexpr Duration first = std::chrono::milliseconds(50), last = std::chrono::seconds(2);
  backoff_ = std::clamp(2 * backoff_, first, last);
  next_try_ = here_now() + backoff_;
  c.wire.close();
  c.refuse(refused_);
}

inline void Link::check_births() {
  Connection& c = connection();
  std::map<std::uint32_t, Hash128> known = births_.all();
  Query time(now_);  // of another server, it may be
  time.ahead();
  Query q(births_sql_);
  while (q.row()) {
    const auto id = q.small<std::uint32_t>();
    const Hash128 birth = q.hash();
    const auto found = known.find(id);
    if (found != known.end() && found->second == birth) known.erase(found);
  }
  hear_time(time);
  if (c.good() && !known.empty())
    c.refuse({Errc::refused, c.path() +
                                 " has not the stores that this connection knew: its database was "
                                 "replaced; nothing is written there"});
  c.end(nullptr, false);
}

inline bool Link::can_be_claimed(const std::vector<Asked>& all) {
  return std::all_of(all.begin(), all.end(), [](const Asked& asked) {
    const auto* const* one = std::get_if<AcquireRequest*>(&asked);
    if (one == nullptr) return false;
    const AcquireRequest& request = **one;
    return request.intent != Intent::look && request.intent != Intent::withdraw &&
           request.claim_epoch == 0 && !request.key.empty() && request.key.size() <= 255;
  });
}

/// Gives out what nobody has, in one round trip; the others stay in `all`.
inline void Link::claim(std::vector<Asked>& all) {
  Connection& c = connection();
  c.start_over();
  connect_again();
  c.seen.begin();
  std::vector<AcquireRequest*> claims;
  claims.reserve(all.size());
  for (const Asked& asked : all)
    claims.push_back(&file::renewed(*std::get<AcquireRequest*>(asked)));
  const auto place = [](const AcquireRequest* r) { return Place{r->store, r->key, everything}; };
  std::stable_sort(claims.begin(), claims.end(),
                   [&](const auto* a, const auto* b) { return place(a) < place(b); });
  std::deque<Query> answers;
  Query time(now_);
  time.ahead();
  ahead_.claim(claims, time_.now(), answers);
  c.end(nullptr, true);
  if (!c.good() && c.is_contended()) return;  // another way then
  if (!c.good()) {
    for (Asked& asked : all)
      fail(asked, c.error());
    return all.clear();
  }
  hear_time(time);
  all.clear();
  for (std::size_t i = 0; i < claims.size(); ++i)
    if (!ahead_.take(answers[i], place(claims[i])) ||
        !engine_.answer_taken(*claims[i], *c.seen.find(claims[i]->store, claims[i]->key),
                              time_.wall())) {
      all.emplace_back(claims[i]);
      c.start_over();
    }
  c.seen.commit(nonce_);
}

template <class Request>
void Link::run(std::span<Request> batch, bool writes) {
  Connection& c = connection();
  std::vector<bool> left_out;
  bool may_trust = writes && !options_.pooled;
  for (int tries = 0;;) {
    c.start_over();
    c.at_request = batch.size();  // no request's fault
    connect_again();
    transact(batch, left_out, writes, may_trust);
    if (c.good()) return;
    may_trust = false;
    if (c.is_contended() && ++tries < most_tries && here_now() < c.deadline) continue;
    const Error error = c.error();
    const std::size_t at = c.culprit();
    // What is wrong with one request stops no other, which then go through together.
    left_out.resize(batch.size());
    const bool is_its_own = at < batch.size() && !left_out[at] && !is_ailing(error);
    for (std::size_t i = is_its_own ? at : 0; i != (is_its_own ? at + 1 : batch.size()); ++i) {
      if (!left_out[i]) fail(batch[i], error);
      left_out[i] = true;
    }
    if (!is_its_own) return engine_.hints.clear();
  }
}

/// Whether all that is asked are saves of records that this process holds.
template <class Request>
bool Link::can_trust(std::span<Request> batch, const std::vector<Place>& places) {
  if constexpr (std::is_same_v<Request, Asked>) {
    for (const Asked& asked : batch) {
      const auto* const* one = std::get_if<CommitRequest*>(&asked);
      if (one == nullptr) return false;
      for (const Change& change : (*one)->changes)
        if (change.claims != Claims::nothing) return false;
    }
    return std::all_of(places.begin(), places.end(), [this](const Place& place) {
      return connection().seen.kept(place.store, place.key) != nullptr;
    });
  } else {
    return false;
  }
}

/// Whether one statement answers it, which is of one moment by itself.
template <class Request>
bool Link::is_one_look(std::span<Request> batch) {
  if constexpr (std::is_same_v<Request, ReadRequest>)
    return batch.size() == 1 && batch[0].wants_data && batch[0].version == 0 &&
           !batch[0].wants_versions && !batch[0].wants_inbox;
  else
    return false;
}

/// Once, all or nothing.
template <class Request>
void Link::transact(std::span<Request> batch, const std::vector<bool>& left_out, bool writes,
                    bool may_trust) {
  Connection& c = connection();
  const auto is_out = [&](std::size_t i) { return !left_out.empty() && left_out[i]; };
  std::vector<Place> places;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t first = places.size();
    if (!is_out(i)) list(batch[i], places);
    for (std::size_t p = first; p < places.size(); ++p)
      places[p].request = i;
  }
  put_in_order(places);
  engine_.hints.clear();
  c.seen.begin();
  c.at_request = batch.size();
  const bool is_alone = is_one_look(batch);
  if (!is_alone) Query(writes ? begin_ : look_).run();
  const bool trusts = may_trust && can_trust(batch, places);
  Query time(now_);
  const bool asks_time = (writes && !trusts) || !time_.is_fresh();
  if (asks_time) time.ahead();
  if (trusts) {
    ahead_.trust(places);
  } else if (!places.empty()) {
    ahead_.read(places, writes);
    if (asks_time) hear_time(time);
  }
  for (std::size_t i = 0; i < batch.size() && c.good(); ++i) {
    c.at_request = i;
    if (!is_out(i)) perform(batch[i]);
  }
  c.at_request = batch.size();
  if (writes && options_.listens) notify();
  writes ? c.end(&commit_, true) : c.end_later(is_alone ? nullptr : &commit_);
  if (writes && asks_time) hear_time(time);
  c.good() ? c.seen.commit(nonce_) : c.seen.roll_back();
}

inline std::vector<StoreInfo> Link::stores() {
  Connection& c = connection();
  begin_call();
  c.start_over();
  connect_again();
  std::vector<StoreInfo> all = engine_.stores();
  c.end(nullptr, false);
  return all;
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres
