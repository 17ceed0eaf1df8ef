#pragma once

#include <persist/backend/kv/names.hpp>
#include <persist/backend/redis/value.hpp>
#include <persist/backend/redis/values.hpp>

#include <algorithm>
#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Where the records of one store are, and what lies beside them: sets by which they are found. In a
// set all scores are 0, so its members are ordered by their bytes, and no number is rounded.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A store as every script is told of it. Never changes: a database that has another header is
/// another one.
struct Home {
  std::string name;
  std::string prefix;  ///< of all its keys
  std::string header_key;
  std::string header;  ///< what lies there
  Hash128 birth{};

  [[nodiscard]] std::string record(std::string_view key) const {
    return prefix + "r/" + key_hash(birth, key).text();
  }
  [[nodiscard]] std::string schema(const Hash128& id) const { return prefix + "s/" + id.text(); }
  /// Keys with data; keys whose outbox waits; keys in whose inbox messages wait.
  [[nodiscard]] std::string keys() const { return prefix + "k"; }
  [[nodiscard]] std::string waiting() const { return prefix + "w"; }
  [[nodiscard]] std::string inboxes() const { return prefix + "n"; }
  [[nodiscard]] std::string index(std::string_view name_of_it) const {
    std::string set = prefix + "i/";
    kv::append_hex(set, name_of_it);
    return set;
  }
};

inline constexpr std::size_t value_bytes = 8;
/// A value as bytes that are ordered as it is.
[[nodiscard]] inline std::string ordered(std::int64_t value) {
  const std::uint64_t turned = static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes += static_cast<char>(static_cast<unsigned char>((turned >> shift) & 0xff));
  return bytes;
}
[[nodiscard]] inline std::optional<IndexPosition> position_of(std::string_view member) {
  if (member.size() <= value_bytes) return std::nullopt;
  std::uint64_t turned = 0;
  for (const char c : member.substr(0, value_bytes))
    turned = turned << 8 | static_cast<unsigned char>(c);
  return IndexPosition{static_cast<std::int64_t>(turned ^ (std::uint64_t{1} << 63)),
                       std::string(member.substr(value_bytes))};
}

/// A member of a set that says something of a record.
struct Entry {
  std::string set;
  std::string member;
  friend auto operator<=>(const Entry&, const Entry&) = default;
};
using Entries = std::vector<Entry>;

/// All that say something of this record, sorted.
[[nodiscard]] inline Entries entries_of(const Home& home, const Record& record) {
  Entries all;
  if (!record.exists) return all;
  if (record.has_data) all.push_back({home.keys(), record.key});
  if (!record.outbox.messages.empty()) all.push_back({home.waiting(), record.key});
  if (!record.inbox.messages.empty()) all.push_back({home.inboxes(), record.key});
  for (const std::uint64_t user : record.user_ids)
    all.push_back({home.index({}), ordered(user_value(user)) + record.key});
  if (are_index_entries(record.indexed))
    (void)each_index_entry(record.indexed, [&](std::string_view name, std::int64_t value) {
      all.push_back({home.index(name), ordered(value) + record.key});
    });
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
