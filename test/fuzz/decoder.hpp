#pragma once

#include <persist/bytes.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value.hpp>

#include <cstddef>

#include <fuzz/everything.hpp>
#include <fuzz/target.hpp>

namespace fuzz {

/// More is only read: to write and read it again would need the memory several times.
inline constexpr std::size_t most_written_back = std::size_t{64} << 10;

/// What could be read is written, unknown fields and all, so that it is read as the same. `Writes`
/// is false for a format that has no form for some of what it reads as a T.
template <class Codec, class T, bool Writes = true>
bool decode_as(persist::ByteView input) {
  T first{};
  persist::UnknownFields unknown;
  if (!Codec::template decode<Policy>(input, first, unknown)) {
    require(unknown.empty(), "nothing is kept of what could not be read");
    return false;
  }
  if (input.size() > most_written_back) return true;
  persist::Buffer once, twice;
  const auto written = Codec::template encode<Policy>(first, unknown, once);
  require(!Writes || written, "what was read can be written");
  if (!written) return true;
  T second{};
  const bool read = bool(Codec::template decode<Policy>(once, second, unknown));
  require(read, "what was written can be read");
  const bool again = read && Codec::template encode<Policy>(second, unknown, twice);
  require(again && once == twice, "what was read and written is the same");
  return true;
}

/// A codec's decoder, into a type with all kinds of data and into a value.
template <class Codec, bool Writes = true>
bool decode(persist::ByteView input) {
  const bool typed = decode_as<Codec, Everything, Writes>(input);
  const bool any = decode_as<Codec, persist::Value, Writes>(input);
  return typed || any;
}

}  // namespace fuzz
