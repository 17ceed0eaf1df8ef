#include <persist/codec/packed.hpp>

#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/number.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fuzz/decoder.hpp>
#include <fuzz/everything.hpp>
#include <fuzz/source.hpp>
#include <fuzz/target.hpp>

namespace {

using namespace persist;
using schema::Kind;

/// Writes a description that is one, of a type that nobody has, with the names that the types of
/// the targets have. A byte in sixty is a lie.
class Liar {
 public:
  Liar(fuzz::Source& from, Buffer& out) : from_(from), out_(out) {}

  void type(int depth = 6) {
    constexpr Kind leaves[] = {Kind::boolean, Kind::integer, Kind::real, Kind::text,
                               Kind::bytes,   Kind::value,   Kind::unit, Kind::enumeration};
    constexpr Kind all[] = {Kind::structure, Kind::sequence,  Kind::map,   Kind::optional,
                            Kind::variant,   Kind::tuple,     Kind::array, Kind::set,
                            Kind::duration,  Kind::time_point};
    const std::size_t pick = from_.byte();
    if (pick % 61 == 60) return byte(from_.byte());
    if (pick % 61 == 59) return byte(codec::packed::same_struct), number(from_.below(4));
    if (depth == 0 || pick % 3 != 0) return leaf(leaves[pick / 3 % std::size(leaves)]);
    inner(all[pick / 3 % std::size(all)], depth - 1);
  }

 private:
  void leaf(Kind kind) {
    byte(static_cast<std::uint8_t>(kind));
    if (kind == Kind::integer) byte(from_.below(8));
    if (kind == Kind::real) byte(from_.flag() ? 4 : 8);
    if (kind != Kind::enumeration) return;
    byte(from_.below(8));
    const std::size_t names = from_.below(4);
    number(names);
    for (std::size_t i = 0; i < names; ++i)
      name(), number(from_.byte());
  }
  void inner(Kind kind, int depth) {
    byte(static_cast<std::uint8_t>(kind));
    if (kind == Kind::structure || kind == Kind::variant) {
      const std::size_t fields = from_.below(8);
      number(fields);
      for (std::size_t i = 0; i < fields; ++i)
        name(), type(depth);
    } else if (kind == Kind::tuple) {
      const std::size_t fields = from_.below(4);
      number(fields);
      for (std::size_t i = 0; i < fields; ++i)
        type(depth);
    } else if (kind == Kind::map) {
      const bool has_text_keys = from_.flag();
      byte(has_text_keys ? 1 : 0);
      has_text_keys ? leaf(from_.flag() ? Kind::text : Kind::integer) : type(depth);
      type(depth);
    } else {
      if (kind == Kind::array) number(from_.number<std::uint32_t>());
      if (kind == Kind::duration) number(1), number(1000);
      type(depth);
    }
  }
  void name() {
    static constexpr std::string_view names[] = {
        "alive", "small", "coins", "seed",   "speed",   "luck",   "rank", "name",   "blob",
        "crown", "prize", "place", "items",  "notes",   "gems",   "grid", "medals", "scores",
        "seen",  "title", "cut",   "id",     "gem",     "arrows", "text", "free",   "Gem",
        "Bow",   "king",  "flags", "played", "version", ""};
    const std::string_view chosen = names[from_.below(std::size(names))];
    number(chosen.size());
    out_.append(chosen);
  }
  void byte(std::size_t value) { out_.push(static_cast<std::byte>(value)); }
  void number(std::uint64_t value) {
    std::byte bytes[codec::packed::longest_number];
    const std::byte* end = codec::packed::put_number(bytes, value);
    out_.append({bytes, static_cast<std::size_t>(end - bytes)});
  }

  fuzz::Source& from_;
  Buffer& out_;
};

}  // namespace

// How a record is read whose description is not that of the type. The input begins with two bytes:
// of the one half the description follows, as long as they say, of the other what one is made of.
FUZZ_TARGET(packed_schema) {
  fuzz::Source from(input);
  const std::size_t head = from.byte() + std::size_t{256} * from.byte();
  fuzz::Source described(from.take(head / 2));
  Buffer description, payload;
  if (head % 2 == 0)
    Liar(described, description).type();
  else
    description.append(described.rest());
  std::byte size[codec::packed::longest_number];
  const std::byte* end = codec::packed::put_number(size, description.size());
  payload.append({size, static_cast<std::size_t>(end - size)});
  payload.append(description);
  payload.append(from.rest());
  const bool everything = fuzz::decode_as<codec::Packed, fuzz::Everything>(payload);
  const bool older = fuzz::decode_as<codec::Packed, fuzz::Older>(payload);
  const bool value = fuzz::decode_as<codec::Packed, Value>(payload);
  return everything || older || value;
}
