#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/result.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// What a map must be for `backend::Kv` to keep records in it: anything that holds values under keys
// and replaces one only where it still is the one that was seen.
//
// * Keys are made of letters, digits and `/ . _ - %`, have at most about 700 bytes besides the name
//   of the store, and compare as bytes.
// * A version names one value of one key and is never used for another, not even after the key was
//   taken out. Any text will do; the value's own bytes do too, because no two of ours are equal.
// * An error of `compare_and_swap` says what became of it: `unknown_outcome` and `timeout` that
//   nobody knows, every other that nothing was written.
// * Any thread may call it.
//
// Models: kv::MemoryMap.

namespace persist::inline PERSIST_ABI::backend::kv {

/// What lies under a key. Where nothing does the value is empty, and the version is what
/// `compare_and_swap` takes for that.
struct Entry {
  Buffer value{};
  std::string version{};
};

/// What became of a `compare_and_swap`.
struct Swap {
  bool won = false;       ///< the value is there; otherwise another one was, and nothing changed
  std::string version{};  ///< of the new value
};

/// The newest value of a key: what was acknowledged before the call is seen.
template <class M>
concept gets_values = requires(M& map, std::string_view key) {
  { map.get(key) } -> std::same_as<Result<Entry>>;
};
/// Puts a value where the version still is the one that was seen, in one atomic step. An empty
/// value takes the key out; a map that cannot do that keeps the empty value.
template <class M>
concept swaps_values = requires(M& map, std::string_view key, std::string_view seen, ByteView to) {
  { map.compare_and_swap(key, seen, to) } -> std::same_as<Result<Swap>>;
};
template <class M>
concept compare_and_swap_map = std::move_constructible<M> && gets_values<M> && swaps_values<M>;

/// Names the keys that begin with `prefix` and come behind `after`, by rising bytes, up to so many;
/// fewer where there are no more. A key that was put in or taken out during the call may be missing
/// or not; any other that is there is named.
template <class M>
concept lists_keys =
    requires(M& map, std::string_view prefix, std::string_view after, std::size_t most) {
      { map.list(prefix, after, most) } -> std::same_as<Result<std::vector<std::string>>>;
    };
/// Everybody who uses the map can read one clock, and that one judges leases. It outlives the map.
/// Without one nobody's clock does: a load watches a holder until it has been silent for too long.
template <class M>
concept has_a_clock = requires(M& map) {
  { map.clock() } -> std::same_as<Clock&>;
};
/// Says whether it can be reached at all, and why not. One that cannot still answers every call.
template <class M>
concept tells_its_status = requires(const M& map) {
  { map.status() } -> std::same_as<Result<void>>;
};
/// Takes no larger value. It says the same each time.
template <class M>
concept limits_values = requires(const M& map) {
  { map.largest_value() } -> std::same_as<std::size_t>;
};

}  // namespace persist::inline PERSIST_ABI::backend::kv
