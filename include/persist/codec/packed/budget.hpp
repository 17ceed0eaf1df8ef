#pragma once

#include <persist/schema/token.hpp>

#include <algorithm>
#include <cstddef>

namespace persist::inline PERSIST_ABI::codec::packed {

/// What a record of another shape may make of its bytes at most, besides what they are: its names
/// are written once and may be given out with all that has them, and its fields may take no bytes.
/// All of it grows with the input, and some is free.
struct Budget {
  std::size_t steps;  ///< structs, and fields without bytes, that may still come
  std::size_t names;  ///< bytes of names that may still be given out
  std::size_t kept;   ///< fields that may still be kept because nobody knows them

  Budget(std::size_t bytes, const schema::Limits& limits) noexcept
      : steps((std::min)(limits.elements, 65'536 + 2 * bytes)),
        names((std::min)(limits.bytes, 65'536 + 64 * bytes)),
        kept(65'536 + bytes / 2) {}
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
