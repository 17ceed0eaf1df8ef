#pragma once

#include <persist/backend/file/layout.hpp>
#include <persist/record/head.hpp>

#include <array>
#include <memory>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// What of a record has a position of its own in the log. Never renumber.
enum class PartKind : std::uint8_t {
  data = 1,
  metadata = 2,
  user_ids = 3,
  inbox = 4,
  outbox = 5,
  receipts = 6,
  indexed = 7,  ///< its entries in the store's indexes
  history = 8,  ///< which older states of the data there are
  older = 9,    ///< the data of one of them
};

/// What many records do not have: everything but data. Shared between a record and its copy in a
/// batch until one of them changes it.
struct Extra {
  Place metadata, user_ids, inbox, outbox, indexed;
  std::vector<Place> receipts;  ///< pages, oldest first
  std::vector<Place> history;   ///< empty, or the list and behind it the data, oldest first
  std::uint32_t receipts_forgotten = 0;
  std::uint32_t inbox_messages = 0;
  std::uint32_t inbox_bytes = 0;
  std::uint32_t outbox_messages = 0;
  std::uint64_t last_position = 0;
};

/// What lies in memory of each record: who may write it, and where its bytes are. 320 bytes; with a
/// short key and its place in the index 420, so a million players that were ever seen take 0.42 GB.
struct Record {
  Head head;
  Place data;
  std::shared_ptr<const Extra> extra;
  std::uint32_t entry_segment = 0;  ///< where its last entry lies; 0: it was never written
  std::uint32_t entry_size = 0;     ///< of that, parts not counted

  [[nodiscard]] bool has_data() const noexcept { return data.exists(); }
  [[nodiscard]] const Extra& more() const noexcept {
    static const Extra none;
    return extra ? *extra : none;
  }
  /// Calls `visit(kind, place)` for each part that exists.
  template <class F>
  void each_part(F visit) const {
    const auto one = [&](PartKind kind, const Place& place) {
      if (place.exists()) visit(kind, place);
    };
    one(PartKind::data, data);
    if (!extra) return;
    one(PartKind::metadata, extra->metadata);
    one(PartKind::user_ids, extra->user_ids);
    one(PartKind::inbox, extra->inbox);
    one(PartKind::outbox, extra->outbox);
    one(PartKind::indexed, extra->indexed);
    for (const Place& page : extra->receipts)
      one(PartKind::receipts, page);
    for (const Place& place : extra->history)
      one(&place == extra->history.data() ? PartKind::history : PartKind::older, place);
  }
  /// Bytes of the log that this record keeps alive.
  [[nodiscard]] std::uint64_t live_bytes() const {
    std::uint64_t sum = entry_size;
    each_part([&](PartKind, const Place& place) { sum += place.size; });
    return sum;
  }
  /// Whether an older state goes along when anything of the record is moved: each move writes the
  /// entry anew, and what is small against that is moved once for all.
  [[nodiscard]] bool takes_along(const Place& place) const noexcept {
    return place.size <= entry_size / 4;
  }
  [[nodiscard]] bool lies_in(std::uint32_t segment) const {
    bool lies = entry_segment == segment;
    each_part([&](PartKind, const Place& place) { lies = lies || place.segment == segment; });
    return lies;
  }
};

/// Calls `visit(place)` for each part of a record that is about to be written with that extra.
template <class F>
void each_place(Record& record, Extra& extra, F visit) {
  for (Place* place : {&record.data, &extra.metadata, &extra.user_ids, &extra.inbox, &extra.outbox,
                       &extra.indexed})
    if (place->exists()) visit(*place);
  for (Place& page : extra.receipts)
    visit(page);
  for (Place& place : extra.history)
    if (place.exists()) visit(place);
}

}  // namespace persist::inline PERSIST_ABI::backend::file
