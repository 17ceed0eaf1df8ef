#pragma once

#include <persist/clock.hpp>
#include <persist/record/fence.hpp>
#include <persist/store/relay.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// What it takes to renew the lease of a session, and nothing else of it.
struct LeaseTicket {
  StoreId store{};
  std::string_view key;
  Fence fence{};  ///< with the last write number that was used
  Duration lease{};
  Duration renew{};
  TimePoint renewed{};
};
/// What the store's thread says of a lease: it may be renewed by others, a commit of its own is on
/// its way, it is over.
enum class LeaseUse : std::uint8_t { free, taken, over };

/// Who drives a store in the place of its own `poll`: a Host.
class Driver {
 public:
  /// The store goes away: takes back what is out, and answers what waits for it.
  virtual void leave() = 0;
  /// A call that waits for storage was made.
  virtual void blocking_call(std::string_view store) = 0;
  /// Of sessions for one thread, each time that it changes. Puts in the ticket what the driver
  /// knows better: write numbers that it used, and when it renewed.
  virtual void tell_lease(LeaseTicket& ticket, LeaseUse use) = 0;

 protected:
  ~Driver() = default;
};

/// A session that is still there when its store should be closed.
struct LeftOpen {
  std::string store;
  std::string key;
  bool dirty = false;  ///< something of it is not saved
};

/// A store as its driver sees it, beside the rounds. Thread rule: that of the store.
class DrivenStore {
 public:
  /// The driver from now on, or none; false where there is another.
  [[nodiscard]] virtual bool drive(Driver* driver) = 0;
  /// Whether waiting messages are to be sent on now; then `relay.perform` and `end_relay` follow.
  [[nodiscard]] virtual bool begin_relay(Relay& relay) = 0;
  virtual void end_relay(Relay& relay) = 0;
  /// Tells listeners what is still to be told, and says when something is due next.
  [[nodiscard]] virtual TimePoint finish_poll() = 0;
  /// Calls off loads and asks every session to end. How many, and commits behind an end, are left.
  virtual std::size_t ask_all_to_end() = 0;
  /// Whether one of them can end while this thread waits: not where all wait for guards of its own.
  [[nodiscard]] virtual bool can_any_end() = 0;
  /// The driver renewed the lease of that session.
  virtual void hear_of_renewal(std::string_view key, std::uint64_t number) = 0;
  virtual void list_left(std::vector<LeftOpen>& into) = 0;
  /// Writes what is not saved to the local journal (`StoreOptions::spill`), where there is one, and
  /// ends the sessions whose changes are there: says how many. What is on a lane stays.
  virtual std::size_t spill_rest() = 0;

 protected:
  ~DrivenStore() = default;
};

}  // namespace persist::inline PERSIST_ABI
