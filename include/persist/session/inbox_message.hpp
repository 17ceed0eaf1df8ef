#pragma once

#include <persist/record/message.hpp>
#include <persist/session/message_codec.hpp>

#include <cstdint>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// How often a handler may fail on a message before it is put aside.
inline constexpr std::uint8_t most_message_tries = 3;

/// A message that waits in a record.
struct InboxMessage : Message {
  std::uint8_t tries = 0;  ///< how often its handler failed in this session

  InboxMessage() = default;
  explicit InboxMessage(Message from, std::uint8_t failed = 0)
      : Message(std::move(from)), tries(failed) {}

  /// Whether it is put aside: no handler gets it until it is tried again.
  [[nodiscard]] bool is_dead_letter() const noexcept { return tries >= most_message_tries; }
  /// What it says; as a `Value` for who does not know its type. `wrong_codec`, `corrupt`,
  /// `schema_mismatch` where it is no M.
  template <class M>
  [[nodiscard]] Result<M> as() const {
    return decode_message<M>(*this);
  }
};

}  // namespace persist::inline PERSIST_ABI
