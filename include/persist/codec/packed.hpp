#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/layout.hpp>
#include <persist/codec/packed/read.hpp>
#include <persist/codec/packed/reader.hpp>
#include <persist/codec/packed/write.hpp>
#include <persist/schema/read.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

namespace packed {

/// What a payload is, in its first byte. It lies on disk: never renumber.
enum class Form : std::uint8_t {
  self_described = 0,  ///< a CBOR item: a value, or data with fields that have no position
  described = 1,       ///< a description, then the values by position
};

/// The bytes in front of the values of a T: the form, the length of the description, and it.
template <class Rules, class T>
inline constexpr auto prefix = [] {
  using Bytes = Description<Rules, T>;
  constexpr std::size_t counted = [] {
    Describer counter(nullptr);
    counter.number(Bytes::size);
    return counter.size();
  }();
  std::array<char, 1 + counted + Bytes::size> made{};
  Describer out(made.data());
  out.byte(static_cast<std::size_t>(Form::described));
  out.number(Bytes::size);
  for (const char c : Bytes::bytes)
    out.byte(static_cast<unsigned char>(c));
  return made;
}();
template <class Rules, class T>
[[nodiscard]] inline ByteView prefix_bytes() noexcept {
  return as_bytes(std::string_view(prefix<Rules, T>.data(), prefix<Rules, T>.size()));
}

}  // namespace packed

/// The codec of persist's own: the names and kinds of the fields once, then the values by position.
///
/// A type that is as it was when the record was written is read in one pass without a look at a
/// name. Any other type is read by name through the description, so fields can be added, removed,
/// moved and renamed. `doc/format.md` has the grammar and the reasons. Has every data kind.
struct Packed {
  static constexpr std::uint16_t id = packed_id;
  static constexpr std::string_view name = "packed";

  /// Appends the data. Where fields are kept that this build does not know the record is written
  /// as CBOR behind a mark, because they have no position in this build's type. `invalid` for a
  /// text that is no UTF-8 or a variant that holds nothing, `too_large` for what is nested too
  /// deep; then the buffer is as it was. Linear, but for the sorting of hashed containers.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, UnknownFields& unknown, Buffer& out) {
    const std::size_t before = out.size();
    if constexpr (schema::kind_of<T> != schema::Kind::value) {
      if (unknown.empty()) {
        bool is_whole = true;
        auto written = encode_described<Policy>(data, out, is_whole);
        if (is_whole) return written;
        out.shrink(before);
      }
    }
    out.push(static_cast<std::byte>(packed::Form::self_described));
    auto written = Cbor::encode<Policy>(data, unknown, out);
    if (!written) out.shrink(before);
    return written;
  }
  /// The same for data that was never read, like a new message.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, Buffer& out) {
    UnknownFields none;
    return encode<Policy>(data, none, out);
  }

  /// Fills `scratch`, a fresh value: members that are missing keep what it holds. The errors are
  /// those of `TokenCodec`; then `scratch` is to be thrown away and `unknown` is empty. Memory is
  /// in proportion to the bytes, times the size of what an element is read into.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode(ByteView bytes, T& scratch, UnknownFields& unknown,
                                           schema::Limits limits = {}) {
    using Rules = schema::detail::RulesOf<Policy>;
    unknown.clear();
    if constexpr (schema::kind_of<T> != schema::Kind::value) {
      const ByteView prefix = packed::prefix_bytes<Rules, T>();
      if (bytes.size() >= prefix.size() && same_bytes(bytes.first(prefix.size()), prefix)) {
        constexpr bool nests = packed::Description<Rules, T>::is_recursive;
        return packed::Reading<Rules, nests>(bytes.subspan(prefix.size()), limits).run(scratch);
      }
    }
    if (bytes.empty()) return Error(Errc::corrupt, "packed: there are no bytes");
    if (bytes[0] == static_cast<std::byte>(packed::Form::self_described))
      return Cbor::decode<Policy>(bytes.subspan(1), scratch, unknown, limits);
    if (bytes[0] == static_cast<std::byte>(packed::Form::described))
      return decode_described<Policy>(bytes.subspan(1), scratch, unknown, limits);
    return Error(Errc::too_new, "packed: a form that this build does not know");
  }

 private:
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_described(const T& data, Buffer& out, bool& is_whole) {
    using Rules = schema::detail::RulesOf<Policy>;
    const std::size_t before = out.size();
    out.append(packed::prefix_bytes<Rules, T>());
    packed::Writing<Rules, packed::Description<Rules, T>::is_recursive> writing(out);
    auto written = writing.run(data);
    is_whole = !writing.met_unknown();
    if (!written) out.shrink(before);
    return written;
  }
  /// By name, through the words of whoever wrote it.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode_described(ByteView bytes, T& scratch,
                                                     UnknownFields& unknown,
                                                     schema::Limits limits) {
    std::uint64_t size = 0;
    const std::byte* end = bytes.data() + bytes.size();
    const std::byte* at = packed::get_number(bytes.data(), end, size);
    if (at == nullptr || size > static_cast<std::size_t>(end - at))
      return Error(Errc::corrupt, "packed: the description is cut short");
    auto layout = packed::LayoutParser({at, static_cast<std::size_t>(size)}).run();
    if (!layout) return layout.error();
    packed::Reader<schema::detail::RulesOf<Policy>> reader(*layout, {at + size, end}, limits);
    auto read = schema::read<Policy>(reader, scratch, unknown);
    if (!read || reader.finish()) return read;
    unknown.clear();
    return reader.take_error();
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
