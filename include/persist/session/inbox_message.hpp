#pragma once

#include <persist/record/message.hpp>
#include <persist/schema/value.hpp>
#include <persist/session/extras.hpp>
#include <persist/session/message_codec.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// How often a handler may fail on a message before it is put aside.
inline constexpr std::uint8_t most_message_tries = 3;

/// A message that waits in a record.
struct InboxMessage {
  std::uint64_t position = 0;  ///< names it within its inbox
  std::string type;            ///< unqualified
  std::uint8_t priority = 0;   ///< higher is handled earlier
  WallTime posted{};           ///< by the backend's clock, as the next
  WallTime expires{};
  std::uint8_t tries = 0;  ///< how often its handler failed in this session
  std::uint16_t codec = 0;
  Buffer payload;

  InboxMessage() = default;
  explicit InboxMessage(Message from)
      : position(from.position),
        type(std::move(from.type)),
        priority(from.priority),
        posted(from.posted),
        expires(from.expires),
        codec(from.codec),
        payload(std::move(from.payload)) {}
  explicit InboxMessage(const WaitingMessage& from) : InboxMessage(Message(from.message)) {
    tries = from.tries;
  }

  /// Whether it is put aside: no handler gets it until it is tried again.
  [[nodiscard]] bool is_dead_letter() const noexcept { return tries >= most_message_tries; }
  /// What it says, for who does not know its type. `corrupt`, `wrong_codec`.
  [[nodiscard]] Result<Value> content() const {
    Message message;
    message.codec = codec;
    message.payload = payload;
    return decode_message<Value>(message);
  }
  /// What it says; `schema_mismatch` where it is no M.
  template <class M>
  [[nodiscard]] Result<M> as() const {
    Message message;
    message.codec = codec;
    message.payload = payload;
    return decode_message<M>(message);
  }
};

}  // namespace persist::inline PERSIST_ABI
