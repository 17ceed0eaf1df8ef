#include <persist/codec/any_of.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/suphi.hpp>

#include <fuzz/everything.hpp>
#include <fuzz/source.hpp>
#include <fuzz/target.hpp>

namespace {

using namespace persist;
using Moved = codec::AnyOf<codec::Packed, codec::Cbor, codec::Json, codec::Suphi<>>;

}  // namespace

// A byte that says which codec wrote the rest.
FUZZ_TARGET(any_of) {
  constexpr std::uint16_t ids[] = {codec::packed_id, codec::cbor_id, codec::json_id,
                                   codec::suphi_id};
  fuzz::Source from(input);
  const std::uint16_t id = ids[from.below(4)];
  const ByteView bytes = from.rest();
  fuzz::Everything read;
  UnknownFields unknown;
  if (!Moved::decode_from<fuzz::Policy>(id, bytes, read, unknown, schema::Limits())) return false;
  Buffer out;
  const auto written = Moved::encode<fuzz::Policy>(read, unknown, out);
  // What was kept unread and has a name twice cannot be said in another format.
  fuzz::require(written || written.is(Errc::unsupported),
                "what any codec wrote is written by the new one");
  if (!written) return true;
  fuzz::Everything back;
  fuzz::require(bool(Moved::decode<fuzz::Policy>(out, back, unknown)), "and that is read");
  return true;
}
