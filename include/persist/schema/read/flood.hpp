#pragma once

#include <persist/schema/kind.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>

// Keys that were chosen so that they collide. Finding a place for each of n such keys in a hash
// table takes time in n squared: a record of a mebibyte could keep a server busy for a minute.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Whether std::hash of it is one that everybody knows, and no specialisation of the game's.
template <class Key>
inline constexpr bool is_hashed_in_public =
    std::is_arithmetic_v<Key> || std::is_enum_v<Key> || text_like<Key>;
template <optional_like Key>
inline constexpr bool is_hashed_in_public<Key> = is_hashed_in_public<typename Key::value_type>;

template <class C>
concept hashes_into_buckets = requires(C& all, const typename C::key_type& key) {
  typename C::hasher;
  all.emplace().second;
  all.begin(all.bucket(key));
  all.max_load_factor();
};

/// Whether anybody can work out keys that collide in C: what std::hash makes of numbers, enums and
/// texts is public and has no secret in it, and spreads whatever keys a game has of its own.
///
/// A hash of the game's own is not judged, because one that is poor on honest data must not make
/// the game's own record unreadable. Nor is a container that takes equal keys, whose buckets may be
/// long for a good reason.
template <class C>
inline constexpr bool is_flooded = false;
template <hashes_into_buckets C>
inline constexpr bool is_flooded<C> =
    is_hashed_in_public<typename C::key_type> &&
    std::same_as<typename C::hasher, std::hash<typename C::key_type>>;

/// How many keys of one input may fall into buckets that are full already. Together they cost no
/// more than half the square of it, some ten million steps.
inline constexpr std::size_t most_crowded_keys = 4096;

/// Whether that key, which is in the container, lies in a bucket of more than 64 for each one there
/// should be. Looks at no more of them. With std::hash that is never so by chance.
template <class C>
[[nodiscard]] bool is_crowded(const C& all, const typename C::key_type& key) {
  const std::size_t bucket = all.bucket(key);
  auto left = 1 + static_cast<std::size_t>(64 * (std::max)(1.0f, all.max_load_factor()));
  auto at = all.begin(bucket);
  for (const auto end = all.end(bucket); at != end && left != 0; ++at)
    --left;
  return left == 0;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
