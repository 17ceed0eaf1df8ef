// What a unit costs that stores the medium profile: run.py says in which form, and nothing but that
// is included.
#ifdef BENCH_FORM
#include BENCH_HEADER
#else
#include <support/profiles.hpp>
#endif

bench::Medium again(const bench::Medium& player) {
#ifdef BENCH_FORM
  BENCH_FORM::Bytes bytes;
  BENCH_FORM::encode(player, bytes);
  bench::Medium fresh;
  BENCH_FORM::decode(bytes, fresh);
  return fresh;
#else
  return player;
#endif
}
