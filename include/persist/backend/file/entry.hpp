#pragma once

#include <persist/backend/file/options.hpp>
#include <persist/backend/file/record.hpp>
#include <persist/record/requests.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a batch holds: entries, each whole by itself. A record's entry says all of its head and
// where each of its parts lies, so the last one alone makes the record; nothing is put together
// from several.

namespace persist::inline PERSIST_ABI::backend::file {

/// Never renumber.
enum class EntryKind : std::uint8_t {
  store = 1,   ///< a store's header
  record = 2,  ///< a record as it is from now on
  erased = 3,  ///< what is left of a record
  run = 4,     ///< the log was opened
  oldest = 5,  ///< segments before this one are not needed any more
  schema = 6,  ///< what records of a store need to be read
};

struct StoreEntry {
  std::uint32_t index = 0;
  std::string_view name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::uint32_t format = record_format;
};
struct ErasedEntry {
  std::uint32_t store = 0;
  Hash128 hash;
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
  std::string_view key;  ///< empty once no segment holds the record itself any more
};
struct RunEntry {
  std::uint64_t run = 0;
  FolderHolder opened_by;
};
/// Its epochs are the last ones below the limit: what lies above could not be read again.
inline constexpr std::uint64_t last_run = (epoch_limit >> 24) - 1;
[[nodiscard]] inline Error no_run_left() {
  return {Errc::unsupported, "this folder has been opened too often: no run number is left"};
}
struct SchemaEntry {
  std::uint32_t store = 0;
  Hash128 id;
  ByteView bytes;
};
struct RecordEntry {
  std::uint32_t store = 0;
  std::string_view key;
  Record record;
};

/// An entry's bytes and where they lie in their segment.
struct RawEntry {
  EntryKind kind{};
  ByteView body;
  std::uint32_t segment = 0;
  std::uint64_t body_offset = 0;
};

inline constexpr std::size_t entry_frame = 5;

/// The entry at `at` of a batch's payload, and steps behind it; nothing at the end or where the
/// bytes make no sense (then `at` is not the end).
[[nodiscard]] inline std::optional<RawEntry> next_entry(ByteView payload, std::size_t& at,
                                                        std::uint32_t segment,
                                                        std::uint64_t payload_offset) {
  Reader from(payload.subspan(at));
  const auto kind = from.number<std::uint8_t>();
  const std::size_t length = from.number<std::uint32_t>();
  const ByteView body = from.bytes(length);
  if (!from.good() || kind < 1 || kind > 6) return std::nullopt;
  const std::uint64_t offset = payload_offset + at + entry_frame;
  at += entry_frame + length;
  return RawEntry{static_cast<EntryKind>(kind), body, segment, offset};
}

/// Opens an entry and fills in its length when it goes; `behind` bytes of it follow after that.
class EntryFrame {
 public:
  EntryFrame(Buffer& to, EntryKind kind, std::size_t behind = 0) : to_(to), behind_(behind) {
    to.push(static_cast<std::byte>(kind));
    append_little(to, std::uint32_t{0});
    begin_ = to.size();
  }
  EntryFrame(const EntryFrame&) = delete;
  EntryFrame& operator=(const EntryFrame&) = delete;
  ~EntryFrame() {
    store_little(to_.data() + begin_ - 4,
                 static_cast<std::uint32_t>(to_.size() - begin_ + behind_));
  }

 private:
  Buffer& to_;
  std::size_t behind_;
  std::size_t begin_ = 0;
};

inline void write_entry(Buffer& to, const StoreEntry& store) {
  const EntryFrame frame(to, EntryKind::store);
  append_little(to, store.index);
  append_text(to, store.name);
  append_hash(to, store.birth);
  to.push(static_cast<std::byte>(store.lock));
  append_little(to, store.format);
}
inline void write_entry(Buffer& to, const ErasedEntry& erased) {
  const EntryFrame frame(to, EntryKind::erased);
  append_little(to, erased.store);
  append_hash(to, erased.hash);
  append_little(to, erased.epoch);
  append_little(to, erased.version);
  append_text(to, erased.key);
}
inline void write_entry(Buffer& to, const RunEntry& run) {
  const EntryFrame frame(to, EntryKind::run);
  append_little(to, run.run);
  append_little(to, run.opened_by.process);
  append_text(to, run.opened_by.host);
  append_time(to, run.opened_by.since);
}
inline void write_oldest(Buffer& to, std::uint32_t segment) {
  const EntryFrame frame(to, EntryKind::oldest);
  append_little(to, segment);
}

inline void write_entry(Buffer& to, const SchemaEntry& schema) {
  const EntryFrame frame(to, EntryKind::schema);
  append_little(to, schema.store);
  append_hash(to, schema.id);
  to.append(schema.bytes);
}

[[nodiscard]] inline std::optional<StoreEntry> read_store(ByteView body) {
  Reader from(body);
  StoreEntry store;
  store.index = from.number<std::uint32_t>();
  store.name = from.text();
  store.birth = from.hash();
  store.lock = static_cast<LockKind>(from.number<std::uint8_t>());
  store.format = from.number<std::uint32_t>();
  return from.done() ? std::optional(store) : std::nullopt;
}
[[nodiscard]] inline std::optional<ErasedEntry> read_erased(ByteView body) {
  Reader from(body);
  ErasedEntry erased;
  erased.store = from.number<std::uint32_t>();
  erased.hash = from.hash();
  erased.epoch = from.number<std::uint64_t>();
  erased.version = from.number<std::uint64_t>();
  erased.key = from.text();
  return from.done() ? std::optional(erased) : std::nullopt;
}
[[nodiscard]] inline std::optional<RunEntry> read_run(ByteView body) {
  Reader from(body);
  RunEntry run;
  run.run = from.number<std::uint64_t>();
  run.opened_by.process = from.number<std::uint64_t>();
  run.opened_by.host = from.text();
  run.opened_by.since = from.time();
  return from.done() ? std::optional(run) : std::nullopt;
}
[[nodiscard]] inline std::optional<std::uint32_t> read_oldest(ByteView body) {
  Reader from(body);
  const auto segment = from.number<std::uint32_t>();
  return from.done() ? std::optional(segment) : std::nullopt;
}

[[nodiscard]] inline std::optional<SchemaEntry> read_schema(ByteView body) {
  Reader from(body);
  SchemaEntry schema;
  schema.store = from.number<std::uint32_t>();
  schema.id = from.hash();
  schema.bytes = from.bytes(from.left());
  return from.done() ? std::optional(schema) : std::nullopt;
}

inline void write_head(Buffer& to, const Head& head) {
  append_little(to, head.fence.epoch);
  append_little(to, head.fence.write);
  append_text(to, head.fence.owner.server.view());
  append_little(to, head.fence.owner.nonce);
  append_little(to, head.fence.owner.session);
  append_little(to, head.version);
  append_little(to, head.load_count);
  append_time(to, head.created);
  append_time(to, head.updated);
  std::uint8_t past = 0;
  while (past < head.past.size() && head.past[past].epoch != 0)
    ++past;
  to.push(static_cast<std::byte>(past));
  for (std::size_t i = 0; i < past; ++i) {
    append_little(to, head.past[i].epoch);
    append_little(to, head.past[i].nonce);
    append_little(to, head.past[i].session);
    append_little(to, head.past[i].write);
  }
}
[[nodiscard]] inline bool read_head(Reader& from, Head& head) {
  head.fence.epoch = from.number<std::uint64_t>();
  head.fence.write = from.number<std::uint64_t>();
  head.fence.owner.server = ServerId(from.text());
  head.fence.owner.nonce = from.number<std::uint64_t>();
  head.fence.owner.session = from.number<std::uint64_t>();
  head.version = from.number<std::uint64_t>();
  head.load_count = from.number<std::uint64_t>();
  head.created = from.time();
  head.updated = from.time();
  const std::size_t past = from.number<std::uint8_t>();
  if (past > head.past.size()) return false;
  for (std::size_t i = 0; i < past; ++i) {
    head.past[i].epoch = from.number<std::uint64_t>();
    head.past[i].nonce = from.number<std::uint64_t>();
    head.past[i].session = from.number<std::uint64_t>();
    head.past[i].write = from.number<std::uint64_t>();
  }
  return from.good() && head.fence.epoch < epoch_limit;
}

/// Bytes that are new with an entry, for the place that will name them.
struct FreshPart {
  Place* place = nullptr;
  ByteView bytes;
};

inline constexpr std::size_t part_row = 17;

/// Writes a record's entry, up to its fresh parts, at the end of `batch`, which will lie at `base`
/// of `segment`. The bytes of the fresh parts must follow at once, in their order. Their places,
/// which are the record's, are filled in; those that are not fresh must exist.
///
/// In the bytes a fresh part is named by its distance from the entry, so that a batch can be
/// written again elsewhere as it is.
inline void write_record(Buffer& batch, std::uint32_t segment, std::uint64_t base,
                         std::uint32_t store, std::string_view key, Record& record,
                         std::span<const FreshPart> fresh) {
  const std::size_t begin = batch.size();
  std::size_t fresh_bytes = 0;
  for (const FreshPart& part : fresh)
    fresh_bytes += part.bytes.size();
  {
    const EntryFrame frame(batch, EntryKind::record, fresh_bytes);
    append_little(batch, store);
    append_text(batch, key);
    write_head(batch, record.head);
    const Extra& extra = record.more();
    append_little(batch, extra.receipts_forgotten);
    append_little(batch, extra.inbox_messages);
    append_little(batch, extra.inbox_bytes);
    append_little(batch, extra.outbox_messages);
    append_little(batch, extra.last_position);
    for (const FreshPart& part : fresh)
      *part.place = {segment, 0, static_cast<std::uint32_t>(part.bytes.size()),
                     detail::crc32c(part.bytes)};
    std::uint32_t count = 0;
    record.each_part([&](PartKind, const Place&) { ++count; });
    append_little(batch, count);
    const std::size_t body = begin + entry_frame;
    const std::uint64_t first = base + batch.size() + part_row * count;
    std::uint64_t next = first;
    for (const FreshPart& part : fresh) {
      part.place->offset = static_cast<std::uint32_t>(next);
      next += part.bytes.size();
    }
    record.each_part([&](PartKind kind, const Place& place) {
      const bool here = place.segment == segment && place.offset >= first;
      batch.push(static_cast<std::byte>(kind));
      append_little(batch, here ? 0 : place.segment);
      append_little(batch,
                    here ? static_cast<std::uint32_t>(place.offset - base - body) : place.offset);
      append_little(batch, place.size);
      append_little(batch, place.crc);
    });
  }
  record.entry_segment = segment;
  record.entry_size = static_cast<std::uint32_t>(batch.size() - begin);
}

/// Puts one row of the directory into its place in the record. A part that is there twice (receipts
/// and older data aside) or lies outside its entry is refused.
[[nodiscard]] inline bool read_part(Reader& from, const RawEntry& raw, Record& record,
                                    Extra& extra) {
  const auto kind = static_cast<PartKind>(from.number<std::uint8_t>());
  Place place;
  place.segment = from.number<std::uint32_t>();
  place.offset = from.number<std::uint32_t>();
  place.size = from.number<std::uint32_t>();
  place.crc = from.number<std::uint32_t>();
  if (place.segment == 0) {
    if (std::uint64_t{place.offset} + place.size > raw.body.size()) return false;
    place.segment = raw.segment;
    place.offset = static_cast<std::uint32_t>(raw.body_offset + place.offset);
  }
  if (kind == PartKind::receipts) return extra.receipts.push_back(place), true;
  if (kind == PartKind::history || kind == PartKind::older) {
    const bool in_order = extra.history.empty() == (kind == PartKind::history);
    return extra.history.push_back(place), in_order;
  }
  Place* const places[] = {nullptr,      &record.data,  &extra.metadata, &extra.user_ids,
                           &extra.inbox, &extra.outbox, nullptr,         &extra.indexed};
  const auto at = static_cast<std::size_t>(kind);
  if (at >= std::size(places) || places[at] == nullptr || places[at]->exists()) return false;
  *places[at] = place;
  return true;
}

[[nodiscard]] inline std::optional<RecordEntry> read_record(const RawEntry& raw) {
  Reader from(raw.body);
  RecordEntry entry;
  Record& record = entry.record;
  entry.store = from.number<std::uint32_t>();
  entry.key = from.text();
  if (!read_head(from, record.head)) return std::nullopt;
  auto extra = std::make_shared<Extra>();
  extra->receipts_forgotten = from.number<std::uint32_t>();
  extra->inbox_messages = from.number<std::uint32_t>();
  extra->inbox_bytes = from.number<std::uint32_t>();
  extra->outbox_messages = from.number<std::uint32_t>();
  extra->last_position = from.number<std::uint64_t>();
  const std::size_t count = from.count(part_row);
  for (std::size_t i = 0; i < count; ++i)
    if (!read_part(from, raw, record, *extra)) return std::nullopt;
  if (!from.good()) return std::nullopt;
  record.entry_segment = raw.segment;
  record.entry_size = static_cast<std::uint32_t>(entry_frame + raw.body.size() - from.left());
  if (count > (record.has_data() ? 1u : 0u) || extra->receipts_forgotten != 0 ||
      extra->last_position != 0)
    record.extra = std::move(extra);
  return entry;
}

}  // namespace persist::inline PERSIST_ABI::backend::file
