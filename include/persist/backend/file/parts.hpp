#pragma once

#include <persist/backend/file/layout.hpp>
#include <persist/record/mailbox.hpp>

#include <optional>
#include <vector>

// The bytes of the parts that are not the user's own: user ids, receipts, inbox, outbox. Data and
// metadata are kept as they come.

namespace persist::inline PERSIST_ABI::backend::file {

[[nodiscard]] inline Buffer encode_user_ids(const std::vector<std::uint64_t>& ids) {
  Buffer to;
  for (const std::uint64_t id : ids)
    append_little(to, id);
  return to;
}
[[nodiscard]] inline bool decode_user_ids(ByteView bytes, std::vector<std::uint64_t>& ids) {
  Reader from(bytes);
  ids.clear();
  while (from.left() >= 8)
    ids.push_back(from.number<std::uint64_t>());
  return from.done();
}

inline constexpr std::size_t receipt_size = 20;

[[nodiscard]] inline Buffer encode_receipts(std::span<const Receipt> receipts) {
  Buffer to;
  for (const Receipt& receipt : receipts) {
    append_hash(to, receipt.id);
    append_little(to, receipt.day);
  }
  return to;
}
/// Appends a page.
[[nodiscard]] inline bool decode_receipts(ByteView bytes, std::vector<Receipt>& receipts) {
  Reader from(bytes);
  while (from.left() >= receipt_size) {
    const Hash128 id = from.hash();
    receipts.push_back({id, from.number<std::uint32_t>()});
  }
  return from.done();
}

inline void append_payload(Buffer& to, const Buffer& payload) {
  append_little(to, static_cast<std::uint32_t>(payload.size()));
  to.append(payload);
}

[[nodiscard]] inline Buffer encode_inbox(const Inbox& inbox) {
  Buffer to;
  append_little(to, inbox.last_position);
  append_time(to, inbox.forgotten);
  append_little(to, static_cast<std::uint32_t>(inbox.senders.size()));
  for (const Inbox::Sender& sender : inbox.senders) {
    append_hash(to, sender.source);
    append_little(to, sender.epoch);
    append_little(to, sender.number);
  }
  append_little(to, static_cast<std::uint32_t>(inbox.known.size()));
  for (const Inbox::Known& known : inbox.known) {
    append_hash(to, known.id);
    append_time(to, known.first_tried);
    append_little(to, known.position);
  }
  append_little(to, static_cast<std::uint32_t>(inbox.messages.size()));
  for (const Message& message : inbox.messages) {
    append_little(to, message.position);
    append_hash(to, message.origin.source);
    append_little(to, message.origin.epoch);
    append_little(to, message.origin.number);
    append_time(to, message.origin.first_tried);
    append_text(to, message.type);
    append_little(to, message.codec);
    to.push(static_cast<std::byte>(message.priority));
    append_time(to, message.posted);
    append_time(to, message.expires);
    append_payload(to, message.payload);
  }
  return to;
}

/// How many bytes `encode_inbox` makes of it.
[[nodiscard]] inline std::uint64_t inbox_size(const Inbox& inbox) noexcept {
  return 20 + 32 * (std::uint64_t{inbox.senders.size()} + inbox.known.size()) + inbox.bytes +
         9 * std::uint64_t{inbox.messages.size()};
}

[[nodiscard]] inline bool decode_inbox(ByteView bytes, Inbox& inbox) {
  Reader from(bytes);
  inbox = Inbox{};
  inbox.last_position = from.number<std::uint64_t>();
  inbox.forgotten = from.time();
  for (std::size_t left = from.count(32); left != 0; --left) {
    const Hash128 source = from.hash();
    const auto epoch = from.number<std::uint64_t>();
    inbox.senders.push_back({source, epoch, from.number<std::uint64_t>()});
  }
  for (std::size_t left = from.count(32); left != 0; --left) {
    const Hash128 id = from.hash();
    const WallTime tried = from.time();
    inbox.known.push_back({id, tried, from.number<std::uint64_t>()});
  }
  for (std::size_t left = from.count(73); left != 0; --left) {
    Message& message = inbox.messages.emplace_back();
    message.position = from.number<std::uint64_t>();
    message.origin.source = from.hash();
    message.origin.epoch = from.number<std::uint64_t>();
    message.origin.number = from.number<std::uint64_t>();
    message.origin.first_tried = from.time();
    message.type = from.text();
    message.codec = from.number<std::uint16_t>();
    message.priority = from.number<std::uint8_t>();
    message.posted = from.time();
    message.expires = from.time();
    message.payload = Buffer(from.bytes(from.number<std::uint32_t>()));
    inbox.bytes += inbox_cost({message.type, 0, 0, {}, message.payload});
  }
  return from.done();
}

[[nodiscard]] inline Buffer encode_outbox(const Outbox& outbox) {
  Buffer to;
  append_little(to, static_cast<std::uint32_t>(outbox.messages.size()));
  for (const OutgoingMessage& message : outbox.messages) {
    append_little(to, message.store.index);
    append_text(to, message.key);
    append_little(to, message.epoch);
    append_little(to, message.number);
    append_text(to, message.type);
    append_little(to, message.codec);
    to.push(static_cast<std::byte>(message.priority));
    append_time(to, message.expires);
    append_payload(to, message.payload);
  }
  return to;
}

/// How many bytes `encode_outbox` makes of it.
[[nodiscard]] inline std::uint64_t outbox_size(const Outbox& outbox) noexcept {
  std::uint64_t sum = 4;
  for (const OutgoingMessage& m : outbox.messages)
    sum += 39 + m.key.size() + m.type.size() + m.payload.size();
  return sum;
}

[[nodiscard]] inline bool decode_outbox(ByteView bytes, Outbox& outbox) {
  Reader from(bytes);
  outbox.messages.clear();
  for (std::size_t left = from.count(39); left != 0; --left) {
    OutgoingMessage& message = outbox.messages.emplace_back();
    message.store.index = from.number<std::uint32_t>();
    message.key = from.text();
    message.epoch = from.number<std::uint64_t>();
    message.number = from.number<std::uint64_t>();
    message.type = from.text();
    message.codec = from.number<std::uint16_t>();
    message.priority = from.number<std::uint8_t>();
    message.expires = from.time();
    message.payload = Buffer(from.bytes(from.number<std::uint32_t>()));
  }
  return from.done();
}

}  // namespace persist::inline PERSIST_ABI::backend::file
