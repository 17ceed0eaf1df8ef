#pragma once

#include <persist/detail/siphash.hpp>
#include <persist/record/fence.hpp>

#include <string_view>

namespace persist::inline PERSIST_ABI {

/// What stands for a record where its key must not be spelled: in a tombstone, and as the source
/// that a receiver remembers of the messages it took. Keyed by the store's birth, so that neither
/// another store nor a reader of the file can tell whose it is.
[[nodiscard]] inline Hash128 key_hash(const Hash128& birth, std::string_view key) noexcept {
  const auto digest = detail::siphash128({birth.low, birth.high}, as_bytes(key));
  return {load_little<std::uint64_t>(digest.data()), load_little<std::uint64_t>(digest.data() + 8)};
}

}  // namespace persist::inline PERSIST_ABI
