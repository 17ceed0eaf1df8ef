#pragma once

#include <persist/backend/file/entry.hpp>
#include <persist/backend/file/parts.hpp>
#include <persist/backend/memory/state.hpp>
#include <persist/detail/crc32c.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The bytes of a value: a frame with two sums, and in it a store's header, a schema, or a record
// with all that belongs to it. doc/format.md has the grammar. Numbers here reach disk: never
// renumber.

namespace persist::inline PERSIST_ABI::backend::kv {

inline constexpr std::string_view value_magic = "persistK";
inline constexpr std::uint32_t value_format = 1;
inline constexpr std::size_t frame_size = 25;

/// Never renumber.
enum class ValueKind : std::uint8_t { store = 1, record = 2, erased = 3, schema = 4 };

/// A record, or what is left of one, or nothing: then all of it is empty.
struct Record : memory::Record {
  bool exists = false;
  std::uint64_t revision = 0;      ///< grows with each value
  std::uint64_t erased_epoch = 0;  ///< that the last erase gave
  std::string key;                 ///< empty in what is left of an erased one
  Buffer indexed;                  ///< its entries in the store's indexes
  std::vector<memory::KeptData> history;
};

/// Begins a value; `seal` ends it.
inline void begin_value(Buffer& to, ValueKind kind) {
  (void)to.grow(frame_size);
  to.data()[12] = static_cast<std::byte>(kind);
}
inline void seal_value(Buffer& value) {
  std::byte* const frame = value.data();
  const ByteView payload = value.view().subspan(frame_size);
  std::copy_n(as_bytes(value_magic).begin(), value_magic.size(), frame);
  store_little(frame + 8, value_format);
  store_little(frame + 13, static_cast<std::uint32_t>(payload.size()));
  store_little(frame + 17, detail::crc32c(payload));
  store_little(frame + 21, detail::crc32c({frame, frame_size - 4}));
}

[[nodiscard]] inline Error damaged(std::string_view name, std::string_view how) {
  return {Errc::corrupt, "the value under " + std::string(name) + ' ' + std::string(how) +
                             "; it was left as it is"};
}
struct Opened {
  ValueKind kind{};
  ByteView payload{};
};
/// What is in a value. `corrupt`, `too_new`.
[[nodiscard]] inline Result<Opened> open_value(ByteView value, std::string_view name) {
  detail::Reader from(value);
  if (as_text(from.bytes(value_magic.size())) != value_magic)
    return damaged(name, "is none of persist's, or is cut off");
  const auto format = from.number<std::uint32_t>();
  if (from.good() && format > value_format)
    return Error(Errc::too_new, "the value under " + std::string(name) + " has format " +
                                    std::to_string(format) + ", and this build reads up to " +
                                    std::to_string(value_format));
  const auto kind = from.number<std::uint8_t>();
  const auto length = from.number<std::uint32_t>();
  const auto sum = from.number<std::uint32_t>();
  const auto own_sum = from.number<std::uint32_t>();
  if (!from.good() || format != value_format || kind < 1 || kind > 4 ||
      own_sum != detail::crc32c(value.first(frame_size - 4)))
    return damaged(name, "is damaged, or cut off");
  const ByteView payload = value.subspan(frame_size);
  if (payload.size() != length || sum != detail::crc32c(payload))
    return damaged(name, "is damaged, or cut off");
  return Opened{static_cast<ValueKind>(kind), payload};
}

[[nodiscard]] inline Buffer encode_header(const StoreInfo& store) {
  Buffer to;
  begin_value(to, ValueKind::store);
  file::append_text(to, store.name);
  file::append_hash(to, store.birth);
  append_little(to, static_cast<std::uint8_t>(store.lock));
  append_little(to, record_format);
  seal_value(to);
  return to;
}
[[nodiscard]] inline Result<StoreInfo> decode_header(ByteView value, std::string_view name) {
  const auto opened = open_value(value, name);
  if (!opened) return opened.error();
  detail::Reader from(opened->payload);
  StoreInfo store;
  store.name = from.text();
  store.birth = from.hash();
  const auto lock = from.number<std::uint8_t>();
  const auto format = from.number<std::uint32_t>();
  if (opened->kind != ValueKind::store || !from.done() ||
      lock > static_cast<std::uint8_t>(LockKind::external))
    return damaged(name, "is no store's header");
  if (format > record_format)
    return Error(Errc::too_new, "the records of store \"" + store.name +
                                    "\" have a newer format than this build reads");
  store.lock = static_cast<LockKind>(lock);
  return store;
}

[[nodiscard]] inline Buffer encode_schema(ByteView bytes) {
  Buffer to;
  begin_value(to, ValueKind::schema);
  to.append(bytes);
  seal_value(to);
  return to;
}

/// Times of the map's clock and lengths of leases beyond this, about 146 years, are none.
inline constexpr std::int64_t longest_time = std::int64_t{1} << 62;

inline void append_part(Buffer& to, ByteView bytes) {
  append_little(to, static_cast<std::uint32_t>(bytes.size()));
  to.append(bytes);
}
[[nodiscard]] inline ByteView read_part(detail::Reader& from) {
  return from.bytes(from.number<std::uint32_t>());
}

/// The names of the stores that messages in the outbox go to, and the messages.
template <class NameOf>
void append_outbox(Buffer& to, const Outbox& outbox, NameOf name_of) {
  std::vector<StoreId> stores;
  Outbox numbered = outbox;
  for (OutgoingMessage& message : numbered.messages) {
    const auto known = std::find(stores.begin(), stores.end(), message.store);
    const auto place = static_cast<std::uint32_t>(known - stores.begin());
    if (known == stores.end()) stores.push_back(message.store);
    message.store = {place};
  }
  append_little(to, static_cast<std::uint32_t>(stores.size()));
  for (const StoreId store : stores)
    file::append_text(to, name_of(store));
  append_part(to, file::encode_outbox(numbered));
}
template <class StoreOf>
[[nodiscard]] bool read_outbox(detail::Reader& from, Outbox& outbox, StoreOf store_of) {
  std::vector<std::string_view> names;
  for (std::size_t left = from.count(2); left != 0 && from.good(); --left)
    names.push_back(from.text());
  if (!file::decode_outbox(read_part(from), outbox)) return false;
  for (OutgoingMessage& message : outbox.messages) {
    if (message.store.index >= names.size()) return false;
    message.store = store_of(names[message.store.index]);
  }
  return from.good();
}

/// About how many bytes of a value are neither the record's data nor older states of it.
[[nodiscard]] inline std::uint64_t beside_bytes(const Record& record) noexcept {
  return 512 + record.key.size() + record.metadata.size() + 8 * record.user_ids.size() +
         record.indexed.size() + file::receipt_size * record.receipts.size() +
         file::inbox_size(record.inbox) + file::outbox_size(record.outbox);
}

/// What `file::write_head` leaves out.
inline void append_lease(Buffer& to, const Head& head) {
  append_little(to, head.renewals);
  append_little(
      to, static_cast<std::uint64_t>((std::min<std::int64_t>)(head.lease.count(), longest_time)));
  append_little(to, static_cast<std::uint64_t>(head.renewed.time_since_epoch().count()));
  file::append_text(to, head.asker.server.view());
  append_little(to, head.asker.nonce);
  append_little(to, head.asker.session);
}

/// The value of a record. `name_of(StoreId)` names the stores of messages in the outbox.
template <class NameOf>
[[nodiscard]] Buffer encode_record(const Record& record, NameOf name_of) {
  Buffer to;
  begin_value(to, record.exists ? ValueKind::record : ValueKind::erased);
  append_little(to, record.revision);
  append_little(to, record.erased_epoch);
  file::append_text(to, record.key);
  const Head& head = record.head;
  file::write_head(to, head);
  append_lease(to, head);
  if (record.exists) {
    append_little(to, static_cast<std::uint8_t>(record.has_data));
    append_part(to, record.data);
    append_part(to, record.metadata);
    append_part(to, file::encode_user_ids(record.user_ids));
    append_part(to, record.indexed);
    append_little(to, record.receipts_forgotten);
    append_part(to, file::encode_receipts(record.receipts));
    append_part(to, record.inbox.never_used() ? Buffer() : file::encode_inbox(record.inbox));
    append_outbox(to, record.outbox, name_of);
    append_little(to, static_cast<std::uint32_t>(record.history.size()));
    for (const memory::KeptData& kept : record.history) {
      append_little(to, kept.version);
      file::append_time(to, kept.at);
      file::append_time(to, kept.until);
      append_part(to, kept.data);
    }
  }
  seal_value(to);
  return to;
}

[[nodiscard]] inline bool read_lease(detail::Reader& from, Head& head) {
  head.renewals = from.number<std::uint64_t>();
  const auto lease = static_cast<std::int64_t>(from.number<std::uint64_t>());
  const auto renewed = static_cast<std::int64_t>(from.number<std::uint64_t>());
  head.lease = Duration(lease);
  head.renewed = TimePoint(Duration(renewed));
  head.asker.server = ServerId(from.text());
  head.asker.nonce = from.number<std::uint64_t>();
  head.asker.session = from.number<std::uint64_t>();
  return lease >= 0 && lease <= longest_time && renewed >= -longest_time && renewed < longest_time;
}
template <class StoreOf>
[[nodiscard]] bool read_content(detail::Reader& from, Record& record, StoreOf store_of) {
  const auto has_data = from.number<std::uint8_t>();
  record.has_data = has_data == 1;
  record.data = Buffer(read_part(from));
  record.metadata = Buffer(read_part(from));
  bool good = has_data <= 1 && file::decode_user_ids(read_part(from), record.user_ids);
  record.indexed = Buffer(read_part(from));
  record.receipts_forgotten = from.number<std::uint32_t>();
  good = good && file::decode_receipts(read_part(from), record.receipts);
  const ByteView inbox = read_part(from);
  good = good && (inbox.empty() || file::decode_inbox(inbox, record.inbox)) &&
         read_outbox(from, record.outbox, store_of);
  for (std::size_t left = good ? from.count(28) : 0; left != 0 && from.good(); --left) {
    memory::KeptData& kept = record.history.emplace_back();
    kept.version = from.number<std::uint64_t>();
    kept.at = from.time();
    kept.until = from.time();
    kept.data = Buffer(read_part(from));
    kept.bytes = kept.data.size();
  }
  return good && from.good();
}

/// Reads the value of a record, all of it or nothing. `store_of(name)` finds the stores that
/// messages in the outbox go to. `corrupt`, `too_new`.
template <class StoreOf>
[[nodiscard]] Result<Record> decode_record(ByteView value, std::string_view name,
                                           StoreOf store_of) {
  const auto opened = open_value(value, name);
  if (!opened) return opened.error();
  if (opened->kind != ValueKind::record && opened->kind != ValueKind::erased)
    return damaged(name, "is no record");
  detail::Reader from(opened->payload);
  Record record;
  record.exists = opened->kind == ValueKind::record;
  record.revision = from.number<std::uint64_t>();
  record.erased_epoch = from.number<std::uint64_t>();
  record.key = from.text();
  if (!file::read_head(from, record.head) || !read_lease(from, record.head) ||
      (record.exists && !read_content(from, record, store_of)) || !from.done())
    return damaged(name, "makes no sense");
  return record;
}

}  // namespace persist::inline PERSIST_ABI::backend::kv
