#include <persist/codec/wrapping.hpp>

#include <persist/codec/any_of.hpp>
#include <persist/codec/chunked.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/codec/sealed.hpp>
#include <persist/compress/lz4.hpp>
#include <persist/compress/zstd.hpp>
#include <persist/schema/policy.hpp>

#include <string>
#include <vector>

#include <fuzz/mend.hpp>
#include <fuzz/target.hpp>

namespace {

using namespace persist;

struct Keys {
  static std::span<const codec::SealingKey> list() {
    static const codec::SealingKey keys[] = {{1, {1, 2, 3}}};
    return keys;
  }
};
using Lz4 = codec::Compressed<codec::Packed, compress::Lz4>;
using Zstd = codec::Compressed<codec::Packed, compress::Zstd<>>;
using Codec = codec::AnyOf<Lz4, Zstd, codec::Sealed<Zstd, Keys>>;
constexpr std::size_t most = std::size_t{1} << 20;

}  // namespace

// A record as it is stored: what wraps it, and its description where that lies elsewhere.
FUZZ_TARGET(wrapped) {
  if (const auto stub = codec::chunked::read_stub(input)) {
    Buffer whole;
    const std::vector<ByteView> pieces(stub->pieces < 100 ? stub->pieces : 0, stub->beginning);
    fuzz::require(!codec::chunked::join(*stub, pieces, whole) || codec::open_envelope(whole),
                  "what is joined is a record");
  }
  Buffer room;
  const auto plain = codec::plain_record<Codec>("Player_7", input, most, room);
  if (!plain) return false;
  const bool was_wrapped = plain->data() != input.data();
  fuzz::require(!was_wrapped || plain->size() <= most, "nothing grows beyond what is allowed");
  fuzz::require(!was_wrapped || codec::open_envelope(*plain), "what comes out is a record");
  if (!was_wrapped) return false;
  Buffer again;
  const auto wrapped = codec::Sealed<Zstd, Keys>::wrap("Player_7", *plain, again);
  fuzz::require(wrapped && *wrapped, "and can be wrapped");
  Buffer second;
  const auto same = codec::plain_record<Codec>("Player_7", again, most, second);
  fuzz::require(same && same_bytes(*same, *plain), "to be the same again");
  std::string text;
  UnknownFields none;
  (void)codec::decode_record<Codec, DataPolicy<std::string>>(*plain, text, none);
  return true;
}
