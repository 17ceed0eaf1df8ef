#include <persist/codec/packed.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/schema/value.hpp>

#include <cmath>

#include <fuzz/everything.hpp>
#include <fuzz/source.hpp>
#include <fuzz/target.hpp>

namespace {

using namespace persist;

template <class Codec>
void comes_back(const fuzz::Everything& from, Buffer& bytes) {
  UnknownFields unknown;
  fuzz::require(bool(Codec::template encode<fuzz::Policy>(from, bytes)), "all of it is written");
  fuzz::Everything back;
  fuzz::require(bool(Codec::template decode<fuzz::Policy>(bytes, back, unknown)), "and read");
  fuzz::require(unknown.empty() && back == from, "what went in comes out");
  Buffer again;
  fuzz::require(Codec::template encode<fuzz::Policy>(back, again) && again == bytes,
                "equal data is equal bytes");
}
template <class Codec>
Value as_value(const Buffer& bytes) {
  Value read;
  UnknownFields unknown;
  fuzz::require(bool(Codec::template decode<fuzz::Policy>(bytes, read, unknown)),
                "whatever was written is a value");
  return read;
}
/// JSON has no infinity.
bool has_infinity(const Value& in) {
  if (const auto* real = in.get_if<double>()) return std::isinf(*real);
  for (const Value& element : in.elements())
    if (has_infinity(element)) return true;
  for (const Value::Member& member : in.members())
    if (has_infinity(member.value)) return true;
  return false;
}
bool has_infinity(const fuzz::Everything& in) {
  for (const auto& [place, height] : in.grid)
    if (std::isinf(height)) return true;
  return std::isinf(in.speed) || std::isinf(in.luck) || has_infinity(in.free);
}

}  // namespace

// Data that is made of the input comes back from each codec, and the codecs agree on it.
FUZZ_TARGET(round_trip) {
  fuzz::Source from(input);
  const fuzz::Everything made = fuzz::make_everything(from);
  Buffer packed, cbor, json;
  comes_back<codec::Packed>(made, packed);
  comes_back<codec::Cbor>(made, cbor);
  fuzz::require(as_value<codec::Packed>(packed) == as_value<codec::Cbor>(cbor),
                "two codecs say the same");
  if (has_infinity(made)) {
    fuzz::require(codec::Json::encode<fuzz::Policy>(made, json).is(Errc::invalid),
                  "what a format does not have is refused");
    return false;
  }
  comes_back<codec::Json>(made, json);
  return true;
}
