#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/detail/time_text.hpp>
#include <persist/schema/path.hpp>
#include <persist/schema/value.hpp>
#include <persist/store/index_calls.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is stored of a user: given out, and erased.

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

template <class S>
Error StoreCalls<S>::refusal_to_erase(std::string_view key, const EraseUserOptions& options,
                                      std::size_t& messages) {
  if (options.live == LiveRecord::refuse) {
    const auto hold = core_.lock();
    if (const Node* here = core_.find(key); here != nullptr && !ended(here->state))
      return {Errc::busy, "a session of it is open here"};
  }
  ReadRequest read;
  read.store = core_.store(), read.key = key;
  read.wants_data = false;
  core_.backend().read(std::span(&read, 1));
  // What cannot be read may go all the same, but not unseen.
  if (failed(read.error)) return read.error;
  messages = read.inbox_messages;
  if (read.held && options.live == LiveRecord::refuse)
    return {Errc::locked, "another server holds it"};
  if (read.record.user_ids.size() > 1 && !options.shared)
    return {Errc::refused,
            "it has other users too: take this one out with remove_user_id, or erase it with "
            "`shared`"};
  return Errc{};
}

template <class S>
Error StoreCalls<S>::send_spilled() {
  for (std::size_t before = 0;;) {
    std::vector<std::string> keys;
    if (const auto all = core_.spilled(); all)
      for (const Spilled& each : *all)
        if (each.state == Spilled::State::waits)
          keys.insert(keys.end(), each.keys.begin(), each.keys.end());
    if (keys.empty()) return Errc{};
    if (before != 0 && keys.size() >= before)
      return Error(Errc::unavailable, "what was spilled of it waits, and may be the user's")
          .for_key(keys.front());
    before = keys.size();
    {
      const auto hold = core_.lock();
      for (const std::string& key : keys)
        core_.hurry_replay(key);
    }
    core_.send_again_now();
  }
}

template <class S>
Result<std::vector<std::string>> StoreCalls<S>::keys_to_erase(std::uint64_t user) {
  auto keys = keys_of(user);
  if (!keys) return keys;
  core_.add_keys_held(user, *keys);
  std::sort(keys->begin(), keys->end());
  keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
  return keys;
}

template <class S>
UserErased StoreCalls<S>::erase_user(std::uint64_t user, EraseUserOptions options) {
  UserErased report;
  if (Error no = core_.refusal(); failed(no)) report.error = std::move(no);
  if (!failed(report.error)) report.error = send_spilled();
  std::set<std::string> seen, gone;
  // Once more as long as that finds records that were not there before.
  for (bool is_new = true; is_new && !failed(report.error);) {
    is_new = false;
    const auto keys = keys_to_erase(user);
    if (!keys) report.error = keys.error();
    for (std::size_t i = 0; keys && i < keys->size() && !failed(report.error); ++i) {
      const std::string& key = (*keys)[i];
      if (!seen.insert(key).second) {
        if (gone.erase(key) != 0)
          report.refused.push_back(
              {key, Error(Errc::busy, "somebody made it anew while it was erased").for_key(key)});
        continue;
      }
      is_new = true;
      std::size_t messages = 0;
      Error no = refusal_to_erase(key, options, messages);
      if (!failed(no)) {
        EraseRequest request;
        const auto erased = core_.erase_stored(key, true, request);
        core_.end_erased(key, request);
        if (erased || request.found) report.erased.push_back(key), gone.insert(key);
        if (request.found) report.messages_dropped += messages;
        report.messages_sent += request.sent;
        report.messages_dropped += request.dropped;
        if (!erased && !erased.is(Errc::not_found)) no = erased.error();
      }
      if (!failed(no)) continue;
      if (is_ailing(no)) report.error = Error(no).for_key(key);
      report.refused.push_back({key, Error(no).for_key(key)});
    }
  }
  return report;
}

}  // namespace persist::inline PERSIST_ABI
