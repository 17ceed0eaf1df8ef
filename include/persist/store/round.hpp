#pragma once

#include <persist/backend/concept.hpp>
#include <persist/record/requests.hpp>
#include <persist/session/commit.hpp>
#include <persist/session/core.hpp>
#include <persist/store/pieces.hpp>
#include <persist/store/replay.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Runs `decode` on what was read. Where it asked for pieces, `join` gets them, and where it asked
/// for a schema that is fetched; then it runs once more.
template <class Backend, class F, class J>
[[nodiscard]] auto with_needs([[maybe_unused]] Backend& backend, [[maybe_unused]] StoreId store,
                              Snapshot& record, F&& decode, J&& join) {
  auto decoded = decode();
  if (decoded) return decoded;
  if (record.needed_pieces != 0) {
    if (const Result<void> joined = join(); !joined) return decltype(decoded)(joined.error());
    decoded = decode();
  }
  if constexpr (holds_schemas<Backend>) {
    if (!decoded.is(Errc::unknown_schema)) return decoded;
    SchemaRequest fetch{.store = store, .id = record.needed};
    backend.read_schemas(std::span(&fetch, 1));
    if (failed(fetch.error)) return decltype(decoded)(fetch.error);
    record.schema = std::move(fetch.bytes);
    decoded = decode();
  }
  return decoded;
}

/// Commits a batch of which some need a schema. What the store has not goes along at a second try:
/// once in its life.
template <class Backend>
void commit_with_schemas(Backend& backend, std::span<CommitRequest> batch) {
  backend.commit(batch);
  if constexpr (holds_schemas<Backend>) {
    const auto lacks_schema = [](const CommitRequest& each) {
      return each.outcome == CommitRequest::Outcome::failed && each.error == Errc::unknown_schema;
    };
    std::vector<CommitRequest> again;
    for (const CommitRequest& each : batch) {
      if (!lacks_schema(each)) continue;
      for (Change& change : each.changes)
        change.sends_schema = true;
      again.push_back({.changes = each.changes});
    }
    if (!again.empty()) backend.commit(std::span(again));
    auto answer = again.begin();
    for (CommitRequest& each : batch)
      if (lacks_schema(each)) each = std::move(*answer++);
  }
}

/// Sends those commits that have no answer yet: one whose data could not be wrapped has, and goes
/// nowhere.
template <class Backend>
void commit_pending(Backend& backend, std::span<CommitRequest> commits) {
  const auto stays = [](const CommitRequest& each) {
    return each.outcome != CommitRequest::Outcome::pending;
  };
  for (auto at = commits.begin(); at != commits.end();) {
    const auto stop = std::find_if(at, commits.end(), stays);
    if (stop != at) commit_with_schemas(backend, std::span(at, stop));
    at = stop == commits.end() ? stop : stop + 1;
  }
}

/// Does what commits need that are not plain, and sends them with those that are.
template <class Backend>
void prepare_and_commit(Backend& backend, std::span<CommitRequest> commits,
                        std::span<const pieces::Prepared> prepared) {
  for (const pieces::Prepared& each : prepared)
    if (each.flight->replay != nullptr) spill::read_again(backend, *each.flight, *each.request);
  for (const pieces::Prepared& each : prepared)
    each.flight->wrap(*each.request, largest_data(backend), transactional_backend<Backend>);
  if constexpr (transactional_backend<Backend>) {
    bool again = true;
    for (int tries = 0; again && tries < 4; ++tries) {
      pieces::acquire_missing(backend, prepared);
      for (const pieces::Prepared& each : prepared)
        if (each.is_pending()) pieces::add_changes(each);
      commit_pending(backend, commits);
      again = false;
      for (const pieces::Prepared& each : prepared)
        again = pieces::lost_a_piece(each) || again;
    }
    for (const pieces::Prepared& each : prepared)
      if (each.is_pending()) each.give_up();
  } else {
    commit_pending(backend, commits);
  }
}

/// Does what a commit needs of the backend's side: wraps its data, and sends it.
template <class Backend>
void perform(Backend& backend, Flight& flight) {
  const std::span batch(&flight.request, 1);
  if (flight.is_plain()) return backend.commit(batch);
  const pieces::Prepared one{&flight.request, &flight};
  prepare_and_commit(backend, batch, std::span(&one, 1));
}

/// Decodes into the session what was read for it, and fetches what it needs for it.
template <class Backend>
[[nodiscard]] Result<void> decode(Backend& backend, SessionCore& session, AcquireRequest& request) {
  return with_needs(
      backend, request.store, request.record, [&] { return session.decode(request.record); },
      [&] { return pieces::acquire(backend, request, session.more().pieces); });
}

/// What goes to storage first, where not all can go at once.
enum class Priority : std::uint8_t {
  renewal,   ///< or somebody else takes the record
  closing,   ///< the last save of a session
  purchase,  ///< a grant or a transaction: somebody has paid
  save,      ///< loads, and saves that were asked for
  autosave,
  bulk,  ///< scans, and what a tool does
};
inline constexpr std::size_t priorities = 6;

/// What several stores on one database have to say to it at one moment: one batch a kind of
/// request.
///
/// Commits go before acquisitions, so that a record that one store lets go is another's in the same
/// round.
struct Round {
  std::vector<CommitRequest> commits;
  std::vector<std::pair<std::size_t, Flight*>> to_prepare;  ///< commits that are not plain
  std::vector<AcquireRequest> acquires;
  /// Per acquire: the session that is being loaded. Until the round is complete nobody else sees
  /// its data, so it is the scratch that the record is decoded into.
  std::vector<SessionPtr> loading;
  std::vector<Result<void>> decoded;

  [[nodiscard]] bool empty() const noexcept { return commits.empty() && acquires.empty(); }
  void clear() {
    commits.clear(), to_prepare.clear(), acquires.clear(), loading.clear(), decoded.clear();
  }
  void add(Flight& flight) {
    if (!flight.is_plain()) to_prepare.emplace_back(commits.size(), &flight);
    commits.push_back(std::move(flight.request));
  }

  template <class Backend>
  void perform(Backend& backend) {
    if (to_prepare.empty()) {
      if (!commits.empty()) backend.commit(std::span(commits));
    } else {
      std::vector<pieces::Prepared> prepared;
      prepared.reserve(to_prepare.size());
      for (const auto& [at, flight] : to_prepare)
        prepared.push_back({&commits[at], flight});
      prepare_and_commit(backend, std::span(commits), std::span(std::as_const(prepared)));
    }
    if (acquires.empty()) return;
    backend.acquire(std::span(acquires));
    decoded.assign(acquires.size(), success);
    for (std::size_t i = 0; i < acquires.size(); ++i)
      if (acquires[i].is_to_be_read() && !begins_anew(i))
        decoded[i] = decode(backend, *loading[i], acquires[i]);
  }
  /// Whether there is no record yet: what it begins as is asked of the game, and so on its thread.
  [[nodiscard]] bool begins_anew(std::size_t i) const noexcept {
    return acquires[i].is_to_be_read() && !acquires[i].record.has_data;
  }
};

/// What one store has in a round: kept by the poll that runs it, so that a poll inside a handler,
/// or on another thread, is a poll of its own.
struct Manifest {
  std::vector<Flight*> flights;
  std::size_t first_commit = 0;
  std::size_t first_acquire = 0;
  std::size_t acquires = 0;
  TimePoint now{};                                  ///< of this round
  TimePoint stop_at = TimePoint::max();             ///< no session is begun after this
  std::size_t most = static_cast<std::size_t>(-1);  ///< of sessions; the most urgent, and renewals
};

/// A store as `persist::poll` sees it.
template <class Backend>
class RoundPartner {
 public:
  [[nodiscard]] virtual Backend& backend() = 0;
  virtual void begin_poll() = 0;
  /// Adds what is due to the round.
  virtual void prepare(Round& round, Manifest& mine) = 0;
  /// Takes the replies of what it added.
  virtual void complete(Round& round, Manifest& mine) = 0;
  /// Does what comes after the rounds and says when something is due next.
  virtual TimePoint end_poll() = 0;
  /// The poll that was begun is over, whether it came to its end or something threw.
  virtual void leave_poll() noexcept = 0;

 protected:
  ~RoundPartner() = default;
};

/// Runs rounds until nothing more is due: for each database one batch a round, however many stores
/// share it. With a `limit` above zero no session is begun after that long. Returns the earliest
/// time at which something is due.
template <class Backend>
TimePoint poll_partners(std::span<RoundPartner<Backend>* const> partners, Duration limit,
                        const Clock& clock) {
  // A reply may make more due at once (a record that was let go, a steal that now knows what to
  // steal). What still is due after this many rounds waits for the next poll.
  constexpr int most_rounds = 16;
  TimePoint stop_at = TimePoint::max();
  if (limit > Duration::zero())
    if (const TimePoint begun = clock.now(); limit < stop_at - begun) stop_at = begun + limit;
  struct Visits {
    std::span<RoundPartner<Backend>* const> partners;
    std::size_t begun = 0;
    ~Visits() {
      while (begun != 0)
        partners[--begun]->leave_poll();
    }
  } visits{partners};
  for (RoundPartner<Backend>* partner : partners)
    partner->begin_poll(), ++visits.begun;
  std::vector<Manifest> manifests(partners.size());
  Round round;
  bool any = true;
  for (int i = 0; i < most_rounds && any && (i == 0 || clock.now() < stop_at); ++i) {
    any = false;
    std::vector<bool> done(partners.size(), false);
    for (std::size_t first = 0; first < partners.size(); ++first) {
      if (done[first]) continue;
      Backend& database = partners[first]->backend();
      const auto each = [&](auto use) {
        for (std::size_t at = first; at < partners.size(); ++at)
          if (!done[at] && partners[at]->backend().same_database(database))
            use(*partners[at], manifests[at], at);
      };
      round.clear();
      each([&](RoundPartner<Backend>& partner, Manifest& mine, std::size_t) {
        mine.stop_at = stop_at;
        partner.prepare(round, mine);
      });
      round.perform(database);
      any = any || !round.empty();
      each([&](RoundPartner<Backend>& partner, Manifest& mine, std::size_t at) {
        partner.complete(round, mine);
        done[at] = true;
      });
    }
  }
  TimePoint next = TimePoint::max();
  for (RoundPartner<Backend>* partner : partners)
    next = (std::min)(next, partner->end_poll());
  return next;
}

}  // namespace persist::inline PERSIST_ABI
