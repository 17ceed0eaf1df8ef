#include <persist/codec/suphi.hpp>

#include <fuzz/decoder.hpp>
#include <fuzz/target.hpp>

// The format has neither null nor bytes nor integers beyond 2^53, all of which are read.
FUZZ_TARGET(suphi) {
  return fuzz::decode<persist::codec::Suphi<>, false>(input);
}
