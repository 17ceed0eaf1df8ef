#pragma once

#include <persist/bytes.hpp>
#include <persist/error.hpp>
#include <persist/record/message.hpp>
#include <persist/record/reader.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Ordered indexes of a store: each a name and a set of pairs of a number and a key. A board is one
// that the Data policy declares, with one entry a record; the one without a name is of the user
// ids, with an entry for each of a record's users.

namespace persist::inline PERSIST_ABI {

/// The name of an index has 1 to so many bytes.
inline constexpr std::size_t longest_index_name = 64;

/// Appends one of a record's entries: length and bytes of the name, the value. These bytes reach
/// disk.
inline void append_index_entry(Buffer& to, std::string_view name, std::int64_t value) {
  append_little(to, static_cast<std::uint8_t>(name.size()));
  to.append(name);
  append_little(to, static_cast<std::uint64_t>(value));
}
/// Calls `visit(name, value)` for each entry. False, and what was visited so far, where the bytes
/// are not those of entries.
template <class F>
[[nodiscard]] bool each_index_entry(ByteView bytes, F visit) {
  detail::Reader from(bytes);
  while (from.good() && from.left() != 0) {
    const std::size_t length = from.number<std::uint8_t>();
    const std::string_view name = as_text(from.bytes(length));
    const auto value = static_cast<std::int64_t>(from.number<std::uint64_t>());
    if (!from.good() || length == 0 || length > longest_index_name) return false;
    visit(name, value);
  }
  return from.done();
}
[[nodiscard]] inline bool are_index_entries(ByteView bytes) {
  return each_index_entry(bytes, [](std::string_view, std::int64_t) {});
}

/// A user id as a value of the index without a name. Another order, and none is lost.
[[nodiscard]] constexpr std::int64_t user_value(std::uint64_t user) noexcept {
  return static_cast<std::int64_t>(user);
}

/// Where an entry stands: an index is ordered by value, and where that is equal by the key's bytes.
struct IndexPosition {
  std::int64_t value = 0;
  std::string key;

  friend bool operator==(const IndexPosition&, const IndexPosition&) = default;
};

struct IndexRow {
  std::string key;
  std::int64_t value = 0;
  std::uint64_t place = 0;  ///< how many entries come before it, of the lowest values first

  friend bool operator==(const IndexRow&, const IndexRow&) = default;
};

/// Looks into one index: how many entries it has, where a key stands, and a page of it. All of the
/// answer is of one moment.
struct IndexRequest {
  StoreId store{};
  std::string_view index{};  ///< empty: that of the user ids
  std::string_view key{};    ///< whose place is asked for; of several entries the lowest counts
  bool falls = false;        ///< the page begins at the highest value and goes down
  std::size_t most = 0;      ///< rows of the page
  std::optional<IndexPosition>
      after{};                         ///< the page begins behind this, whether it is there or not
  std::optional<std::int64_t> only{};  ///< the page has entries of this value alone
  /// The page is of the rows around the key: `most` on each side of it.
  bool around = false;

  // reply
  Error error{Errc{}};
  std::uint64_t size = 0;
  bool found = false;  ///< the key is in the index, and
  IndexRow row{};      ///< how
  std::vector<IndexRow> rows{};
  /// Keys of records whose entries are damaged where they are stored, so that they may be missing.
  std::vector<std::string> damaged{};
};

}  // namespace persist::inline PERSIST_ABI
