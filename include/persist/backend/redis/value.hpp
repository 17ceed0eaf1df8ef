#pragma once

#include <persist/backend/kv/names.hpp>
#include <persist/backend/kv/value.hpp>
#include <persist/backend/redis/reply.hpp>
#include <persist/detail/crc32c.hpp>

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A record is one hash of Redis. Its head is one field, framed and summed, and says how long each
// part is and what its sum is; a part that no change touched is not sent. doc/format.md has the
// table. Names and numbers here reach disk: never renumber.

namespace persist::inline PERSIST_ABI::backend::redis {

using kv::Record;

/// Parts of a record, each in a field of its own where it has bytes.
enum class Part : std::uint8_t { data, metadata, users, indexed, receipts, inbox, outbox, history };
inline constexpr std::size_t part_count = 8;
inline constexpr std::array<std::string_view, part_count> part_fields = {"d", "m", "u", "x",
                                                                         "r", "i", "b", "y"};
using Parts = unsigned;
[[nodiscard]] constexpr Parts bit_of(Part part) noexcept {
  return 1U << static_cast<unsigned>(part);
}
inline constexpr Parts all_parts = (1U << part_count) - 1;

/// What scripts read and write besides the head: the version, the epoch, from when on anybody may
/// take the record (in microseconds), by whom it is held, and how it was taken since the head was
/// written.
inline constexpr std::string_view version_field = "v", epoch_field = "e", until_field = "l",
                                  owner_field = "o", taken_field = "t", head_field = "h";
inline constexpr std::string_view never = "1e300";

struct Sum {
  std::uint32_t size = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] static Sum of(ByteView bytes) noexcept {
    return {static_cast<std::uint32_t>(bytes.size()), detail::crc32c(bytes)};
  }
  friend bool operator==(const Sum&, const Sum&) = default;
};
using Sums = std::array<Sum, part_count>;

[[nodiscard]] inline std::string text_of(const Owner& owner) {
  if (owner.nobody()) return {};
  std::array<char, 40> text;
  char* at = std::to_chars(text.data(), text.data() + 16, owner.nonce, 16).ptr;
  *at++ = '.';
  at = std::to_chars(at, text.data() + text.size(), owner.session, 16).ptr;
  return {text.data(), at};
}
/// From when on a script may give the record to whoever asks.
[[nodiscard]] inline std::string until_of(const Head& head) {
  if (head.fence.epoch + 1 >= epoch_limit || head.asked()) return std::string(never);
  if (head.fence.owner.nobody() || head.lease <= Duration::zero()) return "0";
  const auto end = std::chrono::ceil<std::chrono::microseconds>(
      after(head.renewed, head.lease).time_since_epoch());
  return std::to_string(end.count());
}

/// What a script writes as a record is taken, but for the epoch, which it gives.
[[nodiscard]] inline Buffer encode_taking(std::string_view key, const Owner& owner, Duration lease,
                                          TimePoint now) {
  Head head;
  head.fence.owner = owner, head.lease = lease, head.renewed = now;
  Buffer to;
  kv::begin_value(to, kv::ValueKind::record);
  file::append_text(to, key);
  file::write_head(to, head);
  kv::append_lease(to, head);
  kv::seal_value(to);
  return to;
}

/// The bytes of a part; none where there is nothing to say.
template <class NameOf>
[[nodiscard]] Buffer encode_part(const Record& record, Part part, NameOf name_of) {
  Buffer to;
  switch (part) {
    case Part::data:
      return record.data;  // a copy, which `add_fields` does without
    case Part::metadata:
      return record.metadata;
    case Part::users:
      return record.user_ids.empty() ? to : file::encode_user_ids(record.user_ids);
    case Part::indexed:
      return record.indexed;
    case Part::receipts:
      return record.receipts.empty() ? to : file::encode_receipts(record.receipts);
    case Part::inbox:
      return record.inbox.never_used() ? to : file::encode_inbox(record.inbox);
    case Part::outbox:
      if (!record.outbox.messages.empty()) kv::append_outbox(to, record.outbox, name_of);
      return to;
    case Part::history:
      for (const memory::KeptData& kept : record.history) {
        append_little(to, kept.version);
        file::append_time(to, kept.at), file::append_time(to, kept.until);
        kv::append_part(to, kept.data);
      }
  }
  return to;
}
template <class StoreOf>
[[nodiscard]] bool decode_part(Record& record, Part part, ByteView bytes, StoreOf store_of) {
  detail::Reader from(bytes);
  switch (part) {
    case Part::data:
      return record.data = Buffer(bytes), true;
    case Part::metadata:
      return record.metadata = Buffer(bytes), true;
    case Part::users:
      return bytes.empty() || file::decode_user_ids(bytes, record.user_ids);
    case Part::indexed:
      return record.indexed = Buffer(bytes), true;
    case Part::receipts:
      return bytes.empty() || file::decode_receipts(bytes, record.receipts);
    case Part::inbox:
      return bytes.empty() || file::decode_inbox(bytes, record.inbox);
    case Part::outbox:
      return bytes.empty() || (kv::read_outbox(from, record.outbox, store_of) && from.done());
    case Part::history:
      while (from.good() && from.left() != 0) {
        memory::KeptData& kept = record.history.emplace_back();
        kept.version = from.number<std::uint64_t>();
        kept.at = from.time(), kept.until = from.time();
        kept.data = Buffer(kv::read_part(from));
        kept.bytes = kept.data.size();
      }
  }
  return from.done();
}

[[nodiscard]] inline Buffer encode_head(const Record& record, std::uint64_t revision,
                                        const Sums& sums) {
  Buffer to;
  kv::begin_value(to, record.exists ? kv::ValueKind::record : kv::ValueKind::erased);
  append_little(to, revision);
  append_little(to, record.erased_epoch);
  file::append_text(to, record.key);
  file::write_head(to, record.head);
  kv::append_lease(to, record.head);
  append_little(to, static_cast<std::uint8_t>(record.has_data));
  append_little(to, record.receipts_forgotten);
  for (const Sum& sum : sums)
    append_little(to, sum.size), append_little(to, sum.crc);
  kv::seal_value(to);
  return to;
}

/// The fields of a hash, as they came.
struct Fields {
  std::string_view version, epoch, until, owner, taken, head;
  std::array<std::string_view, part_count> parts{};
  bool any = false;

  explicit Fields(Answer all) noexcept : any(all.size() != 0) {
    for (std::size_t i = 0; i + 1 < all.size(); i += 2)
      if (std::string_view* const at = find(all[i].text())) *at = all[i + 1].text();
  }

 private:
  [[nodiscard]] std::string_view* find(std::string_view name) noexcept {
    if (name == version_field) return &version;
    if (name == epoch_field) return &epoch;
    if (name == until_field) return &until;
    if (name == owner_field) return &owner;
    if (name == taken_field) return &taken;
    if (name == head_field) return &head;
    for (std::size_t i = 0; i < part_count; ++i)
      if (name == part_fields[i]) return &parts[i];
    return nullptr;
  }
};

/// A record as it was found.
struct Stored {
  Record record{};
  Sums sums{};
  std::uint64_t revision = 0;  ///< the count in the version
  std::string version = "0";
  bool is_taken = false;  ///< since its head was written
  std::size_t bytes = 0;
};

/// The head, and what it says of the parts.
[[nodiscard]] inline Result<void> read_stored_head(const Fields& from, std::string_view name,
                                                   Stored& to) {
  const auto opened = kv::open_value(as_bytes(from.head), name);
  if (!opened) return opened.error();
  detail::Reader head(opened->payload);
  Record& record = to.record;
  record.exists = opened->kind == kv::ValueKind::record;
  to.revision = head.number<std::uint64_t>();
  record.erased_epoch = head.number<std::uint64_t>();
  record.key = head.text();
  const bool good = file::read_head(head, record.head) && kv::read_lease(head, record.head);
  const auto has_data = head.number<std::uint8_t>();
  record.has_data = has_data == 1;
  record.receipts_forgotten = head.number<std::uint32_t>();
  for (Sum& sum : to.sums)
    sum.size = head.number<std::uint32_t>(), sum.crc = head.number<std::uint32_t>();
  const bool is_ours =
      opened->kind == kv::ValueKind::record || opened->kind == kv::ValueKind::erased;
  if (!is_ours || !good || has_data > 1 || !head.done()) return kv::damaged(name, "makes no sense");
  return success;
}
/// What became of the record by being taken since its head was written.
[[nodiscard]] inline bool apply_taking(ByteView payload, std::uint64_t epoch, Record& record) {
  detail::Reader from(payload);
  const std::string_view key = from.text();
  Head taken;
  if (!file::read_head(from, taken) || !kv::read_lease(from, taken) || !from.done()) return false;
  if (taken.fence.owner.nobody() || epoch <= record.head.fence.epoch || epoch >= epoch_limit)
    return false;
  if (record.exists && record.key != key) return false;
  take(record.head, taken.fence.owner, taken.lease, epoch, taken.renewed);
  record.key = key;
  return record.exists = true;
}

/// Reads a record from the fields of its hash, all of it or nothing. `store_of(name)` finds the
/// stores that messages in the outbox go to. `corrupt`, `too_new`.
template <class StoreOf>
[[nodiscard]] Result<Stored> decode_stored(Answer all, std::string_view name, StoreOf store_of) {
  const Fields from(all);
  Stored to;
  if (!from.any) return to;
  const auto revision = number_in(from.version.substr(0, from.version.find('-')));
  const auto epoch = number_in(from.epoch);
  if (!revision || !epoch) return kv::damaged(name, "is none of persist's, or is damaged");
  if (!from.head.empty() || from.taken.empty())
    if (const auto read = read_stored_head(from, name, to); !read) return read.error();
  for (std::size_t i = 0; i < part_count; ++i) {
    const ByteView bytes = as_bytes(from.parts[i]);
    const bool is_left_out = bytes.empty() && to.sums[i].size == 0;
    if (!is_left_out && Sum::of(bytes) != to.sums[i])
      return kv::damaged(name, "lacks a part, or has a damaged one");
    if (!decode_part(to.record, static_cast<Part>(i), bytes, store_of))
      return kv::damaged(name, "has a part that makes no sense");
    to.bytes += bytes.size();
  }
  to.is_taken = !from.taken.empty();
  if (to.is_taken) {
    const auto opened = kv::open_value(as_bytes(from.taken), name);
    if (!opened) return opened.error();
    if (*revision != ++to.revision || !apply_taking(opened->payload, *epoch, to.record))
      return kv::damaged(name, "was taken in a way that makes no sense");
  }
  if (*revision != to.revision || *epoch != to.record.head.fence.epoch)
    return kv::damaged(name, "is of two minds");
  to.version = from.version;
  to.bytes += 512 + name.size();
  return to;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
