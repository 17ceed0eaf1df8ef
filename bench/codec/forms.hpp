#pragma once

#include <support/profiles.hpp>

#include <cstdlib>
#include <string>

// Each rival behind one signature, in a file of its own: `encode` writes into a buffer that is used
// again, as a server would; `decode` fills a value that may be fresh or used. Both end the program
// where they fail, so nobody is measured on half a value.

namespace bench {

inline void need(bool holds) {
  if (!holds) std::abort();
}

/// A form that a string serves as the buffer of.
struct TextForm {
  using Bytes = std::string;
};

}  // namespace bench
