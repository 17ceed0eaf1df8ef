#include <persist/codec/cbor.hpp>

#include <fuzz/decoder.hpp>
#include <fuzz/target.hpp>

FUZZ_TARGET(cbor) {
  return fuzz::decode<persist::codec::Cbor>(input);
}
