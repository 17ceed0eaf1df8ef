#pragma once

#include <persist/backend/file/layout.hpp>
#include <persist/record/history.hpp>

#include <algorithm>
#include <span>
#include <vector>

// The older states of a record's data. Their bytes stay where they were written; what says which
// they are is a part of its own.

namespace persist::inline PERSIST_ABI::backend::file {

/// An older state and where its bytes lie: in the log, or still in a request of the batch.
struct KeptPart : KeptVersion {
  Place place;
  ByteView fresh{};
};

inline constexpr std::size_t history_row = 24;

[[nodiscard]] inline Buffer encode_history(std::span<const KeptPart> kept) {
  Buffer to;
  for (const KeptPart& each : kept) {
    append_little(to, each.version);
    append_time(to, each.at);
    append_time(to, each.until);
  }
  return to;
}
/// The states whose data lies at `places`, oldest first: as many as there are rows, by rising
/// version.
[[nodiscard]] inline bool decode_history(ByteView bytes, std::span<const Place> places,
                                         std::vector<KeptPart>& kept) {
  kept.clear();
  if (bytes.size() != history_row * places.size()) return false;
  Reader from(bytes);
  for (const Place& place : places) {
    KeptPart& each = kept.emplace_back();
    each.version = from.number<std::uint64_t>();
    each.at = from.time();
    each.until = from.time();
    each.bytes = place.size;
    each.place = place;
    if (kept.size() > 1 && each.version <= kept[kept.size() - 2].version) return false;
  }
  return true;
}

/// The one of that version; null where it is not kept.
[[nodiscard]] inline const KeptPart* find_version(std::span<const KeptPart> kept,
                                                  std::uint64_t version) noexcept {
  const auto found = std::find_if(kept.begin(), kept.end(),
                                  [&](const KeptPart& each) { return each.version == version; });
  return found == kept.end() ? nullptr : &*found;
}

}  // namespace persist::inline PERSIST_ABI::backend::file
