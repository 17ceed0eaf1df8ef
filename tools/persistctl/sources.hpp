#pragma once

#include <persist/codec/suphi.hpp>

#include <persistctl/profile.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// The systems whose exports are read. All but ProfileStore keep a player's ids and metadata beside
// the value, where the data store has them, and so does a line: `{"key", "value", "Metadata",
// "UserIds", "CreatedTime"}`, of which only key and value must be there.

namespace persistctl {
namespace detail {

/// What lies beside the value. `CreatedTime` is in milliseconds, and 0 where it is not known.
[[nodiscard]] inline Result<void> read_beside(const Value& row, Profile& into) {
  if (auto read = users_at(row["UserIds"], "UserIds", into); !read) return read;
  auto metadata = table_at(row["Metadata"], "Metadata");
  if (!metadata) return metadata.error();
  if (metadata->size() != 0) into.metadata = *std::move(metadata);
  if (row["CreatedTime"].is_null()) return success;
  const auto created = count_at(row["CreatedTime"], "CreatedTime");
  if (!created) return created.error();
  const auto time = time_at(static_cast<double>(*created) / 1000, "CreatedTime");
  if (!time) return time.error();
  if (*created != 0) into.created = *time;
  return success;
}

/// How many decimals a compressed record has, by its `Metadata.Compress`; nothing for a plain one.
[[nodiscard]] inline Result<std::optional<int>> decimals_of(const Value& metadata) {
  const Value& compress = metadata["Compress"];
  if (compress.is_null()) return std::optional<int>();
  const auto settings = table_at(compress, "Metadata.Compress");
  if (!settings) return settings.error();
  const Value& decimals = (*settings)["Decimals"];
  if (decimals.is_null()) return std::optional<int>(persist::codec::SuphiStyle{}.decimals);
  const auto count = decimals.as<int>();
  if (!count || *count < 0 || *count > persist::codec::suphi::most_decimals)
    return misfit("Metadata.Compress.Decimals", "a whole number from 0 to 15", decimals);
  return std::optional<int>(*count);
}

/// The member of a record that must be there, whatever it is.
[[nodiscard]] inline Result<Value> data_at(const Value& record, const std::string& name) {
  if (!record.is_map()) return misfit("value", "a record", record);
  if (record[name].is_null()) return misfit_in(record, name, "value." + name, "the data");
  return record[name];
}

/// A version of Lapis, which counts its migrations from 0, as one of persist, which counts shapes
/// from 1.
[[nodiscard]] inline Result<std::uint32_t> version_at(const Value& from, const std::string& path) {
  const auto version = from.is_null() ? Result<std::uint32_t>(0U) : from.as<std::uint32_t>();
  if (!version || *version == (std::numeric_limits<std::uint32_t>::max)())
    return misfit(path, "a version", from);
  return *version + 1;
}

}  // namespace detail

/// Suphi's DataStore Module 0.15 and 1.x: the value is the data itself, of any kind, or its
/// compressed text where `Metadata.Compress` says so; that member is not taken over. Errors as for
/// `read_profile`; `corrupt` and `unsupported` too where the compressed text cannot be read.
[[nodiscard]] inline Result<Profile> read_suphi(std::string_view line) {
  using namespace detail;
  Profile profile;
  const auto row = read_row(line, profile);
  if (!row) return row.error();
  if (auto read = read_beside(*row, profile); !read) return read.error();
  const Value& value = (*row)["value"];
  const auto decimals = decimals_of(profile.metadata);
  if (!decimals) return decimals.error();
  if (!*decimals) {
    if (value.is_null()) return misfit("value", "the data", value);
    return profile.data = value, profile;
  }
  const auto* text = value.get_if<std::string>();
  if (text == nullptr) return misfit("value", "a compressed text", value);
  persist::codec::SuphiInput in(as_bytes(*text), {}, **decimals);
  if (!persist::schema::read_value(in, profile.data) || !in.finish()) {
    const Error why = in.take_error();
    return why.detail().empty() ? why : Error(why.code(), "value: " + std::string(why.detail()));
  }
  profile.metadata.erase("Compress");
  if (profile.metadata.size() == 0) profile.metadata = nullptr;
  return profile;
}

/// rbx-persist 0.2: `{d: data, t: time of the last save, l: who has it, r: who asks for it}`.
[[nodiscard]] inline Result<Profile> read_rbx_persist(std::string_view line) {
  using namespace detail;
  Profile profile;
  const auto row = read_row(line, profile);
  if (!row) return row.error();
  if (auto read = read_beside(*row, profile); !read) return read.error();
  const Value& record = (*row)["value"];
  auto data = data_at(record, "d");
  if (!data) return data.error();
  profile.data = *std::move(data);
  if (const Value& lock = record["l"]; !lock.is_null()) profile.active_session = json_of(lock);
  return profile;
}

/// Lapis 0.3: `{migrationVersion, lastCompatibleVersion, lockId, data}`. The versions become the
/// record's schema version and lowest reader, each with one more.
[[nodiscard]] inline Result<Profile> read_lapis(std::string_view line) {
  using namespace detail;
  Profile profile;
  const auto row = read_row(line, profile);
  if (!row) return row.error();
  if (auto read = read_beside(*row, profile); !read) return read.error();
  const Value& record = (*row)["value"];
  auto data = data_at(record, "data");
  if (!data) return data.error();
  profile.data = *std::move(data);
  const auto version = version_at(record["migrationVersion"], "value.migrationVersion");
  if (!version) return version.error();
  const Value& last = record["lastCompatibleVersion"];
  const auto lowest = last.is_null() ? version : version_at(last, "value.lastCompatibleVersion");
  if (!lowest) return lowest.error();
  if (*lowest > *version)
    return misfit("value.lastCompatibleVersion", "at most the migrationVersion", last);
  profile.version = {*version, *lowest};
  if (const Value& lock = record["lockId"]; !lock.is_null()) profile.active_session = json_of(lock);
  return profile;
}

struct Source {
  std::string_view name;  ///< as `--from` has it
  Result<Profile> (*read)(std::string_view line);
};
inline constexpr Source sources[] = {{"profilestore", &read_profile},
                                     {"suphi", &read_suphi},
                                     {"rbx-persist", &read_rbx_persist},
                                     {"lapis", &read_lapis}};

/// The one of that name, or null.
[[nodiscard]] inline const Source* find_source(std::string_view name) noexcept {
  const auto* found = std::find_if(std::begin(sources), std::end(sources),
                                   [&](const Source& source) { return source.name == name; });
  return found == std::end(sources) ? nullptr : found;
}

}  // namespace persistctl
