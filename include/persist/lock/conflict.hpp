#pragma once

#include <persist/detail/config.hpp>

#include <cstdint>

namespace persist::inline PERSIST_ABI {

/// What a load does when somebody else holds the record.
enum class Conflict : std::uint8_t {
  refuse,  ///< answer `locked` at once, with the holder
  /// Ask the holder to save and let go, and wait; take over when its lease ends. Of several who ask
  /// the newest waits on, and an older one that tries again ends `locked`. A release clears the
  /// request, so what was released goes to whoever comes first, which may still be an older one.
  request,
  steal,  ///< take the record; what the holder has not saved is lost to it
};

namespace conflict {
struct Refuse {
  static constexpr Conflict value = Conflict::refuse;
};
struct Request {
  static constexpr Conflict value = Conflict::request;
};
struct Steal {
  static constexpr Conflict value = Conflict::steal;
};
}  // namespace conflict

}  // namespace persist::inline PERSIST_ABI
