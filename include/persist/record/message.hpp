#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/record/fence.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The place of a store's header and records within one open database; given out by `open_store`,
/// never stored.
struct StoreId {
  std::uint32_t index = 0;
  friend constexpr bool operator==(StoreId, StoreId) noexcept = default;
};

/// How much a record may hold before it is refused.
struct RecordLimits {
  std::size_t record_bytes = std::size_t{4} << 20;  ///< of the envelope; and of what lies beside it
  std::size_t inbox_messages = 1000;
  std::size_t inbox_bytes = std::size_t{1} << 20;
  std::size_t outbox_messages = 1000;
  std::chrono::hours repeats_known{24 * 7};  ///< how long the id of a posted message is remembered
};

/// What user ids and metadata are counted as against `record_bytes`: beside the data, not with it,
/// so that a change of theirs never keeps data from being saved.
[[nodiscard]] constexpr std::size_t beside_cost(std::size_t user_ids,
                                                std::size_t metadata_bytes) noexcept {
  return 8 * user_ids + metadata_bytes;
}

/// A message as its sender hands it over; the views are only read during the call.
struct MessageView {
  std::string_view type;  ///< the type's unqualified name
  std::uint16_t codec = 0;
  std::uint8_t priority = 0;  ///< higher is handled earlier
  WallTime expires{};         ///< by the backend's clock
  ByteView payload;
};

/// What makes a message known again: the number its sending record gave it, or the id its poster
/// chose.
struct MessageOrigin {
  Hash128 source;            ///< the sending record, or the chosen id
  std::uint64_t epoch = 0;   ///< of the sending record; 0: `source` is an id
  std::uint64_t number = 0;  ///< within that epoch
  WallTime first_tried{};    ///< of an id: when the backend's clock stood there at the first try

  [[nodiscard]] constexpr bool is_numbered() const noexcept { return epoch != 0; }
  friend constexpr bool operator==(const MessageOrigin&, const MessageOrigin&) noexcept = default;
};

/// A message as it lies in an inbox.
struct Message {
  std::uint64_t position = 0;  ///< rises within the inbox; how it is acknowledged
  MessageOrigin origin;
  std::string type;
  std::uint16_t codec = 0;
  std::uint8_t priority = 0;
  WallTime posted{};
  WallTime expires{};
  Buffer payload;
};

/// A message that waits in its sender's record until the receiver has room.
struct OutgoingMessage {
  StoreId store;
  std::string key;
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;
  std::string type;
  std::uint16_t codec = 0;
  std::uint8_t priority = 0;
  WallTime expires{};
  Buffer payload;

  [[nodiscard]] MessageView view() const noexcept {
    return {type, codec, priority, expires, payload};
  }
};

/// A purchase that was granted: a keyed hash of its id, and the day (since 1970, UTC) it was
/// granted on.
struct Receipt {
  Hash128 id;
  std::uint32_t day = 0;
  friend constexpr bool operator==(const Receipt&, const Receipt&) noexcept = default;
};

}  // namespace persist::inline PERSIST_ABI
