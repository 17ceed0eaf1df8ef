#pragma once

#include <persist/detail/crc32c.hpp>
#include <persist/record/index.hpp>
#include <persist/record/reader.hpp>
#include <persist/result.hpp>
#include <persist/spill/entry.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// An entry as bytes: a header with a sum, and behind it the commit, with another. doc/format.md has
// the grammar and an example in hex. Numbers here reach disk: never renumber.

namespace persist::inline PERSIST_ABI::spill {

inline constexpr std::string_view magic = "persistS";
inline constexpr std::uint32_t format = 1;
inline constexpr std::size_t header_size = 24;
inline constexpr std::uint64_t largest_entry = std::uint64_t{1} << 30;

namespace detail {

using persist::detail::append_hash;
using persist::detail::append_text;
using persist::detail::append_time;
using persist::detail::crc32c;
using persist::detail::Reader;

/// Which of its parts a change has.
struct Has {
  static constexpr std::uint32_t data = 1, removes_data = 2, pieces = 4, schema = 8, user_ids = 16,
                                 metadata = 32, created = 64, load_count = 128, claims = 256,
                                 indexed = 512, history = 1024, all = 2047;
};

inline void append_bytes(Buffer& to, ByteView bytes) {
  append_little(to, static_cast<std::uint32_t>(bytes.size()));
  to.append(bytes);
}
inline void append_numbers(Buffer& to, const std::vector<std::uint64_t>& numbers) {
  append_little(to, static_cast<std::uint32_t>(numbers.size()));
  for (const std::uint64_t number : numbers)
    append_little(to, number);
}
inline void append_fence(Buffer& to, const Fence& fence) {
  append_little(to, fence.epoch);
  append_text(to, fence.owner.server.view());
  append_little(to, fence.owner.nonce);
  append_little(to, fence.owner.session);
  append_little(to, fence.write);
}
inline void append_pieces(Buffer& to, const Pieces& pieces) {
  to.push(std::byte{pieces.may_be_split});
  to.push(std::byte{pieces.is_split});
  append_little(to, pieces.filled);
  append_numbers(to, pieces.epochs);
  append_little(to, static_cast<std::uint32_t>(pieces.parts.size()));
  for (const Buffer& part : pieces.parts)
    append_bytes(to, part);
}
inline void append_message(Buffer& to, const OutgoingMessage& message) {
  append_little(to, message.store.index);
  append_text(to, message.key);
  append_little(to, message.number);
  append_text(to, message.type);
  append_little(to, message.codec);
  append_little(to, message.priority);
  append_time(to, message.expires);
  append_bytes(to, message.payload);
}

inline void append_rule(Buffer& to, const HistoryRule& rule) {
  append_little(to, std::uint64_t{rule.keep});
  append_little(to, static_cast<std::uint64_t>(rule.every.count()));
  append_little(to, static_cast<std::uint64_t>(rule.for_.count()));
  append_little(to, rule.bytes);
}

[[nodiscard]] inline std::uint32_t parts_of(const Part& part) noexcept {
  return (part.data ? Has::data : 0) | (part.removes_data ? Has::removes_data : 0) |
         (part.pieces ? Has::pieces : 0) | (part.schema ? Has::schema : 0) |
         (part.user_ids ? Has::user_ids : 0) | (part.metadata ? Has::metadata : 0) |
         (part.created ? Has::created : 0) | (part.load_count ? Has::load_count : 0) |
         (part.claims != Claims::nothing ? Has::claims : 0) | (part.indexed ? Has::indexed : 0) |
         (part.history ? Has::history : 0);
}
inline void append_part(Buffer& to, const Part& part) {
  append_little(to, part.store);
  append_text(to, part.key);
  append_fence(to, part.fence);
  append_little(to, parts_of(part));
  if (part.data) append_bytes(to, *part.data);
  if (part.pieces) append_pieces(to, *part.pieces);
  if (part.schema) append_hash(to, part.schema_id), append_bytes(to, *part.schema);
  if (part.user_ids) append_numbers(to, *part.user_ids);
  if (part.metadata) append_bytes(to, *part.metadata);
  if (part.created) append_time(to, *part.created);
  if (part.load_count) append_little(to, *part.load_count);
  if (part.claims != Claims::nothing) {
    append_little(to, static_cast<std::uint8_t>(part.claims));
    append_little(to, part.seen_version);
  }
  if (part.indexed) append_bytes(to, *part.indexed);
  if (part.history) append_rule(to, *part.history);
  append_numbers(to, part.acknowledged);
  append_little(to, static_cast<std::uint32_t>(part.sends.size()));
  for (const OutgoingMessage& message : part.sends)
    append_message(to, message);
  append_little(to, static_cast<std::uint32_t>(part.receipts.size()));
  for (const Receipt& receipt : part.receipts)
    append_hash(to, receipt.id), append_little(to, receipt.day);
  append_little(to, part.forget_receipts);
  append_little(to, static_cast<std::uint8_t>(part.lease));
  append_little(to, static_cast<std::uint64_t>(part.lease_length.count()));
  append_little(to, part.seen_position);
}

// Reading. What is not as it should be leaves the reader not good.

[[nodiscard]] inline bool read_flag(Reader& from, bool& good) {
  const auto value = from.number<std::uint8_t>();
  good = good && value <= 1;
  return value == 1;
}
[[nodiscard]] inline Buffer read_bytes(Reader& from) {
  return Buffer(from.bytes(from.number<std::uint32_t>()));
}
[[nodiscard]] inline std::vector<std::uint64_t> read_numbers(Reader& from) {
  std::vector<std::uint64_t> numbers(from.count(8));
  for (std::uint64_t& number : numbers)
    number = from.number<std::uint64_t>();
  return numbers;
}
[[nodiscard]] inline Fence read_fence(Reader& from, bool& good) {
  Fence fence;
  fence.epoch = from.number<std::uint64_t>();
  const std::string_view server = from.text();
  good = good && server.size() <= ServerId::capacity;
  fence.owner.server = ServerId(server);
  fence.owner.nonce = from.number<std::uint64_t>();
  fence.owner.session = from.number<std::uint64_t>();
  fence.write = from.number<std::uint64_t>();
  return fence;
}
[[nodiscard]] inline HistoryRule read_rule(Reader& from) {
  HistoryRule rule;
  rule.keep = static_cast<std::size_t>(from.number<std::uint64_t>());
  rule.every = Duration(static_cast<std::int64_t>(from.number<std::uint64_t>()));
  rule.for_ = Duration(static_cast<std::int64_t>(from.number<std::uint64_t>()));
  rule.bytes = from.number<std::uint64_t>();
  return rule;
}
[[nodiscard]] inline Pieces read_pieces(Reader& from, bool& good) {
  Pieces pieces;
  pieces.may_be_split = read_flag(from, good);
  pieces.is_split = read_flag(from, good);
  pieces.filled = from.number<std::uint64_t>();
  pieces.epochs = read_numbers(from);
  // So many pieces are acquired and emptied by whoever sends it.
  good = good && pieces.filled <= std::uint64_t{1} << 20;
  const std::size_t count = from.count(4);
  for (std::size_t i = 0; i < count && from.good(); ++i)
    pieces.parts.push_back(read_bytes(from));
  return pieces;
}
[[nodiscard]] inline OutgoingMessage read_message(Reader& from, std::size_t stores, bool& good) {
  OutgoingMessage message;
  message.store.index = from.number<std::uint32_t>();
  good = good && message.store.index < stores;
  message.key = from.text();
  message.number = from.number<std::uint64_t>();
  message.type = from.text();
  message.codec = from.number<std::uint16_t>();
  message.priority = from.number<std::uint8_t>();
  message.expires = from.time();
  message.payload = read_bytes(from);
  return message;
}
[[nodiscard]] inline Part read_part(Reader& from, std::size_t stores, bool& good) {
  Part part;
  part.store = from.number<std::uint32_t>();
  part.key = from.text();
  part.fence = read_fence(from, good);
  const auto has = from.number<std::uint32_t>();
  good = good && part.store < stores && !part.key.empty() && (has & ~Has::all) == 0 &&
         (has & (Has::data | Has::removes_data)) != (Has::data | Has::removes_data);
  if ((has & Has::data) != 0) part.data = read_bytes(from);
  part.removes_data = (has & Has::removes_data) != 0;
  if ((has & Has::pieces) != 0) part.pieces = read_pieces(from, good);
  if ((has & Has::schema) != 0) part.schema_id = from.hash(), part.schema = read_bytes(from);
  if ((has & Has::user_ids) != 0) part.user_ids = read_numbers(from);
  if ((has & Has::metadata) != 0) part.metadata = read_bytes(from);
  if ((has & Has::created) != 0) part.created = from.time();
  if ((has & Has::load_count) != 0) part.load_count = from.number<std::uint64_t>();
  if ((has & Has::claims) != 0) {
    const auto claims = from.number<std::uint8_t>();
    good = good && claims != 0 && claims <= static_cast<std::uint8_t>(Claims::anyway);
    part.claims = static_cast<Claims>(claims);
    part.seen_version = from.number<std::uint64_t>();
  }
  if ((has & Has::indexed) != 0) {
    part.indexed = read_bytes(from);
    good = good && are_index_entries(*part.indexed);
  }
  if ((has & Has::history) != 0) part.history = read_rule(from);
  part.acknowledged = read_numbers(from);
  const std::size_t sends = from.count(31);
  for (std::size_t i = 0; i < sends && from.good(); ++i)
    part.sends.push_back(read_message(from, stores, good));
  part.receipts.resize(from.count(20));
  for (Receipt& receipt : part.receipts)
    receipt.id = from.hash(), receipt.day = from.number<std::uint32_t>();
  part.forget_receipts = from.number<std::uint32_t>();
  const auto lease = from.number<std::uint8_t>();
  good = good && lease <= static_cast<std::uint8_t>(LeaseChange::release);
  part.lease = static_cast<LeaseChange>(lease);
  part.lease_length = Duration(static_cast<std::int64_t>(from.number<std::uint64_t>()));
  part.seen_position = from.number<std::uint64_t>();
  return part;
}

[[nodiscard]] inline Error corrupt(std::string_view what) {
  return {Errc::corrupt, "the spilled entry " + std::string(what) + "; its file is left as it is"};
}

}  // namespace detail

/// Appends the bytes of an entry. `too_large` above 1 GiB; then nothing is appended.
[[nodiscard]] inline Result<void> encode(const Entry& entry, Buffer& to) {
  const std::size_t begin = to.size();
  to.append(magic);
  append_little(to, format);
  for (int i = 0; i < 3; ++i)
    append_little(to, std::uint32_t{0});
  append_little(to, static_cast<std::uint8_t>(entry.kind));
  append_little(to, entry.follows);
  detail::append_time(to, entry.at);
  detail::append_text(to, entry.server);
  detail::append_text(to, std::string_view(entry.why).substr(0, 4000));
  append_little(to, static_cast<std::uint32_t>(entry.stores.size()));
  for (const StoreInfo& store : entry.stores) {
    detail::append_text(to, store.name);
    append_little(to, static_cast<std::uint8_t>(store.lock));
    detail::append_hash(to, store.birth);
  }
  append_little(to, static_cast<std::uint32_t>(entry.parts.size()));
  for (const Part& part : entry.parts)
    detail::append_part(to, part);
  const ByteView payload = to.view().subspan(begin + header_size);
  if (payload.size() > largest_entry) {
    to.shrink(begin);
    return Error(Errc::too_large, "an entry of the spill journal has at most 1 GiB");
  }
  std::byte* const header = to.data() + begin;
  store_little(header + 12, static_cast<std::uint32_t>(payload.size()));
  store_little(header + 16, detail::crc32c(payload));
  store_little(header + 20, detail::crc32c({header, header_size - 4}));
  return success;
}

/// How long an entry is that begins with these bytes, header included. `corrupt`; `too_new` where a
/// newer build wrote it.
[[nodiscard]] inline Result<std::size_t> size_of(ByteView header) {
  detail::Reader from(header.first((std::min)(header.size(), header_size)));
  if (as_text(from.bytes(magic.size())) != magic) return detail::corrupt("is none, or is cut off");
  const auto written = from.number<std::uint32_t>();
  if (from.good() && written > format)
    return Error(Errc::too_new, "the spilled entry has format " + std::to_string(written) +
                                    ", and this build reads up to " + std::to_string(format));
  const auto length = from.number<std::uint32_t>();
  (void)from.number<std::uint32_t>();
  const auto sum = from.number<std::uint32_t>();
  if (!from.done() || written != format || length > largest_entry ||
      sum != detail::crc32c(header.first(header_size - 4)))
    return detail::corrupt("is damaged in its header");
  return header_size + length;
}

/// Reads an entry, all of it or nothing. `corrupt`, `too_new`.
[[nodiscard]] inline Result<Entry> decode(ByteView bytes) {
  const auto size = size_of(bytes);
  if (!size) return size.error();
  if (bytes.size() != *size) return detail::corrupt("is cut off, or something lies behind it");
  const ByteView payload = bytes.subspan(header_size);
  if (load_little<std::uint32_t>(bytes.data() + 16) != detail::crc32c(payload))
    return detail::corrupt("is damaged");
  detail::Reader from(payload);
  bool good = true;
  Entry entry;
  const auto kind = from.number<std::uint8_t>();
  good = kind == 1 || kind == 2;
  entry.kind = static_cast<Kind>(kind);
  entry.follows = from.number<std::uint64_t>();
  entry.at = from.time();
  entry.server = from.text();
  entry.why = from.text();
  const std::size_t stores = from.count(19);
  for (std::size_t i = 0; i < stores && from.good(); ++i) {
    StoreInfo& store = entry.stores.emplace_back();
    store.name = from.text();
    const auto lock = from.number<std::uint8_t>();
    good = good && lock <= static_cast<std::uint8_t>(LockKind::external);
    store.lock = static_cast<LockKind>(lock);
    store.birth = from.hash();
  }
  const std::size_t parts = from.count(78);
  for (std::size_t i = 0; i < parts && from.good() && good; ++i)
    entry.parts.push_back(detail::read_part(from, stores, good));
  if (!good || !from.done() || entry.parts.empty()) return detail::corrupt("makes no sense");
  return entry;
}

}  // namespace persist::inline PERSIST_ABI::spill
