#include <persist/codec/packed.hpp>

#include <fuzz/decoder.hpp>
#include <fuzz/target.hpp>

FUZZ_TARGET(packed) {
  return fuzz::decode<persist::codec::Packed>(input);
}
