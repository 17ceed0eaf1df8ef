#pragma once

#include <persist/backend/concept.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/store.hpp>

#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

// What waits in a record for its player.

namespace persistctl {

/// A message as members of a JSON object. One that cannot be read is named as `unreadable`, with
/// the reason.
[[nodiscard]] inline Facts facts_of(const persist::Message& message) {
  Facts facts{{"position", message.position},
              {"type", message.type},
              {"priority", message.priority},
              {"from", message.origin.is_numbered() ? "a record" : "a post"},
              {"posted", time_text(message.posted)},
              {"expires", time_text(message.expires)}};
  auto value = decode_payload(message.codec, message.payload);
  facts.push_back(value ? Facts::value_type{"value", *std::move(value)}
                        : Facts::value_type{"unreadable", value.error().message()});
  return facts;
}

/// Writes each message that waits in the record as a line of JSON, in the order they came; whoever
/// holds the record. Returns how many; `not_found`.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::size_t> list_inbox(Backend& backend, const OpenedStore& store,
                                             std::string_view key, std::ostream& out) {
  persist::ReadRequest record{
      .store = store.id, .key = key, .wants_data = false, .wants_inbox = true};
  backend.read(std::span(&record, 1));
  if (failed(record.error)) return Error(record.error).for_key(key);
  if (!record.found)
    return Error(Errc::not_found, "there is no such record in the store " + store.name)
        .for_key(key);
  Buffer text;
  for (const persist::Message& message : record.record.inbox) {
    if (auto written = write_facts(facts_of(message), text, persist::codec::JsonStyle::compact);
        !written)
      return written.error();
    text.push(std::byte{'\n'});
  }
  out << as_text(text);
  if (!out.flush()) return Error(Errc::io, "the list could not be written");
  return record.record.inbox.size();
}

}  // namespace persistctl
