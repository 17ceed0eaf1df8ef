#pragma once

#include <persist/detail/config.hpp>

#include <cstdint>
#include <ctime>
#include <random>
#include <string>

#include <unistd.h>

// Every call to the operating system that the core makes without a file in it; files are in
// detail/os_file.hpp. A port to another system is these two headers, and os_bell.hpp for adapters
// that have several processes.

namespace persist::inline PERSIST_ABI::detail::os {

/// Nanoseconds since the machine started; goes on while the machine sleeps, where the system can
/// say so.
[[nodiscard]] inline std::int64_t boot_time_ns() noexcept {
  timespec at{};
#if defined(CLOCK_BOOTTIME)
  ::clock_gettime(CLOCK_BOOTTIME, &at);
#else
  ::clock_gettime(CLOCK_MONOTONIC, &at);
#endif
  return static_cast<std::int64_t>(at.tv_sec) * 1'000'000'000 + at.tv_nsec;
}

/// 64 bits nobody can guess or repeat.
[[nodiscard]] inline std::uint64_t random_bits() {
  std::random_device source;
  return (static_cast<std::uint64_t>(source()) << 32) | source();
}

[[nodiscard]] inline std::uint64_t process_id() noexcept {
  return static_cast<std::uint64_t>(::getpid());
}

[[nodiscard]] inline std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

}  // namespace persist::inline PERSIST_ABI::detail::os
