#pragma once

#include <persist/backend/concept.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/show.hpp>
#include <persistctl/store.hpp>

#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  const auto read = read_record(backend, store, key, true);
  if (!read) return read.error();
  const std::vector<persist::Message>& messages = read->record.inbox;
  Buffer text;
  for (const persist::Message& message : messages) {
    if (auto written = write_facts(facts_of(message), text, persist::codec::JsonStyle::compact);
        !written)
      return written.error();
    text.push(std::byte{'\n'});
  }
  out << as_text(text);
  if (!out.flush()) return Error(Errc::io, "the list could not be written");
  return messages.size();
}

}  // namespace persistctl
