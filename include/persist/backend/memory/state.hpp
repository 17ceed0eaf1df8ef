#pragma once

#include <persist/detail/text_hash.hpp>
#include <persist/record/head.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/record/mailbox.hpp>
#include <persist/record/wake.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

namespace persist::inline PERSIST_ABI::backend::memory {

struct Record {
  Head head;
  bool has_data = false;
  Buffer data;
  std::vector<std::uint64_t> user_ids;
  Buffer metadata;
  std::vector<Receipt> receipts;
  std::uint32_t receipts_forgotten = 0;
  Inbox inbox;
  Outbox outbox;
};

/// What is left of an erased record: not its key, only what keeps epochs and versions from going
/// back.
struct Tombstone {
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
};

struct StoreState {
  std::string name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::unordered_map<std::string, Record, detail::TextHash, std::equal_to<>> records;
  std::map<Hash128, Tombstone> tombstones;
  std::set<std::string, std::less<>> relaying;  ///< keys whose outbox waits
  std::vector<std::weak_ptr<WakeQueue>> watchers;

  [[nodiscard]] Hash128 hash(std::string_view key) const noexcept { return key_hash(birth, key); }
  /// Whether the record was erased after that epoch was given out.
  [[nodiscard]] bool erased_since(std::string_view key, std::uint64_t epoch) const {
    const auto found = tombstones.find(hash(key));
    return found != tombstones.end() && found->second.epoch > epoch;
  }
};

}  // namespace persist::inline PERSIST_ABI::backend::memory
