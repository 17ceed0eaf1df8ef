#pragma once

#include <persist/clock.hpp>
#include <persist/lock/presets.hpp>
#include <persist/log.hpp>
#include <persist/record/history.hpp>
#include <persist/record/message.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {

using namespace std::chrono_literals;

/// "For ever" is spelled as the longest time there is, and added to the time of day that overflows.
inline constexpr Duration longest_pause = std::chrono::hours(24 * 365);

/// How many messages and bytes a record's inbox holds before a post is refused.
struct InboxLimit {
  std::size_t messages = 1000;
  std::size_t bytes = std::size_t{1} << 20;
};

/// When a store takes its database for ailing and asks less of it: `store.is_critical()`.
struct CriticalOptions {
  unsigned errors = 5;       ///< so many failures, not two of one second; 0: never
  Duration within = 120s;    ///< in so long; it ends when so many are that young no more
  std::uint16_t slower = 4;  ///< how many times as long autosaves wait meanwhile
  /// Meanwhile a load that begins so soon after a failure, nothing having succeeded since, is
  /// refused as `unavailable` at once. 0: none is.
  Duration refuse_loads = 10s;
};

/// What a store is told at run time. A duration of zero or less switches the thing off.
struct StoreOptions {
  std::string server_id{};  ///< who we are in `locked`; up to 23 bytes; random when empty
  Duration autosave = 30s;  ///< an edit is on its way to the disk after this at most
  Duration min_gap = 0s;    ///< between two saves of one session; a save that comes sooner waits
  Duration lease = 60s;     ///< how long a silent holder keeps others out
  Duration renew = 20s;     ///< how often a holder is heard of; a third of a lease that is shorter
  Duration load_deadline = 10s;  ///< of a blocking load that finds a holder
  Duration begin_deadline =
      90s;  ///< of a load that was begun: longer than a lease, so a dead holder's runs out
  Duration close_deadline = 10s;  ///< for `~Store` and `close_all`
  Duration relay = 5s;            ///< how often waiting messages are sent on
  /// Takes what an earlier run of a server with this `server_id` still holds at once, on every
  /// backend. For a server of whose id there is never a second one.
  bool reclaim = false;
  bool save_on_release = true;  ///< false: a release gives the record back as it was last saved
  /// Bytes of one record's data; its user ids and metadata together may have as many.
  std::size_t record_limit = std::size_t{4} << 20;
  InboxLimit inbox_limit{};
  std::size_t outbox_limit = 1000;  ///< messages of one record that wait for their receivers
  /// A folder on this machine, its parent there, for what could not be saved when the store closes;
  /// it is sent again at the next start (doc/spill.md). Stores of one process may share it; two
  /// processes may not. Empty: what could not be saved then is lost, and said to be.
  std::string spill{};
  /// Older states of each record's data that stay, to be looked at and gone back to
  /// (doc/history.md). Chosen anew it holds from each record's next save on. None unless told.
  HistoryRule history{};
  CriticalOptions critical{};
  Clock* clock = nullptr;  ///< must outlive the store; the machine's when null
  Log log{};
};

/// The options of a store with that lock policy where the game says nothing: the usual ones, or the
/// timing that the policy brings (`lock::presets`).
template <class LockPolicy>
[[nodiscard]] StoreOptions options_for() {
  StoreOptions told;
  if constexpr (requires { LockPolicy::timing.lease; }) {
    const lock::Timing& timing = LockPolicy::timing;
    told.autosave = timing.autosave, told.min_gap = timing.min_gap;
    told.lease = timing.lease, told.renew = timing.renew;
    told.load_deadline = timing.load_deadline, told.begin_deadline = timing.begin_deadline;
  }
  return told;
}

/// A value that is rarely there: one pointer where it is not.
template <class T>
class Boxed {
 public:
  Boxed() noexcept = default;
  template <std::convertible_to<T> U>
    requires(!std::same_as<std::remove_cvref_t<U>, Boxed>)
  Boxed(U&& value)  // NOLINT(google-explicit-constructor): it stands for the value
      : value_(std::make_unique<T>(std::forward<U>(value))) {}
  Boxed(const Boxed& other) : value_(other ? std::make_unique<T>(*other.value_) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(Boxed other) noexcept { return value_.swap(other.value_), *this; }
  ~Boxed() = default;

  [[nodiscard]] explicit operator bool() const noexcept { return value_ != nullptr; }
  [[nodiscard]] std::unique_ptr<T> take() noexcept { return std::move(value_); }

 private:
  std::unique_ptr<T> value_;
};

/// What a load does about the lock.
enum class LockUse : std::uint8_t {
  respect,
  /// Take nothing: the session's first commit takes the record, from whoever holds it, if nobody
  /// acquired or saved it since the load; else that is `fenced` and the session lost. For a tool
  /// that repairs a record. Nobody hears of a session that changes nothing.
  ignore,
};

/// What a load does that could not reach the storage until its deadline (`unavailable`,
/// `timeout`; never about a record that is there and cannot be read).
enum class IfUnavailable : std::uint8_t {
  fail,
  /// Give a session with the default data that is never saved, whatever becomes of the storage:
  /// so the player can play meanwhile. Saving, sends, grants and trades answer `unavailable`.
  ephemeral,
};

/// What one load is told.
template <class Data>
struct LoadOptionsFor {
  std::optional<Conflict> conflict{};  ///< instead of the lock policy's
  /// Decides instead, each time the record is found held; see `conflict::Ask`. Of a load that one
  /// joins, the first function that was given; who wants to go further than it says, goes.
  std::function<Decision(const Obstacle&)> ask{};
  Duration deadline = Duration::zero();  ///< instead of the store's; zero: the store's
  LockUse lock = LockUse::respect;       ///< who respects it joins nobody who does not: `busy`
  IfUnavailable if_unavailable = IfUnavailable::fail;  ///< all who wait for one load must agree
  std::optional<Data>
      default_value{};  ///< instead of the data policy's, for a record that does not exist
  /// What the members hold that the record does not have, in the place of their defaults; see
  /// doc/evolution.md. Of the load that fetches the record, not of one that joins it.
  Boxed<Data> reconcile_with{};
  std::function<bool()>
      while_{};  ///< asked when the load completes: "no" gives the record back, `cancelled`
};

struct UpdateOptions {
  bool create = false;  ///< a record that does not exist begins as the data policy's default
};

struct SaveOptions {
  bool force = false;  ///< writes a clean session too
};

/// How a message is posted.
struct PostOptions {
  std::string_view id{};  ///< makes a repeat known for 7 days, and while the record has had few
                          ///< others since; `first_tried` has a later one refused
  Duration expires = std::chrono::hours(24 * 7);  ///< at most 45 days
  std::uint8_t priority = 0;                      ///< higher is handled earlier
  std::optional<WallTime>
      first_tried{};  ///< of a retry by hand: when the first try was, by the backend's clock
};

struct PollOptions {
  Duration at_most =
      Duration::zero();  ///< stops between sessions after this long; zero: does all that is due
};

}  // namespace persist::inline PERSIST_ABI
