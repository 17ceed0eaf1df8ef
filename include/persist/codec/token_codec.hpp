#pragma once

#include <persist/bytes.hpp>
#include <persist/result.hpp>
#include <persist/schema/read.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/write.hpp>

#include <cstddef>

namespace persist::inline PERSIST_ABI::codec {

/// A codec made of a writer and a reader of tokens: the schema walks the type and the format knows
/// no type. Static members only, so any thread may call them, each with data of its own.
template <class TokenWriter, class TokenReader>
struct TokenCodec {
  using Writer = TokenWriter;
  using Reader = TokenReader;

  /// Appends the data with what `unknown` kept. `invalid` for what the format does not have,
  /// `too_large` for what is nested too deep to be read again; then the buffer is as it was. What
  /// `unknown` kept of places that are gone is forgotten, on success only. Time is linear, but for
  /// the sorting of keys where the format asks for it.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, UnknownFields& unknown, Buffer& out) {
    const std::size_t before = out.size();
    Writer writer(out);
    auto written = schema::write<Policy>(writer, data, unknown);
    if (!written) out.shrink(before);
    return written;
  }
  /// The same for data that was never read, like a new message.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, Buffer& out) {
    const std::size_t before = out.size();
    Writer writer(out);
    auto written = schema::write<Policy>(writer, data);
    if (!written) out.shrink(before);
    return written;
  }

  /// Fills `scratch`, a fresh value: members that are missing keep what it holds, unless the policy
  /// reconciles otherwise. `corrupt`,
  /// `schema_mismatch`, `too_large` or `too_new` with the place; then `scratch` holds anything and
  /// is to be thrown away, and `unknown` is empty. The bytes are not needed afterwards. Time and
  /// memory are in proportion to them, times the size of what an element is read into.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode(ByteView bytes, T& scratch, UnknownFields& unknown,
                                           schema::Limits limits = {}) {
    Reader reader(bytes, limits);
    auto read = schema::read<Policy>(reader, scratch, unknown);
    if (!read || reader.finish()) return read;
    unknown.clear();
    return reader.take_error();
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
