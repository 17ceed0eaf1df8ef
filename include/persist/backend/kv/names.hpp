#pragma once

#include <persist/record/fence.hpp>
#include <persist/record/index.hpp>
#include <persist/record/key_hash.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// How things are called in the map. doc/format.md has the table. A record lies under a hash of its
// key, so that what is left of an erased one does not spell it; marks spell the key, because they
// are listed by it. These names reach disk.

namespace persist::inline PERSIST_ABI::backend::kv {

inline void append_hex(std::string& to, std::string_view bytes) {
  constexpr const char* digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    to += digits[byte >> 4];
    to += digits[byte & 15];
  }
}
/// The bytes that were spelled so; nothing where these are no such digits.
[[nodiscard]] inline std::optional<std::string> from_hex(std::string_view digits) {
  const auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int high = value(digits[i]), low = value(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return digits.size() % 2 == 0 ? std::optional(std::move(bytes)) : std::nullopt;
}

/// What all keys begin with, and what comes behind all that go on from any beginning.
inline constexpr std::string_view all_names = "persist/";
inline constexpr char behind_all_names = '~';

/// What all of a store's keys begin with.
[[nodiscard]] inline std::string base_of(std::string_view store) {
  std::string base(all_names);
  for (const char c : store) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.';
    if (is_plain)
      base += c;
    else
      base += '%', append_hex(base, {&c, 1});
  }
  return base += '/';
}
[[nodiscard]] inline std::string header_name(const std::string& base) {
  return base + "header";
}
[[nodiscard]] inline std::string record_names(const std::string& base) {
  return base + "r/";
}
[[nodiscard]] inline std::string record_name(const std::string& base, const Hash128& birth,
                                             std::string_view key) {
  return record_names(base) + key_hash(birth, key).text();
}
[[nodiscard]] inline std::string schema_name(const std::string& base, const Hash128& id) {
  return base + "s/" + id.text();
}

// Marks: keys that say something of a record, so that it is found without being read.

/// Behind it is the key in hexadecimal digits: it has data.
[[nodiscard]] inline std::string data_marks(const std::string& base) {
  return base + "k/";
}
/// Its outbox waits.
[[nodiscard]] inline std::string outbox_marks(const std::string& base) {
  return base + "w/";
}
/// It has an entry in that index: behind it are the value, with its sign turned so that digits sort
/// as numbers do, a slash, and the key.
[[nodiscard]] inline std::string index_marks(const std::string& base, std::string_view index) {
  std::string marks = base + "i/";
  append_hex(marks, index);
  return marks += '/';
}
inline constexpr std::size_t value_digits = 16;
inline void append_index_value(std::string& to, std::int64_t value) {
  const std::uint64_t turned = static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
  for (int shift = 56; shift >= 0; shift -= 8) {
    const char byte = static_cast<char>((turned >> shift) & 0xff);
    append_hex(to, {&byte, 1});
  }
  to += '/';
}
/// What a mark says whose name goes on like this behind `index_marks`.
[[nodiscard]] inline std::optional<IndexPosition> index_position(std::string_view rest) {
  if (rest.size() <= value_digits || rest[value_digits] != '/') return std::nullopt;
  const auto value = from_hex(rest.substr(0, value_digits));
  auto key = from_hex(rest.substr(value_digits + 1));
  if (!value || !key) return std::nullopt;
  std::uint64_t turned = 0;
  for (const char c : *value)
    turned = turned << 8 | static_cast<unsigned char>(c);
  return IndexPosition{static_cast<std::int64_t>(turned ^ (std::uint64_t{1} << 63)),
                       std::move(*key)};
}

}  // namespace persist::inline PERSIST_ABI::backend::kv
