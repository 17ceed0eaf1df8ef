#pragma once

#include <persist/record/requests.hpp>
#include <persist/session/core.hpp>

#include <algorithm>
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
  std::vector<AcquireRequest> acquires;
  /// Per acquire: the session that is being loaded. Until the round is complete nobody else sees
  /// its data, so it is the scratch that the record is decoded into.
  std::vector<SessionPtr> loading;
  std::vector<Result<void>> decoded;

  [[nodiscard]] bool empty() const noexcept { return commits.empty() && acquires.empty(); }
  void clear() { commits.clear(), acquires.clear(), loading.clear(), decoded.clear(); }

  template <class Backend>
  void perform(Backend& backend) {
    if (!commits.empty()) backend.commit(std::span(commits));
    if (acquires.empty()) return;
    backend.acquire(std::span(acquires));
    decoded.assign(acquires.size(), success);
    for (std::size_t i = 0; i < acquires.size(); ++i)
      if (acquires[i].outcome == AcquireRequest::Outcome::taken)
        decoded[i] = loading[i]->decode(acquires[i].record);
  }
};

/// A store as `persist::poll` sees it.
template <class Backend>
class RoundPartner {
 public:
  [[nodiscard]] virtual Backend& backend() = 0;
  virtual void begin_poll() = 0;
  /// Adds what is due to the round.
  virtual void prepare(Round& round) = 0;
  /// Takes the replies of what it added.
  virtual void complete(Round& round) = 0;
  /// Does what comes after the rounds and says when something is due next.
  virtual TimePoint end_poll() = 0;

 protected:
  ~RoundPartner() = default;
};

/// Runs rounds until nothing more is due: for each database one batch a round, however many stores
/// share it. Returns the earliest time at which something is due.
template <class Backend>
TimePoint poll_partners(std::span<RoundPartner<Backend>* const> partners) {
  // A reply may make more due at once (a record that was let go, a steal that now knows what to
  // steal). What still is due after this many rounds waits for the next poll.
  constexpr int most_rounds = 16;
  for (RoundPartner<Backend>* partner : partners)
    partner->begin_poll();
  Round round;
  for (int i = 0; i < most_rounds; ++i) {
    std::vector<RoundPartner<Backend>*> left(partners.begin(), partners.end());
    bool any = false;
    while (!left.empty()) {
      Backend& database = left.front()->backend();
      const auto others =
          std::stable_partition(left.begin(), left.end(), [&](RoundPartner<Backend>* partner) {
            return partner->backend().same_database(database);
          });
      round.clear();
      for (auto at = left.begin(); at != others; ++at)
        (*at)->prepare(round);
      round.perform(database);
      any = any || !round.empty();
      for (auto at = left.begin(); at != others; ++at)
        (*at)->complete(round);
      left.erase(left.begin(), others);
    }
    if (!any) break;
  }
  TimePoint next = TimePoint::max();
  for (RoundPartner<Backend>* partner : partners)
    next = (std::min)(next, partner->end_poll());
  return next;
}

}  // namespace persist::inline PERSIST_ABI
