#pragma once

#include <persist/record/requests.hpp>

#include <algorithm>
#include <vector>

// The inbox and the outbox of a record: what may come in, what is known again, what is taken out.
// Pure data, shared by every embedded backend.

namespace persist::inline PERSIST_ABI {

/// What a message is counted as against the limit: its payload, its type's name and what the record
/// keeps beside it.
[[nodiscard]] inline std::size_t inbox_cost(const MessageView& message) noexcept {
  return message.payload.size() + message.type.size() + 64;
}

struct Inbox {
  /// The highest number taken from one sending record. Never forgotten while the record lives: a
  /// relay may repeat a message however late.
  struct Sender {
    Hash128 source;
    std::uint64_t epoch = 0;
    std::uint64_t number = 0;
  };
  /// An id that was accepted. Kept until `RecordLimits::repeats_known` has passed since it was
  /// first tried, and beyond that while there are few: a poster who does not say when he tried
  /// first is then known all the same.
  struct Known {
    Hash128 id;
    WallTime first_tried{};
    std::uint64_t position = 0;
  };

  std::vector<Message> messages;  ///< by rising position
  std::vector<Sender> senders;    ///< sorted by source
  std::vector<Known> known;
  WallTime forgotten{};  ///< ids that were first tried then or before may have been forgotten
  std::uint64_t last_position = 0;
  std::size_t bytes = 0;

  [[nodiscard]] bool never_used() const noexcept { return last_position == 0; }
};

/// So many ids of posted messages are known however long ago they came.
inline constexpr std::size_t ids_kept = 64;

/// How a message was received.
struct Reception {
  enum class Outcome : std::uint8_t { accepted, repeated, full, too_late };
  Outcome outcome = Outcome::accepted;
  std::uint64_t position = 0;
};

[[nodiscard]] inline auto find_sender(std::vector<Inbox::Sender>& senders, const Hash128& source) {
  return std::lower_bound(senders.begin(), senders.end(), source,
                          [](const Inbox::Sender& s, const Hash128& h) { return s.source < h; });
}

/// Whether the message came before; judged before there is any question of room, so that a repeat
/// is always answered as the first was.
[[nodiscard]] inline std::optional<Reception> recognise(Inbox& inbox, const MessageOrigin& origin,
                                                        const RecordLimits& limits, WallTime now) {
  if (origin.is_numbered()) {
    const auto at = find_sender(inbox.senders, origin.source);
    if (at == inbox.senders.end() || at->source != origin.source) return std::nullopt;
    const bool taken =
        origin.epoch < at->epoch || (origin.epoch == at->epoch && origin.number <= at->number);
    return taken ? std::optional(Reception{Reception::Outcome::repeated, 0}) : std::nullopt;
  }
  for (const Inbox::Known& known : inbox.known)
    if (known.id == origin.source) return Reception{Reception::Outcome::repeated, known.position};
  // An id this old may have been forgotten: nobody can say any more whether it took effect. The
  // calendar may have been put forward and back since, so what was forgotten counts by itself.
  if (origin.first_tried <= inbox.forgotten || origin.first_tried + limits.repeats_known <= now)
    return Reception{Reception::Outcome::too_late, 0};
  return std::nullopt;
}

/// Makes room for one more id: of more than `ids_kept` the oldest go whose time is over.
inline void forget_ids(Inbox& inbox, const RecordLimits& limits, WallTime now) {
  std::size_t spare = inbox.known.size() < ids_kept ? 0 : inbox.known.size() + 1 - ids_kept;
  std::erase_if(inbox.known, [&](const Inbox::Known& id) {
    if (spare == 0 || id.first_tried + limits.repeats_known > now) return false;
    --spare;
    inbox.forgotten = (std::max)(inbox.forgotten, id.first_tried);
    return true;
  });
}

/// Judges a message and, where it may come in, gives it a position and makes its origin known; the
/// message itself is the caller's, who has `waiting` of them. For an inbox that is kept elsewhere
/// `senders` may hold the origin's alone, and for a numbered message `known` may be empty.
inline Reception admit(Inbox& inbox, std::size_t waiting, const MessageOrigin& origin,
                       const MessageView& message, const RecordLimits& limits, WallTime now) {
  if (const auto before = recognise(inbox, origin, limits, now)) return *before;
  const std::size_t cost = inbox_cost(message);
  if (waiting >= limits.inbox_messages || inbox.bytes + cost > limits.inbox_bytes)
    return {Reception::Outcome::full, 0};
  const std::uint64_t position = ++inbox.last_position;
  if (origin.is_numbered()) {
    const auto at = find_sender(inbox.senders, origin.source);
    if (at != inbox.senders.end() && at->source == origin.source)
      at->epoch = origin.epoch, at->number = origin.number;
    else
      inbox.senders.insert(at, {origin.source, origin.epoch, origin.number});
  } else {
    forget_ids(inbox, limits, now);
    inbox.known.push_back({origin.source, origin.first_tried, position});
  }
  inbox.bytes += cost;
  return {Reception::Outcome::accepted, position};
}

/// Puts a message into the inbox, once; refuses what would go over the limits, drops nothing.
inline Reception receive(Inbox& inbox, const MessageOrigin& origin, const MessageView& message,
                         const RecordLimits& limits, WallTime now) {
  const Reception got = admit(inbox, inbox.messages.size(), origin, message, limits, now);
  if (got.outcome == Reception::Outcome::accepted)
    inbox.messages.push_back({got.position, origin, std::string(message.type), message.codec,
                              message.priority, now, message.expires, Buffer(message.payload)});
  return got;
}

/// Takes out what was acknowledged; positions that are not there (any more) are passed over, as a
/// repeat must be.
inline void acknowledge(Inbox& inbox, std::span<const std::uint64_t> positions) {
  if (positions.empty()) return;
  std::erase_if(inbox.messages, [&](const Message& message) {
    if (std::find(positions.begin(), positions.end(), message.position) == positions.end())
      return false;
    inbox.bytes -= inbox_cost({message.type, 0, 0, {}, message.payload});
    return true;
  });
}

/// Copies of the messages behind `seen`.
[[nodiscard]] inline std::vector<Message> newer_than(const Inbox& inbox, std::uint64_t seen) {
  const auto from =
      std::upper_bound(inbox.messages.begin(), inbox.messages.end(), seen,
                       [](std::uint64_t at, const Message& m) { return at < m.position; });
  return {from, inbox.messages.end()};
}

/// What the sender of a post hears.
inline void answer_post(PostRequest& request, const Reception& got) {
  request.position = got.position;
  request.repeated = got.outcome == Reception::Outcome::repeated;
  if (got.outcome == Reception::Outcome::full)
    request.error = Error(Errc::full, "the inbox has no room; it empties when its owner plays");
  else if (got.outcome == Reception::Outcome::too_late)
    request.error = Error(Errc::refused,
                          "this id was first tried so long ago that nobody can tell whether it "
                          "took effect; it was not posted");
}

struct Outbox {
  std::vector<OutgoingMessage> messages;  ///< in the order they were sent

  /// Whether an earlier message to that receiver still waits; a later one must not overtake it.
  [[nodiscard]] bool waits_for(StoreId store, std::string_view key) const noexcept {
    return std::any_of(messages.begin(), messages.end(),
                       [&](const OutgoingMessage& m) { return m.store == store && m.key == key; });
  }
  [[nodiscard]] bool holds(std::uint64_t epoch, std::uint64_t number) const noexcept {
    return std::any_of(messages.begin(), messages.end(), [&](const OutgoingMessage& m) {
      return m.epoch == epoch && m.number == number;
    });
  }
  void take_out(std::span<const OutgoingMessage> taken) {
    std::erase_if(messages, [&](const OutgoingMessage& m) {
      return std::any_of(taken.begin(), taken.end(), [&](const OutgoingMessage& t) {
        return t.epoch == m.epoch && t.number == m.number;
      });
    });
  }
  [[nodiscard]] std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    all.reserve(messages.size());
    for (const OutgoingMessage& message : messages)
      all.push_back(message.number);
    return all;
  }
};

}  // namespace persist::inline PERSIST_ABI
