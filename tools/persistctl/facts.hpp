#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/suphi.hpp>
#include <persist/detail/time_text.hpp>

#include <persistctl/store.hpp>
#include <persistctl/unwrap.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is known of a record, as members of a JSON object in an order that people read.

namespace persistctl {

using Facts = std::vector<Value::Member>;

/// Calendar time as ISO 8601 has it, in UTC; null for one that was never set.
[[nodiscard]] inline Value time_text(WallTime time) {
  return time == WallTime{} ? Value() : Value(persist::detail::time_text(time));
}

/// Calls `use` with the codec of that id. `wrong_codec` where there is none, or it is `Suphi` with
/// other decimals than most have.
template <class F>
[[nodiscard]] Result<void> with_codec(std::uint16_t id, F&& use) {
  using namespace persist::codec;
  if (id == Packed::id) return use(Packed());
  if (id == Cbor::id) return use(Cbor());
  if (id == Json::id) return use(Json());
  if (id == Suphi<>::id) return use(Suphi<>());
  return Error(Errc::wrong_codec,
               "the codec " + name_of(id) + " is one that this tool cannot read");
}

/// What bytes of one of the library's codecs hold.
[[nodiscard]] inline Result<Value> decode_payload(std::uint16_t codec, ByteView bytes) {
  using persist::schema::NoPolicy;
  Value value;
  persist::UnknownFields none;
  const auto limits = persist::schema::limits_of_record(bytes.size());
  if (const int decimals = persist::codec::suphi_decimals_of(codec); decimals >= 0) {
    persist::codec::SuphiInput in(bytes, limits, decimals);
    if (!persist::schema::read_value(in, value) || !in.finish()) return in.take_error();
    return value;
  }
  const auto decode = [&]<class Codec>(Codec) {
    return Codec::template decode<NoPolicy>(bytes, value, none, limits);
  };
  auto read = with_codec(codec, decode);
  if (!read) return read.error();
  return value;
}

/// The data of a record that lies whole in `stored`, whatever its type: by what its envelope says
/// of itself. `schema_of` gives the bytes of a schema that it needs.
template <class F>
[[nodiscard]] Result<Value> decode_whole(std::string_view key, ByteView stored, F&& schema_of) {
  Buffer room;
  auto plain = unwrapped(key, stored, room);
  if (!plain) return plain.error();
  Buffer whole;
  if (const auto schema = persist::codec::needed_schema(*plain)) {
    const Result<Buffer> bytes = schema_of(*schema);
    if (!bytes) return bytes.error();
    const auto inlined = persist::codec::inline_schema(*plain, *bytes, whole);
    if (!inlined) return inlined.error();
    plain = whole.view();
  }
  const auto opened = persist::codec::open_envelope(*plain);
  if (!opened) return opened.error();
  return decode_payload(opened->codec, opened->payload);
}

/// The data of a record of a store.
template <class Backend>
[[nodiscard]] Result<Value> decode_data(Backend& backend, const OpenedStore& store,
                                        std::string_view key, ByteView stored) {
  Result<Buffer> joined = Buffer();
  if (persist::codec::chunked::is_split(stored)) {
    joined = joined_record(backend, store, key);
    if (!joined) return joined.error();
    stored = *joined;
  }
  return decode_whole(key, stored, [&](const persist::Hash128& id) -> Result<Buffer> {
    persist::SchemaRequest fetch{.store = store.id, .id = id};
    backend.read_schemas(std::span(&fetch, 1));
    if (failed(fetch.error)) return fetch.error;
    return std::move(fetch.bytes);
  });
}

/// What the library keeps beside the data. Metadata that cannot be read is `corrupt`.
[[nodiscard]] inline Result<Facts> facts_beside(const persist::ReadRequest& record) {
  const persist::Snapshot& found = record.record;
  Value metadata;
  if (!found.metadata.empty()) {
    auto read = decode_payload(persist::codec::cbor_id, found.metadata);
    if (!read) return read.error();
    metadata = *std::move(read);
  }
  Value::Array users(found.user_ids.begin(), found.user_ids.end());
  return Facts{
      {"metadata", std::move(metadata)},         {"user_ids", std::move(users)},
      {"created", time_text(found.created)},     {"updated", time_text(found.updated)},
      {"load_count", found.load_count},          {"version", found.version},
      {"inbox_messages", record.inbox_messages}, {"outbox_messages", record.outbox_messages}};
}

/// Appends a JSON object of these members in their order. `invalid` for what JSON does not have
/// (NaN, infinity); then the buffer is as it was.
[[nodiscard]] inline Result<void> write_facts(const Facts& facts, Buffer& out,
                                              persist::codec::JsonStyle style) {
  const std::size_t before = out.size();
  persist::codec::JsonWriter writer(out, style);
  writer.begin_map(facts.size());
  for (const Value::Member& fact : facts) {
    writer.key(fact.key);
    persist::schema::write_value(writer, fact.value);
  }
  writer.end_map();
  if (writer.ok()) return success;
  out.shrink(before);
  return writer.take_error();
}

}  // namespace persistctl
