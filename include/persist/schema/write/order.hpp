#pragma once

#include <persist/schema/kind.hpp>

#include <algorithm>
#include <concepts>
#include <vector>

namespace persist::inline PERSIST_ABI::schema::detail {

/// Calls `use` with each entry. Where `Sorts` says that the same data is to be the same bytes, the
/// order does not depend on hashes.
template <bool Sorts, class C, class F>
void in_order(const C& from, F&& use) {
  using Entry = typename C::value_type;
  if constexpr (Sorts && keyed<C> && !requires { typename C::key_compare; }) {
    if constexpr (std::totally_ordered<typename C::key_type>) {
      std::vector<const Entry*> entries;
      entries.reserve(from.size());
      for (const Entry& entry : from)
        entries.push_back(&entry);
      const auto key = [](const Entry& entry) -> const auto& {
        if constexpr (map_like<C>)
          return entry.first;
        else
          return entry;
      };
      std::sort(entries.begin(), entries.end(),
                [&](const Entry* a, const Entry* b) { return key(*a) < key(*b); });
      for (const Entry* entry : entries)
        use(*entry);
      return;
    }
  }
  for (const auto& entry : from)
    use(entry);
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
