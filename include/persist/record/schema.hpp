#pragma once

#include <persist/bytes.hpp>
#include <persist/detail/siphash.hpp>
#include <persist/error.hpp>
#include <persist/record/fence.hpp>
#include <persist/record/message.hpp>

namespace persist::inline PERSIST_ABI {

/// What many records need to be read, kept once beside them and named by what it holds. The key of
/// the hash is part of the format.
[[nodiscard]] inline Hash128 schema_id(ByteView bytes) noexcept {
  const auto digest =
      detail::siphash128({0x7065727369737420, 0x736368656d612031}, bytes);  // "persist schema 1"
  return {load_little<std::uint64_t>(digest.data()), load_little<std::uint64_t>(digest.data() + 8)};
}

/// A schema as whoever writes records has it; the bytes are constants of the program.
struct Schema {
  Hash128 id{};
  ByteView bytes{};
};

/// Reads a schema that a commit brought. It is there as long as its store is.
struct SchemaRequest {
  StoreId store{};
  Hash128 id{};

  Error error{Errc{}};  ///< `unknown_schema`, `corrupt`, `io`
  Buffer bytes{};
};

/// The answer to a commit or a read that names a schema which the store has not.
[[nodiscard]] inline Error unknown_schema(const Hash128& id) {
  return {Errc::unknown_schema, "the store does not hold the schema " + id.text()};
}

}  // namespace persist::inline PERSIST_ABI
