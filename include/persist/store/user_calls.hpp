#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/detail/time_text.hpp>
#include <persist/schema/path.hpp>
#include <persist/schema/value.hpp>
#include <persist/store/index_calls.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is stored of a user, given out.

namespace persist::inline PERSIST_ABI {

namespace detail {
[[nodiscard]] inline Value facts_of(const Message& message) {
  Value facts = Value::map({{"position", message.position},
                            {"type", message.type},
                            {"posted", time_text(message.posted)},
                            {"expires", time_text(message.expires)}});
  const auto value = InboxMessage(message).as<Value>();
  facts[value ? "value" : "unreadable"] = value ? *value : Value(value.error().message());
  return facts;
}
}  // namespace detail

template <class S>
Result<Value> StoreCalls<S>::facts_of(ReadRequest& record) {
  Snapshot& found = record.record;
  Value facts =
      Value::map({{"key", record.key},
                  {"created", detail::time_text(found.created)},
                  {"updated", detail::time_text(found.updated)},
                  {"load_count", found.load_count},
                  {"version", found.version},
                  {"user_ids", Value::Array(found.user_ids.begin(), found.user_ids.end())}});
  if (found.has_data) {
    const auto data = core_.decode(record.key, found);
    if (!data) return data.error();
    auto value = persist::get<typename S::Policy>(*data, "");
    if (!value) return value.error();
    facts["data"] = *std::move(value);
  }
  if (!found.metadata.empty()) {
    UnknownFields none;
    const auto read =
        codec::Cbor::decode<schema::NoPolicy>(found.metadata, facts["metadata"], none);
    if (!read) return read.error();
  }
  Value::Array inbox;
  for (const Message& message : found.inbox)
    inbox.push_back(detail::facts_of(message));
  facts["inbox"] = std::move(inbox);
  // What JSON does not have keeps this record out, and no other.
  if (const auto text = to_json(facts); !text) return text.error();
  return facts;
}

template <class S>
Result<UserExport> StoreCalls<S>::export_user(std::uint64_t user) {
  const auto keys = keys_of(user);
  if (!keys) return keys.error();
  UserExport all;
  Value::Array records;
  for (const std::string& key : *keys) {
    ReadRequest read;
    read.store = core_.store(), read.key = key;
    read.wants_inbox = true;
    core_.backend().read(std::span(&read, 1));
    if (failed(read.error) && is_ailing(read.error)) return Error(read.error).for_key(key);
    if (!failed(read.error) && !read.found) continue;  // erased since
    auto facts = failed(read.error) ? Result<Value>(read.error) : facts_of(read);
    if (facts)
      records.push_back(*std::move(facts)), ++all.records;
    else
      all.missed.push_back({key, facts.error()});
  }
  auto text = to_json(Value::map(
      {{"store", core_.name()}, {"user", user}, {"records", Value(std::move(records))}}));
  if (!text) return text.error();
  all.json = *std::move(text);
  return all;
}

}  // namespace persist::inline PERSIST_ABI
