#pragma once

#include <persist/backend/concept.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/store.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a person asks about records: which there are, what one says of itself, who holds it.

namespace persistctl {

/// Reads one record, with its data or with the messages that wait in it; `not_found` if there is
/// none, not even one with messages only.
template <persist::record_backend Backend>
[[nodiscard]] Result<persist::ReadRequest> read_record(Backend& backend, const OpenedStore& store,
                                                       std::string_view key,
                                                       bool wants_inbox = false) {
  persist::ReadRequest record{
      .store = store.id, .key = key, .wants_data = !wants_inbox, .wants_inbox = wants_inbox};
  backend.read(std::span(&record, 1));
  if (failed(record.error)) return Error(record.error).for_key(key);
  if (!record.found)
    return Error(Errc::not_found, "there is no such record in the store " + store.name)
        .for_key(key);
  return record;
}

/// A key as it can be shown on a terminal: control characters, which could move the cursor, and
/// backslashes become `\xNN`. Those from U+0080 on are two bytes.
[[nodiscard]] inline std::string printable(std::string_view key) {
  std::string shown;
  unsigned char before = 0;
  for (const char letter : key) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool high_control = std::exchange(before, byte) == 0xc2 && byte < 0xa0;
    if (byte >= 0x20 && byte != 0x7f && byte != '\\' && !high_control) {
      shown.push_back(letter);
      continue;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    shown += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
  }
  return shown;
}

/// What `list_records` says of one record, after a tab.
[[nodiscard]] inline std::string details_of(const persist::ReadRequest& record) {
  const Value updated = time_text(record.record.updated);
  const std::uint64_t numbers[] = {persist::codec::chunked::stored_size(record.record.data),
                                   record.record.version, record.record.load_count,
                                   record.inbox_messages};
  std::string text;
  for (const std::uint64_t number : numbers)
    text += '\t' + std::to_string(number);
  return text + '\t' + (updated.is_text() ? *updated.get_if<std::string>() : "-");
}

/// Writes the keys of all records with data, one a line in order of their bytes; with `details` a
/// tab between key, bytes, version, loads, waiting messages and time of the last save.
///
/// A record that cannot be read is listed as that, and the first such error is the result.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::size_t> list_records(Backend& backend, const OpenedStore& store,
                                               std::ostream& out, bool details) {
  const auto keys = all_keys(backend, store);
  if (!keys) return keys.error();
  std::optional<Error> unreadable;
  for (const std::string& key : *keys) {
    std::string line = printable(key);
    if (details) {
      const auto record = read_record(backend, store, key);
      if (record.is(Errc::not_found)) continue;  // erased meanwhile
      line += record ? details_of(*record) : "\tunreadable";
      if (!record && !unreadable) unreadable = record.error();
    }
    out << line << '\n';
  }
  if (!out.flush()) return Error(Errc::io, "the list could not be written");
  if (unreadable) return *unreadable;
  return keys->size();
}

/// Everything that a record says of itself, as JSON for people. Data that cannot be read is named
/// as `unreadable`, with the reason; the rest is shown all the same.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::string> show_record(Backend& backend, const OpenedStore& store,
                                              std::string_view key) {
  const auto record = read_record(backend, store, key);
  if (!record) return record.error();
  const persist::Snapshot& found = record->record;
  Facts facts{{"store", store.name}, {"key", key}};
  Facts::value_type data{"value", Value()};
  if (found.has_data) {
    facts.push_back({"bytes", persist::codec::chunked::stored_size(found.data)});
    if (const auto header = persist::codec::open_envelope(found.data)) {
      char fingerprint[17] = {};
      std::to_chars(fingerprint, fingerprint + 16, header->fingerprint, 16);
      facts.push_back({"codec", persist::codec::name_of(header->codec)});
      if (header->flags != 0) facts.push_back({"wrapped", wrappings_of(*header)});
      facts.push_back({"schema_version", header->schema_version});
      facts.push_back({"lowest_reader", header->lowest_reader});
      facts.push_back({"fingerprint", fingerprint});
    }
    auto value = decode_data(backend, store, key, found.data);
    data = value ? Facts::value_type{"value", *std::move(value)}
                 : Facts::value_type{"unreadable", value.error().message()};
  }
  facts.push_back({"epoch", found.fence.epoch});
  facts.push_back({"write_number", found.fence.write});
  facts.push_back(
      {"owner", found.fence.owner.nobody() ? Value() : Value(found.fence.owner.server.view())});
  auto beside = facts_beside(*record);
  if (!beside) return beside.error();
  std::move(beside->begin(), beside->end(), std::back_inserter(facts));
  facts.push_back(std::move(data));
  Buffer text;
  if (auto written = write_facts(facts, text, persist::codec::JsonStyle::pretty); !written)
    return written.error();
  return std::string(as_text(text)) + "\n";
}

/// How long ago, in the two largest units; never less than nothing, whatever clocks say.
[[nodiscard]] inline std::string age_text(std::chrono::seconds age) {
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr Unit units[] = {{86'400, " d"}, {3600, " h"}, {60, " min"}, {1, " s"}};
  std::int64_t left = (std::max)(age.count(), std::int64_t{0});
  std::string text;
  for (const auto& [seconds, name] : units) {
    const bool is_second = !text.empty();
    if (left >= seconds) text += (is_second ? " " : "") + std::to_string(left / seconds) + name;
    left %= seconds;
    if (is_second) break;
  }
  return text.empty() ? "0 s" : text;
}

/// Who wrote the record last and whether that session gave it back, in one sentence.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::string> holder_text(Backend& backend, const OpenedStore& store,
                                              std::string_view key) {
  const auto record = read_record(backend, store, key);
  if (!record) return record.error();
  const persist::Snapshot& found = record->record;
  const persist::Owner& owner = found.fence.owner;
  if (found.fence.epoch == 0) return std::string("nobody ever had it");
  std::string text = owner.nobody() ? "given back, as of its last commit"
                                    : "held, as of its last commit, by server " +
                                          printable(owner.server.view()) + " (session " +
                                          std::to_string(owner.session) + ")";
  text += "; epoch " + std::to_string(found.fence.epoch);
  if (found.updated == WallTime{}) return text + "; never saved";
  const auto age = std::chrono::floor<std::chrono::seconds>(found.now - found.updated);
  return text + "; saved " + age_text(age) + " ago, " +
         *time_text(found.updated).get_if<std::string>();
}

}  // namespace persistctl
