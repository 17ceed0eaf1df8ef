#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/chunked.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/codec/migrate.hpp>
#include <persist/codec/shared_schema.hpp>
#include <persist/codec/wrapping.hpp>
#include <persist/detail/caught.hpp>
#include <persist/error.hpp>
#include <persist/record/requests.hpp>
#include <persist/result.hpp>
#include <persist/schema/fingerprint.hpp>
#include <persist/schema/migrations.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value/core.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

/// The schema version of a record, and the lowest schema version that may read it.
struct RecordVersion {
  std::uint32_t schema_version = 1;
  std::uint32_t lowest_reader = 1;

  friend bool operator==(RecordVersion, RecordVersion) = default;
};

/// What a record that was read said of itself. The session keeps it for its next save.
struct RecordInfo : RecordVersion {
  std::uint64_t fingerprint = 0;  ///< 0: not known
  bool is_outdated = false;  ///< to be written anew: the bytes were foreign, or under an old key
};

/// The schema version that a build with this Data policy writes: what the policy says, or the
/// number of its migrations' versions, or 1.
template <class Policy>
[[nodiscard]] constexpr std::uint32_t schema_version_of() noexcept {
  using Migrations = typename schema::detail::MigrationsOf<Policy>::type;
  if constexpr (requires { Policy::schema_version; })
    return Policy::schema_version;
  else if constexpr (schema::detail::has_migrations<Policy>)
    return static_cast<std::uint32_t>(schema::detail::VersionList<Migrations>::count);
  else
    return 1;
}

/// What a new record of this build says. Only builds of its schema version and above may read it,
/// and those below that its migrations marked as able to.
template <class Policy>
[[nodiscard]] constexpr RecordVersion version_of() noexcept {
  using Migrations = typename schema::detail::MigrationsOf<Policy>::type;
  constexpr std::uint32_t version = schema_version_of<Policy>();
  if constexpr (schema::detail::has_migrations<Policy>)
    return {version, schema::detail::VersionList<Migrations>::lowest_reader};
  else
    return {version, version};
}

/// What this build says in a record that it loaded and writes again. One of a higher schema, which
/// its writer allowed this build to read, keeps both numbers: the newer build must not migrate it a
/// second time.
template <class Policy>
[[nodiscard]] constexpr RecordVersion version_after(const RecordVersion& loaded) noexcept {
  return loaded.schema_version > schema_version_of<Policy>() ? loaded : version_of<Policy>();
}

/// The fingerprint of the type that is written; 0, not known, for data whose shape only its record
/// knows.
template <class Policy, class T>
[[nodiscard]] constexpr std::uint64_t fingerprint_of() noexcept {
  if constexpr (std::is_same_v<T, Value>) {
    return 0;
  } else {
    return schema::fingerprint<T, Policy>;
  }
}

namespace choosing {

template <class Codec>
[[nodiscard]] constexpr bool reads(std::uint16_t id) noexcept {
  if constexpr (reads_others<Codec>)
    return Codec::reads(id);
  else
    return id == Codec::id;
}
template <class Codec>
[[nodiscard]] std::string names_read() {
  if constexpr (reads_others<Codec>)
    return Codec::names();
  else
    return std::string(Codec::name);
}
template <class Codec, class Policy, class T>
[[nodiscard]] Result<void> decode_payload(const Envelope& record, T& scratch,
                                          UnknownFields& unknown, schema::Limits limits) {
  if constexpr (reads_others<Codec>)
    return Codec::template decode_from<Policy>(record.codec, record.payload, scratch, unknown,
                                               limits);
  else
    return Codec::template decode<Policy>(record.payload, scratch, unknown, limits);
}

}  // namespace choosing

/// Appends a whole record: envelope and encoded data. The errors are those of the codec and of
/// `write_envelope`, and `invalid` where the game's own code threw, such as a `store` of its
/// `adapt`; then `out` is as it was.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<void> encode_record(const T& data, UnknownFields& unknown,
                                         RecordVersion version, Buffer& out) {
  const EnvelopeHeader header{.codec = Codec::id,
                              .schema_version = version.schema_version,
                              .lowest_reader = version.lowest_reader,
                              .fingerprint = fingerprint_of<Policy, T>()};
  auto written = write_envelope(out, header, [&](Buffer& to) {
    return persist::detail::caught(
        "writing the data", [&] { return Codec::template encode<Policy>(data, unknown, to); });
  });
  if (!written && unknown.root() != nullptr) unknown.root()->unmark();
  return written;
}

/// What is read instead of bytes that are no record of ours: by the policy's `import_legacy`. A
/// record whose first bytes were damaged is not foreign.
template <class Policy, class T>
[[nodiscard]] Result<RecordInfo> import_record(ByteView bytes, T& scratch) {
  Result<T> imported = persist::detail::caught("the hook import_legacy",
                                               [&] { return Policy::import_legacy(bytes); });
  if (!imported) return envelope::left_alone(imported.error());
  scratch = *std::move(imported);
  return RecordInfo{version_of<Policy>(), 0, true};
}
template <class Policy>
[[nodiscard]] consteval bool imports_legacy() {
  if constexpr (requires { Policy::has_import_legacy; })
    return Policy::has_import_legacy;
  else
    return false;
}

/// Reads a whole record into `scratch`, a fresh value. One of an older schema version is migrated
/// to the newest where the policy has migrations.
///
/// `wrong_codec` names both codecs. `too_new`: only a higher schema version may read it, or it
/// holds something that this build could not keep. `corrupt`, `schema_mismatch`, `too_large` as the
/// envelope and the codec have them. `invalid` where the game's own code threw. On failure
/// `scratch` holds anything, and `bytes` are as they were: whoever calls must not replace them.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<RecordInfo> decode_record(ByteView bytes, T& scratch, UnknownFields& unknown,
                                               schema::Limits limits) {
  if constexpr (imports_legacy<Policy>())
    if (is_foreign(bytes)) return import_record<Policy>(bytes, scratch);
  const auto opened = open_envelope(bytes);
  if (!opened) return opened.error();
  if (!choosing::reads<Codec>(opened->codec)) {
    return envelope::refusal(Errc::wrong_codec,
                             "the record was written by the codec " + name_of(opened->codec) +
                                 ", and this store reads " + choosing::names_read<Codec>(),
                             "open the store with the codec that wrote it");
  }
  if (opened->flags != 0) {
    return envelope::refusal(Errc::wrong_codec,
                             "the record is " + wrapping::describe(*opened) +
                                 ", and the codec of this store does not undo that",
                             "open the store with a codec that does");
  }
  if (opened->lowest_reader > schema_version_of<Policy>()) {
    return envelope::from_the_future(
        "the record has schema version " + std::to_string(opened->schema_version) +
        " and may be read from version " + std::to_string(opened->lowest_reader) +
        " on, and this build has " + std::to_string(schema_version_of<Policy>()));
  }
  const auto decode = [&](auto& into, UnknownFields& kept) {
    return choosing::decode_payload<Codec, Policy>(*opened, into, kept, limits);
  };
  // Types are the game's: one that throws must not end a batch that others are in.
  const Result<void> decoded = persist::detail::caught("reading the data", [&]() -> Result<void> {
    if constexpr (schema::detail::has_migrations<Policy>)
      if (opened->schema_version < schema_version_of<Policy>())
        return Migration<Policy, T>(scratch, unknown).run(opened->schema_version, decode);
    return decode(scratch, unknown);
  });
  if (!decoded) return envelope::left_alone(decoded.error());
  return RecordInfo{{opened->schema_version, opened->lowest_reader}, opened->fingerprint};
}
/// The same under the limits of what was stored as one record.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<RecordInfo> decode_record(ByteView bytes, T& scratch, UnknownFields& unknown) {
  return decode_record<Codec, Policy>(bytes, scratch, unknown,
                                      schema::limits_of_record(bytes.size()));
}

/// `decode_record` of a record whose description was fetched; empty: of any record.
template <class Codec, class Policy, class T>
[[nodiscard]] Result<RecordInfo> decode_described(ByteView record, ByteView schema, T& scratch,
                                                  UnknownFields& unknown) {
  if (schema.empty()) return decode_record<Codec, Policy>(record, scratch, unknown);
  Buffer whole;
  if (const auto done = inline_schema(record, schema, whole); !done)
    return envelope::left_alone(done.error());
  return decode_record<Codec, Policy>(whole, scratch, unknown);
}

/// Reads a record as it lies in its store, under its key's spelling. The errors are those of
/// `plain_record`, to which `most` belongs, and of `decode_record`. The data is then the record as
/// the codec had made it. After `unknown_schema` it is as it was, and its schema is named: another
/// try is made with that. The same where `needed_pieces` says how many pieces were missing: then
/// another try is made with the data joined.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<RecordInfo> load_record([[maybe_unused]] std::string_view key, Snapshot& from,
                                             [[maybe_unused]] std::size_t most, T& scratch,
                                             UnknownFields& unknown) {
  Buffer& stored = from.data;
  if constexpr (joins_records<Codec>) {
    if (chunked::is_split(stored)) {
      const auto needed = chunked::needed_pieces(stored, most);
      if (!needed) return needed.error();
      from.needed_pieces = *needed;
      return Error(Errc::unavailable, "the pieces of the record were not read");
    }
  }
  Result<bool> is_current = true;
  if constexpr (knows_current<Codec>) {
    is_current = persist::detail::caught("the codec", [&] { return Codec::is_current(stored); });
    if (!is_current) return envelope::left_alone(is_current.error());
  }
  Buffer room;
  if constexpr (unwraps_records<Codec>) {
    const Result<ByteView> plain = plain_record<Codec>(key, stored, most, room);
    if (!plain) return plain.error();
    if (plain->data() != stored.data()) stored.swap(room);
  }
  Result<RecordInfo> info = decode_described<Codec, Policy>(stored, from.schema, scratch, unknown);
  if (info.is(Errc::unknown_schema)) {
    from.needed = needed_schema(stored).value_or(Hash128{});
    if (!room.empty()) stored.swap(room);
  }
  if (info && !*is_current) info->is_outdated = true;
  return info;
}

}  // namespace persist::inline PERSIST_ABI::codec
