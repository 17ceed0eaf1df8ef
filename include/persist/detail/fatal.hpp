#pragma once

#include <persist/detail/config.hpp>

#include <cstdio>
#include <cstdlib>

namespace persist::inline PERSIST_ABI::detail {

/// Ends the program with one sentence on stderr: for misuse that has no other safe answer, in every
/// build.
[[noreturn]] inline void fatal(const char* sentence) {
  std::fprintf(stderr, "persist: %s\n", sentence);
  std::abort();
}

}  // namespace persist::inline PERSIST_ABI::detail
