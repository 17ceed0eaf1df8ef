#pragma once

#include <persist/clock.hpp>
#include <persist/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace persist::inline PERSIST_ABI {

/// Where a session is in its life. It only moves down this list, but for `open` and `suspect`,
/// which may alternate.
enum class State : std::uint8_t {
  loading,  ///< waits for its record
  open,     ///< holds the record
  suspect,  ///< could not renew in time: somebody may take over; edits are kept and saved if nobody
            ///< has
  releasing,  ///< its last save is under way
  released,   ///< ended; the last save and the return of the lease are done
  lost,       ///< ended; somebody newer has the record, and what was not saved is not
};

[[nodiscard]] constexpr std::string_view name(State state) noexcept {
  constexpr std::string_view names[] = {"loading",   "open",     "suspect",
                                        "releasing", "released", "lost"};
  return names[static_cast<std::uint8_t>(state)];
}
[[nodiscard]] constexpr bool ended(State state) noexcept {
  return state >= State::released;
}

/// What ties a session to its record.
enum class Tie : std::uint8_t {
  holds,   ///< it acquired the record
  looked,  ///< it only looked: its first commit takes the record, if that is as it was seen
  none,    ///< ephemeral: the record could not be reached, and nothing is ever saved
};

/// Why a session is saved, or why it ended.
enum class Reason : std::uint8_t {
  asked,        ///< the game called for it
  autosave,     ///< it was due
  transaction,  ///< a partner's commit carries it
  handover,     ///< another server asked for the record
  shutdown,     ///< the store closes
  dropped,      ///< the last handle went without a release
  lost,         ///< somebody newer has the record, or it was erased
};

[[nodiscard]] constexpr std::string_view name(Reason reason) noexcept {
  constexpr std::string_view names[] = {"asked",    "autosave", "transaction", "handover",
                                        "shutdown", "dropped",  "lost"};
  return names[static_cast<std::uint8_t>(reason)];
}

/// What a save did.
struct Saved {
  bool written = false;       ///< false: nothing had changed
  std::uint64_t version = 0;  ///< of the record now
  std::size_t bytes = 0;      ///< of the record as it is stored
  WallTime at{};              ///< by the backend's clock
};

/// Called with what a save came to.
using SaveAnswer = std::function<void(const Result<Saved>&)>;

/// How a purchase stands.
enum class Grant : std::uint8_t {
  pending,  ///< applied here and not saved yet: tell the shop nothing
  durable,  ///< saved: tell the shop yes
  refused,  ///< so old that nobody can say whether it was granted: tell the shop no
};
[[nodiscard]] constexpr std::string_view name(Grant grant) noexcept {
  constexpr std::string_view names[] = {"pending", "durable", "refused"};
  return names[static_cast<std::uint8_t>(grant)];
}

/// How a transaction stands.
enum class Transacted : std::uint8_t {
  pending,  ///< applied here; no partner is saved without the others until all of them are
  durable,  ///< saved, all of it
};
[[nodiscard]] constexpr std::string_view name(Transacted transacted) noexcept {
  constexpr std::string_view names[] = {"pending", "durable"};
  return names[static_cast<std::uint8_t>(transacted)];
}

/// How large a record was when it was last written, and how much of the limit that is (0 to 1).
struct Usage {
  std::size_t bytes = 0;
  double share = 0;
};

}  // namespace persist::inline PERSIST_ABI
