#pragma once

#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>

#include <algorithm>
#include <concepts>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::schema::detail {

/// Whether a container gives out its entries as their hashes have it, so that equal data comes in
/// different orders.
template <class C>
concept in_no_order = keyed<C> && !requires { typename C::key_compare; };

/// Calls `use` with each entry, in an order that does not depend on hashes: equal data is equal
/// bytes.
template <class C, class F>
void in_order(const C& from, F&& use) {
  using Entry = typename C::value_type;
  if constexpr (in_no_order<C>) {
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

/// Entries of a map, by the text of their keys. The values' type is left out, so that all maps
/// share one sort.
using KeyEntry = std::pair<KeyText, const void*>;
template <class Writer>
void sort_entries(std::vector<KeyEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const KeyEntry& a, const KeyEntry& b) {
    return Writer::key_less(a.first.view(), b.first.view());
  });
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
