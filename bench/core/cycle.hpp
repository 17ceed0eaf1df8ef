#pragma once

#include <support/profiles.hpp>

#include <cstdint>
#include <cstdlib>

// One cycle is what a server does for a player who comes and goes: load, edit, save, release. Each
// form of it is a class with this signature; the program runs one of them `n` times over 100
// records that exist, and the instructions of a cycle are the difference of two runs.
//
//   struct Cycle {
//     void run(std::uint64_t key);   // ends the program where anything fails
//   };

namespace bench {

#if defined(BENCH_MEDIUM)
using Profile = Medium;
inline Profile make_profile(std::uint64_t seed) {
  return make_medium(seed);
}
#else
using Profile = Small;
inline Profile make_profile(std::uint64_t seed) {
  return make_small(seed);
}
#endif

inline constexpr std::uint64_t records = 100;

inline void need(bool fine) {
  if (!fine) std::abort();
}

template <class Cycle>
int run_cycles(int count, char** arguments) {
  const std::uint64_t times = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1000;
  Cycle cycle;
  for (std::uint64_t i = 0; i < times; ++i)
    cycle.run(i % records);
  return 0;
}

}  // namespace bench
