#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/layout.hpp>
#include <persist/codec/packed/read.hpp>
#include <persist/codec/packed/reader.hpp>
#include <persist/codec/packed/write.hpp>
#include <persist/codec/shared_schema.hpp>
#include <persist/schema/read.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

namespace packed {

/// What stands in front of the values of a T: the length of its description, and that. A length of
/// zero is that of a description that lies elsewhere.
template <class Rules, class T>
inline constexpr auto prefix = [] {
  using Bytes = Description<Rules, T>;
  constexpr std::size_t counted = [] {
    Describer counter(nullptr);
    counter.number(Bytes::size);
    return counter.size();
  }();
  std::array<char, counted + Bytes::size> made{};
  Describer out(made.data());
  out.number(Bytes::size);
  for (const char c : Bytes::bytes)
    out.byte(static_cast<unsigned char>(c));
  return made;
}();
template <class Rules, class T>
[[nodiscard]] ByteView prefix_bytes() noexcept {
  return as_bytes(std::string_view(prefix<Rules, T>.data(), prefix<Rules, T>.size()));
}

/// The description of a T as a schema that lies beside its records, and what stands in front of
/// their values then.
template <class Rules, class T>
struct Shared {
  Schema schema;
  std::array<std::byte, shared_prefix_size> prefix{};

  Shared() noexcept {
    constexpr auto& bytes = Description<Rules, T>::bytes;
    schema.bytes = as_bytes(std::string_view(bytes.data(), bytes.size()));
    schema.id = schema_id(schema.bytes);
    put_shared_prefix(prefix.data(), schema.id);
  }
  [[nodiscard]] static const Shared& get() {
    static const Shared made;
    return made;
  }
};

}  // namespace packed

/// The codec of persist's own: the names and kinds of the fields once, then the values by position.
///
/// A type that is as it was when the record was written is read in one pass without a look at a
/// name. Any other type is read by name through the description, so fields can be added, removed,
/// moved and renamed. `doc/format.md` has the grammar and the reasons. Has every data kind.
struct Packed {
  static constexpr std::uint16_t id = packed_id;
  static constexpr std::string_view name = "packed";

  /// Appends the data. Where fields are kept that this build does not know, the record is described
  /// as a value and holds CBOR, because they have no position in this build's type. `invalid` for a
  /// text that is no UTF-8 or a variant that holds nothing, `too_large` for what is nested too
  /// deep; then the buffer is as it was. Linear, but for the sorting of hashed containers.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, UnknownFields& unknown, Buffer& out) {
    using Rules = schema::detail::RulesOf<Policy>;
    return encode_behind<Policy>(packed::prefix_bytes<Rules, T>(), data, unknown, out);
  }
  /// The same for data that was never read, like a new message.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, Buffer& out) {
    UnknownFields none;
    return encode<Policy>(data, none, out);
  }

  /// Fills `scratch`, a fresh value: members that are missing keep what it holds, unless the policy
  /// reconciles otherwise. The errors are
  /// those of `TokenCodec`; then `scratch` is to be thrown away and `unknown` is empty. Memory is
  /// in proportion to the bytes, times the size of what an element is read into.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode(ByteView bytes, T& scratch, UnknownFields& unknown,
                                           schema::Limits limits = {}) {
    using Rules = schema::detail::RulesOf<Policy>;
    unknown.clear();
    ByteView prefix = packed::prefix_bytes<Rules, T>();
    if (packed::is_described_elsewhere(bytes)) prefix = packed::Shared<Rules, T>::get().prefix;
    if (bytes.size() < prefix.size() || !same_bytes(bytes.first(prefix.size()), prefix))
      return decode_by_name<Policy>(bytes, scratch, unknown, limits);
    const ByteView values = bytes.subspan(prefix.size());
    using Description = packed::Description<Rules, T>;
    using Reading = packed::Reading<Rules, Description::is_recursive>;
    if constexpr (!packed::may_refuse<T>) {
      return Reading(values, limits).run(scratch);
    } else {
      // What the game's own code refuses is asked about by name, and said by name.
      if constexpr (!Rules::asks)
        if (Reading(values, limits).run(scratch)) return success;
      const std::string_view own(Description::bytes.data(), Description::size);
      return decode_described<Policy>(as_bytes(own), values, scratch, unknown, limits);
    }
  }

 protected:
  /// `encode`, with that in front of the values.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_behind(ByteView prefix, const T& data,
                                                  UnknownFields& unknown, Buffer& out) {
    using Rules = schema::detail::RulesOf<Policy>;
    const std::size_t before = out.size();
    bool is_whole = unknown.empty();
    Result<void> written = success;
    if (is_whole) {
      out.append(prefix);
      packed::Writing<Rules, packed::Description<Rules, T>::is_recursive> writing(out);
      written = writing.run(data);
      is_whole = !writing.met_unknown();
    }
    if (!is_whole) {
      out.shrink(before);
      written = encode_by_name<Policy>(data, unknown, out);
    }
    if (!written) out.shrink(before);
    return written;
  }

 private:
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_by_name(const T& data, UnknownFields& unknown,
                                                   Buffer& out) {
    using Rules = schema::detail::RulesOf<Policy>;
    Buffer item;
    if (auto written = Cbor::encode<Policy>(data, unknown, item); !written) return written;
    out.append(packed::prefix_bytes<Rules, Value>());
    std::byte* at = out.grow(packed::longest_number);
    out.shrink(static_cast<std::size_t>(packed::put_number(at, item.size()) - out.data()));
    out.append(item);
    return success;
  }
  /// Through the words of whoever wrote it.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode_by_name(ByteView bytes, T& scratch,
                                                   UnknownFields& unknown, schema::Limits limits) {
    std::uint64_t size = 0;
    const std::byte* end = bytes.data() + bytes.size();
    const std::byte* at = packed::get_number(bytes.data(), end, size);
    if (at == nullptr || size > static_cast<std::size_t>(end - at))
      return Error(Errc::corrupt, "packed: the description is cut short");
    if (size == 0) {
      const auto elsewhere = packed::described_by(bytes);
      return elsewhere ? unknown_schema(*elsewhere)
                       : Error(Errc::corrupt, "packed: the name of the description is cut short");
    }
    return decode_described<Policy>({at, static_cast<std::size_t>(size)}, {at + size, end}, scratch,
                                    unknown, limits);
  }
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode_described(ByteView description, ByteView values,
                                                     T& scratch, UnknownFields& unknown,
                                                     schema::Limits limits) {
    const auto layout = packed::LayoutParser(description).run();
    if (!layout) return layout.error();
    packed::Reader<schema::detail::RulesOf<Policy>> reader(*layout, values, limits);
    auto read = schema::read<Policy>(reader, scratch, unknown);
    if (!read || reader.finish()) return read;
    unknown.clear();
    return reader.take_error();
  }
};

/// `Packed`, but the description of the type lies once beside the records and not in each. For many
/// small records; a compressor with a dictionary does as much for those it compresses.
///
/// A store of `Packed` reads these records too, and this one those with their description inside.
/// Needs a backend that holds schemas. The first save of a shape costs a round trip more, and so
/// does each load of a record that another shape wrote. What is shorter than a schema's name is
/// written into the record all the same.
struct SharedPacked : Packed {
  using payload_codec = Packed;

  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, UnknownFields& unknown, Buffer& out) {
    using Rules = schema::detail::RulesOf<Policy>;
    const ByteView inside = packed::prefix_bytes<Rules, T>();
    const bool pays = inside.size() > packed::shared_prefix_size;
    return encode_behind<Policy>(pays ? ByteView(packed::Shared<Rules, T>::get().prefix) : inside,
                                 data, unknown, out);
  }
  /// For what has no record to lie beside, like a message.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, Buffer& out) {
    return Packed::encode<Policy>(data, out);
  }

  template <class Policy, class T>
  [[nodiscard]] static const Schema* schema_of(ByteView payload) {
    using Rules = schema::detail::RulesOf<Policy>;
    return packed::is_described_elsewhere(payload) ? &packed::Shared<Rules, T>::get().schema
                                                   : nullptr;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
