#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/record/fence.hpp>
#include <persist/record/message.hpp>
#include <persist/record/requests.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What the spill journal keeps: a whole commit that could not be sent, so that it can be sent as it
// is after a restart. doc/format.md has the grammar of its bytes.

namespace persist::inline PERSIST_ABI::spill {

/// What is to become of an entry. Never renumber.
enum class Kind : std::uint8_t {
  commit = 1,       ///< it is sent again at the next start
  quarantined = 2,  ///< `validate` or a limit refused its data: only a person can have it sent
};

/// The data of a record that may lie in pieces, as far as it was split when it was spilled.
struct Pieces {
  bool may_be_split = false;  ///< what the backend does not take whole is split when it is sent
  bool is_split = false;      ///< it was: `parts` go with the record, under these epochs
  std::uint64_t filled = 0;   ///< pieces of the record before that may have data
  std::vector<std::uint64_t> epochs;
  std::vector<Buffer> parts;
};

/// What a commit does to one record: a `Change` whose every byte is its own.
struct Part {
  std::uint32_t store = 0;  ///< place in `Entry::stores`
  std::string key;
  Fence fence;
  Claims claims = Claims::nothing;
  std::uint64_t seen_version = 0;
  std::optional<Buffer> data;
  bool removes_data = false;
  std::optional<HistoryRule> history;
  std::optional<Pieces> pieces;  ///< of a codec that splits records
  Hash128 schema_id{};
  std::optional<Buffer> schema;  ///< what the data needs beside it
  std::optional<std::vector<std::uint64_t>> user_ids;
  std::optional<Buffer> metadata;
  std::optional<Buffer> indexed;  ///< the record's entries in the store's indexes
  std::vector<std::uint64_t> acknowledged;
  std::vector<OutgoingMessage> sends;  ///< `store.index` is a place in `Entry::stores`
  std::vector<Receipt> receipts;
  std::uint32_t forget_receipts = 0;
  std::optional<WallTime> created;
  std::optional<std::uint64_t> load_count;
  LeaseChange lease = LeaseChange::release;
  Duration lease_length{};
  std::uint64_t seen_position = 0;
};

struct Entry {
  Kind kind = Kind::commit;
  /// The number of an earlier entry that must be in the database before this one is sent; where
  /// that is refused so is this. 0: none.
  std::uint64_t follows = 0;
  WallTime at{};                  ///< by the backend's calendar, as it was known
  std::string server;             ///< whose commit it is
  std::string why;                ///< what kept it from being saved, for people
  std::vector<StoreInfo> stores;  ///< the first is the store whose journal it lies in
  std::vector<Part> parts;        ///< together or not at all

  /// The keys of the records in one of its stores.
  [[nodiscard]] std::vector<std::string> keys_in(const StoreInfo& store) const {
    std::vector<std::string> keys;
    for (const Part& part : parts)
      if (stores[part.store].name == store.name && stores[part.store].birth == store.birth)
        keys.push_back(part.key);
    return keys;
  }
  [[nodiscard]] std::size_t data_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const Part& part : parts) {
      if (part.data) bytes += part.data->size();
      if (part.pieces)
        for (const Buffer& piece : part.pieces->parts)
          bytes += piece.size();
    }
    return bytes;
  }
};

}  // namespace persist::inline PERSIST_ABI::spill
