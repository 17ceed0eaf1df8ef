#pragma once

#include <persist/session/inbox_message.hpp>
#include <persist/session/state.hpp>
#include <persist/session/watches.hpp>
#include <persist/signal.hpp>

#include <string>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Everything a session tells, and with `First` the session itself in front, everything a store
/// tells of its sessions.
///
/// In order: `saving` before a save is encoded, `saved` after every attempt; at the end … `saved`,
/// `released`.
template <class Data, class... First>
struct Signals {
  Signal<First..., Data&, Reason> saving;        ///< the data may still be changed
  Signal<First..., const Result<Saved>&> saved;  ///< what an attempt came to
  Signal<First..., const Error&>
      save_refused;  ///< `validate` or the codec said no; nothing was written
  Signal<First..., Reason, bool> released;  ///< why it ended, and whether the last save is there
  Signal<First..., State, State> state_changed;  ///< from, to
  Signal<First..., int> renewal_failed;          ///< about how many more tries fit into the lease
  Signal<First..., const std::vector<std::string>&>
      dropped_fields;  ///< paths the data policy let go, or that a save could not place
  Signal<First..., const InboxMessage&, const Error&>
      dead_letter;                  ///< its handler failed again and again: it is put aside
  Watches<Data, First...> changed;  ///< at the end of a guard: what a part of the data was, and is
};

}  // namespace persist::inline PERSIST_ABI
