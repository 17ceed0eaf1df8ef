#pragma once

#include <persist/detail/config.hpp>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// What is there for people and for other programs; no part of the library reads it.
inline constexpr const char* readable[] = {
    "SELECT 1",
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
