#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/suphi/alphabet.hpp>
#include <persist/codec/suphi/reader.hpp>
#include <persist/codec/suphi/writer.hpp>
#include <persist/codec/token_codec.hpp>
#include <persist/fwd.hpp>

#include <cstdint>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// The writer of a codec with these settings.
template <int Level, int Decimals, bool Safety>
class SuphiWriter : public SuphiOutput {
 public:
  using reader = SuphiReader<Decimals>;
  explicit SuphiWriter(Buffer& out) noexcept : SuphiOutput(out, {Level, Decimals, Safety}) {}
};

/// The text format of Suphi's DataStore Module 1.x, for moving data in and out: what it writes the
/// module reads, and the other way round.
///
/// It keeps less than the other codecs, as the settings say: fractions are rounded to `Decimals`,
/// and with `Safety` a DEL in a text becomes a space. What it has no form for is `invalid`, such as
/// an empty optional, bytes, and numbers beyond 2^53. In a `Value` a whole real comes back as an
/// integer and a map without members as an array.
template <int Level, int Decimals, bool Safety>
struct Suphi : TokenCodec<SuphiWriter<Level, Decimals, Safety>, SuphiReader<Decimals>> {
  static_assert(Level == 1 || Level == 2, "persist: the level of codec::Suphi is 1 or 2");
  static_assert(Decimals >= 0 && Decimals <= suphi::most_decimals,
                "persist: codec::Suphi keeps 0 to 15 decimals");

  /// The text does not say its decimals, and with others it says other numbers. So the record does.
  static constexpr std::uint16_t id = suphi_id_of(Decimals);
  static constexpr std::string_view name = "suphi";
};

}  // namespace persist::inline PERSIST_ABI::codec
