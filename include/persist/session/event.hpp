#pragma once

#include <persist/session/state.hpp>

#include <functional>
#include <string>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Something that happened to a session and that its listeners are told in order, after all states
/// have changed.
struct Event {
  enum class Kind : std::uint8_t {
    state_changed,   ///< from, to
    saved,           ///< saved
    save_refused,    ///< error: `validate` said no, or the data could not be encoded
    released,        ///< reason, was_saved
    renewal_failed,  ///< attempts_left
    dropped_fields,  ///< paths: unknown fields that the data policy allows to drop, or that have no
                     ///< place
    messages,        ///< some wait for their handlers
    answer,          ///< call: who asked without waiting is answered, or hears of a change
  };

  Kind kind = Kind::state_changed;
  State from = State::loading;
  State to = State::loading;
  Reason reason = Reason::asked;
  bool was_saved = false;
  int attempts_left = 0;
  Result<Saved> saved{};
  Error error{};
  std::vector<std::string> paths{};
  std::function<void()> call{};
};

}  // namespace persist::inline PERSIST_ABI
