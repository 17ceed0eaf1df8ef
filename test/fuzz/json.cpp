#include <persist/codec/json.hpp>

#include <fuzz/decoder.hpp>
#include <fuzz/target.hpp>

FUZZ_TARGET(json) {
  return fuzz::decode<persist::codec::Json>(input);
}
