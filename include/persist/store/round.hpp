#pragma once

#include <persist/record/requests.hpp>
#include <persist/session/commit.hpp>
#include <persist/session/core.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// What several stores on one database have to say to it at one moment: one batch a kind of
/// request.
///
/// Commits go before acquisitions, so that a record that one store lets go is another's in the same
/// round.
struct Round {
  std::vector<CommitRequest> commits;
  std::vector<std::pair<std::size_t, Flight*>> wraps;  ///< commits whose data is to be wrapped
  std::vector<AcquireRequest> acquires;
  /// Per acquire: the session that is being loaded. Until the round is complete nobody else sees
  /// its data, so it is the scratch that the record is decoded into.
  std::vector<SessionPtr> loading;
  std::vector<Result<void>> decoded;

  [[nodiscard]] bool empty() const noexcept { return commits.empty() && acquires.empty(); }
  void clear() {
    commits.clear(), wraps.clear(), acquires.clear(), loading.clear(), decoded.clear();
  }
  void add(Flight& flight) {
    const auto first = flight.cuts.begin();
    const auto end = first + static_cast<std::ptrdiff_t>(flight.size());
    if (std::any_of(first, end, [](const Cut& cut) { return cut.wrap != nullptr; }))
      wraps.emplace_back(commits.size(), &flight);
    commits.push_back(std::move(flight.request));
  }

  template <class Backend>
  void perform(Backend& backend) {
    for (const auto& [at, flight] : wraps)
      (void)flight->wrap(commits[at]);
    send(backend);
    if (acquires.empty()) return;
    backend.acquire(std::span(acquires));
    decoded.assign(acquires.size(), success);
    for (std::size_t i = 0; i < acquires.size(); ++i)
      if (acquires[i].is_to_be_read()) decoded[i] = loading[i]->decode(acquires[i].record);
  }

 private:
  /// A commit whose data could not be wrapped goes nowhere.
  template <class Backend>
  void send(Backend& backend) {
    const auto stays = [](const CommitRequest& each) {
      return each.outcome != CommitRequest::Outcome::pending;
    };
    for (auto at = commits.begin(); at != commits.end();) {
      const auto stop = wraps.empty() ? commits.end() : std::find_if(at, commits.end(), stays);
      if (stop != at) backend.commit(std::span(at, stop));
      at = stop == commits.end() ? stop : stop + 1;
    }
  }
};

/// What one store has in a round: kept by the poll that runs it, so that a poll inside a handler,
/// or on another thread, is a poll of its own.
struct Manifest {
  std::vector<Flight*> flights;
  std::size_t first_commit = 0;
  std::size_t first_acquire = 0;
  std::size_t acquires = 0;
  TimePoint now{};                       ///< of this round
  TimePoint stop_at = TimePoint::max();  ///< no session is begun after this
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
