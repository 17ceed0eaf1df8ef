#pragma once

#include <persist/schema/value/core.hpp>

#include <cstddef>

namespace persist::inline PERSIST_ABI {

/// Fills in what is missing, at every depth, and returns how many members were filled in. What is
/// there stays, whatever its kind: arrays are left as they are, and so is everything in them. A
/// null value is no record and becomes the template; a member that is null is there.
///
/// An empty array where the template has a map counts as an empty map: who has one kind of table,
/// as Roblox does, writes an empty one as [].
///
/// The template is taken as a copy, so it may be a part of this value.
inline std::size_t Value::reconcile(Value defaults) {
  if (!is_null()) return fill_in(defaults);
  swap(defaults);
  return is_null() ? 0 : 1;
}

inline std::size_t Value::fill_in(const Value& defaults) {
  const bool has_members = is_map() || (is_array() && size() == 0);
  if (!has_members || !defaults.is_map()) return 0;
  std::size_t filled = 0;
  for (const Member& member : defaults.members()) {
    if (Value* own = find(member.key)) {
      filled += own->fill_in(member.value);
    } else {
      (*this)[member.key] = member.value;
      ++filled;
    }
  }
  return filled;
}

}  // namespace persist::inline PERSIST_ABI
