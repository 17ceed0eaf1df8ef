#pragma once

#include <persist/detail/config.hpp>

#include <cstdint>

namespace persist::inline PERSIST_ABI {

/// What a store has done since it was opened.
struct Metrics {
  std::uint64_t loads = 0;  ///< that gave a session of their own
  std::uint64_t loads_failed = 0;
  std::uint64_t conflicts = 0;  ///< attempts that found a holder
  std::uint64_t saves = 0;      ///< that wrote data
  std::uint64_t saves_failed = 0;
  std::uint64_t saves_refused = 0;  ///< by `validate`, the codec or the limit
  std::uint64_t bytes_saved = 0;
  std::uint64_t renewals = 0;  ///< commits that wrote nothing
  std::uint64_t releases = 0;
  std::uint64_t handovers = 0;  ///< releases that another server asked for
  std::uint64_t lost = 0;       ///< sessions that somebody newer ended
  std::uint64_t rounds = 0;     ///< batches handed to the backend
  std::uint64_t messages_handled = 0;
  std::uint64_t messages_failed = 0;
  std::uint64_t messages_expired = 0;  ///< before anybody handled them
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_relayed = 0;
  std::uint64_t grants = 0;
  std::uint64_t grants_repeated = 0;
  std::uint64_t transactions = 0;
  std::uint64_t spilled = 0;          ///< commits that went to the spill journal
  std::uint64_t spill_sent = 0;       ///< entries of it that are in the database now
  std::uint64_t spill_refused = 0;    ///< and that will not come to be
  std::uint64_t quarantined = 0;      ///< last changes that a rule refused and that were kept aside
  std::uint64_t edits_after_end = 0;  ///< of a copy that is never saved
};

}  // namespace persist::inline PERSIST_ABI
